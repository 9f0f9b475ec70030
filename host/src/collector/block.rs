//! Block requests and the fsync family. Hooks: `tp_btf/block_rq_{issue,requeue,complete}`, and entry and return of the fsync family's
//! system calls and of `vfs_fsync_range`; kernels from 5.8 with BTF.

mod canary;
pub mod decode;
pub mod fallback;
mod in_flight;
mod requests;
mod syncs;

use kerno_ebpf_common::block::{Counters, MAX_REQUEST_SHARDS, OTHER, REQUEST_ROWS, SYNC_ROWS};
use kerno_signals::{Block, CollectorReport, Families};

use super::{
    Collector, Failure, Moment, Proof,
    context::{Context, StartError},
    fields,
    load_error::Explained,
    loader::{LoadError, Object},
    report::{self, Counted},
    running::explained,
};
use crate::{artifacts, platform::Root};
use canary::Canary;
use syncs::Syncs;

/// The collector's name everywhere.
pub const NAME: &str = "block";

/// The running collector.
pub struct BlockCollector {
    root: Root,
    object: Object,
    cpus: u32,
    shards: u32,
    operations: decode::Operations,
    /// Or why they cannot be measured.
    syncs: Result<Syncs, Explained>,
    canary: Canary,
}

impl BlockCollector {
    /// Loads and attaches the programs; they count from then on. Syncs that cannot be measured leave the requests measured.
    ///
    /// # Errors
    ///
    /// When this host does not allow requests to be measured.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
        let shards = context.shards(MAX_REQUEST_SHARDS);
        let mut globals = requests::globals(context)?;
        globals.extend(context.common_globals(NAME));
        globals.push(("SHARDS", shards));
        let file = context.globals(fields::FILE).and_then(|mut globals| {
            globals.extend(context.cgroup_globals()?);
            Ok(globals)
        });
        globals.extend(file.as_ref().map(Vec::as_slice).unwrap_or_default());
        let sizes = [
            ("COUNTERS", context.cpus),
            ("REQUEST_TOTALS", context.cpus * REQUEST_ROWS),
            ("REQUEST_HIST", shards * REQUEST_ROWS),
            ("SYNC_TOTALS", context.cpus * SYNC_ROWS),
        ];
        let mut object = Object::open(&context.kernel, NAME, bytes, &globals, &sizes)?;
        object.fill("REQUEST_FREE", OTHER + 1..REQUEST_ROWS)?;
        object.fill("SYNC_FREE", OTHER + 1..SYNC_ROWS)?;
        requests::attach(context, &mut object)?;
        let syncs = file.and_then(|_| Syncs::attach(context, &mut object)).map_err(|error| explained(&error));
        let operations = decode::Operations::of(&context.btf);
        Ok(Self { root: context.root.clone(), object, cpus: context.cpus, shards, operations, syncs, canary: Canary::default() })
    }

    fn counters(&self) -> Result<Counters, LoadError> {
        Ok(self.object.rows("COUNTERS", 0..self.cpus)?.into_iter().fold(Counters::default(), decode::add))
    }
}

impl BlockCollector {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let now = moment.now_ns;
        self.tick(moment);
        let counters = self.counters()?;
        let (lost, missed) = (decode::lost_requests(&counters), self.object.missed_by(requests::is_program));
        let requests = Counted { what: "requests", events: counters.completed, lost, missed };
        let (lost, missed) = (decode::lost_syncs(&counters), self.object.missed_by(syncs::is_program));
        let synced = Counted { what: "syncs", events: counters.synced, lost, missed };
        let devices = requests::drain(self, &counters, now)?;
        let (syncs, partial) = match &self.syncs {
            Ok(syncs) => (Some(syncs.drain(&self.root, &self.object, self.cpus, moment.names, now)?), syncs.partial()),
            Err(error) => (None, Some(error.clone())),
        };
        let few_lost = synced.share() < report::TOO_MANY;
        families.block = Some(Block { devices, syncs: syncs.filter(|_| few_lost) });
        let report = if few_lost {
            report::running(NAME, &[requests, synced])
        } else {
            report::partial(report::running(NAME, &[requests]), Some(report::losses(&synced)))
        };
        Ok(report::partial(report, partial))
    }
}

impl Collector for BlockCollector {
    /// Requests and syncs completed so far.
    fn events(&self) -> u64 {
        self.counters().map_or(0, |counters| counters.completed + counters.synced)
    }

    /// Names what short-lived processes sync while they live.
    fn tick(&mut self, _moment: &Moment<'_>) {
        if let Ok(syncs) = &mut self.syncs {
            syncs.name(&self.root, &self.object);
        }
    }

    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }

    fn prove(&mut self) -> Proof {
        match self.counters() {
            Ok(counters) => self.canary.prove(&self.root, &counters, self.syncs.is_ok()),
            Err(error) => Proof::Blind(error.to_string()),
        }
    }

    fn detach(&mut self) {
        self.object.detach();
    }
}
