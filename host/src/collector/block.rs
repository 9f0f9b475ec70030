//! Block requests and the fsync family. Hooks: `tp_btf/block_rq_{issue,requeue,complete}`, and entry and return of the fsync family's
//! system calls and of `vfs_fsync_range`; kernels from 5.8 with BTF.

pub mod decode;
pub mod fallback;
mod in_flight;
mod requests;
mod syncs;

use kerno_ebpf_common::block::{Counters, MAX_REQUEST_SHARDS, OTHER, REQUEST_ROWS, SYNC_ROWS};
use kerno_signals::Block;

use super::{
    context::{Context, StartError},
    fields,
    loader::{LoadError, Object},
    report::Counted,
};
use crate::{
    artifacts,
    platform::{
        Root,
        cgroup::Names,
        clock::{Clock, SystemClock},
    },
};
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
    syncs: Result<Syncs, StartError>,
}

/// What it measured.
pub struct Measured {
    /// The family.
    pub family: Block,
    /// Requests completed, and those missing or not where they belong.
    pub requests: Counted,
    /// The same of syncs.
    pub syncs: Counted,
    /// Why syncs, or part of them, could not be measured.
    pub partial: Option<StartError>,
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
        let syncs = file.and_then(|_| Syncs::attach(context, &mut object));
        let operations = decode::Operations::of(&context.btf);
        Ok(Self { root: context.root.clone(), object, cpus: context.cpus, shards, operations, syncs })
    }

    /// Requests and syncs completed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counters().map_or(0, |counters| counters.completed + counters.synced)
    }

    /// Names what short-lived processes sync while they live.
    pub fn tick(&mut self) {
        if let Ok(syncs) = &mut self.syncs {
            syncs.name(&self.root, &self.object);
        }
    }

    /// Reads everything and detaches.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn finish(mut self, names: Option<&Names>) -> Result<Measured, LoadError> {
        let now = SystemClock.monotonic_ns();
        self.tick();
        let counters = self.counters()?;
        let missed = |which: fn(&str) -> bool| self.object.missed_by(which).unwrap_or(0);
        let lost = decode::lost_requests(&counters) + missed(requests::is_program);
        let requests = Counted { what: "requests", events: counters.completed, lost };
        let lost = decode::lost_syncs(&counters) + missed(syncs::is_program);
        let synced = Counted { what: "syncs", events: counters.synced, lost };
        let devices = requests::drain(&self, &counters, now)?;
        let (syncs, partial) = match self.syncs {
            Ok(syncs) => (Some(syncs.drain(&self.root, &self.object, self.cpus, names, now)?), syncs.partial()),
            Err(error) => (None, Some(error)),
        };
        Ok(Measured { family: Block { devices, syncs }, requests, syncs: synced, partial })
    }

    fn counters(&self) -> Result<Counters, LoadError> {
        (0..self.cpus).try_fold(Counters::default(), |sum, cpu| Ok(decode::add(sum, self.object.get("COUNTERS", cpu)?)))
    }
}
