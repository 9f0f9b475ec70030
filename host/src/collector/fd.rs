//! Open descriptors of every process, counted at each tick. Hook: `iter/task`; kernels from 5.8 with BTF.

mod decode;
pub mod fallback;
mod series;
mod track;

use kerno_ebpf_common::fd::Table;
use kerno_signals::{CollectorReport, Families};

use super::{
    Collector, Failure, Moment, Proof, cgroup_of,
    context::{Context, StartError},
    fields,
    load_error::Explained,
    loader::{LoadError, Object},
    report::{self, Counted},
};
use crate::{
    artifacts,
    platform::{
        Root,
        clock::{Clock, SystemClock},
        descriptors,
    },
};
use track::{Names, Tracker};

/// The collector's name everywhere.
pub const NAME: &str = "fd";

/// The iterator's program.
const PROGRAM: &str = "descriptors";

/// Descriptors of kerno's own that are open during the walk only: the iterator's file.
const OWN_DURING_WALK: u64 = 1;

/// The running collector.
pub struct FdCollector {
    root: Root,
    object: Object,
    tracker: Tracker,
    proof: Proof,
    /// Walks that failed, and why the last one did.
    failed: u64,
    error: Option<LoadError>,
}

impl FdCollector {
    /// Loads the program and counts for the first time.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
        let mut globals = context.globals(fields::DESCRIPTORS)?;
        globals.extend(context.cgroup_globals()?);
        globals.extend(context.common_globals(NAME));
        let mut object = Object::open(&context.kernel, NAME, bytes, &globals, &[])?;
        object.load_iterator(&context.kernel, PROGRAM, "task")?;
        let root = context.root.clone();
        let mut collector =
            Self { root, object, tracker: Tracker::beside(std::process::id()), proof: Proof::Pending, failed: 0, error: None };
        collector.read()?;
        Ok(collector)
    }

    /// Counts once. kerno's own descriptors are the canary: what `/proc` lists before and after is what the walk must tell.
    fn read(&mut self) -> Result<(), LoadError> {
        let own = std::process::id();
        let before = descriptors::count(&self.root, own).ok();
        let at = SystemClock.monotonic_ns();
        let counts = decode::counts(Table::all(&self.object.walk(PROGRAM)?));
        let seen = counts.iter().find(|count| count.pid == own).and_then(|count| count.open);
        let after = descriptors::count(&self.root, own).ok();
        self.tracker.note(at, counts);
        self.proof = match (before, after) {
            (Some(before), Some(after)) => judge(seen, before, after),
            // Without /proc there is nothing to compare with.
            _ => Proof::Pending,
        };
        Ok(())
    }

    fn read_and_note(&mut self) {
        if let Err(error) = self.read() {
            self.proof = Proof::Blind(format!("the walk over descriptors failed: {error}"));
            self.failed += 1;
            self.error = Some(error);
        }
    }
}

/// Whether the walk told what `/proc` lists of kerno, which other threads may have changed meanwhile.
fn judge(seen: Option<u64>, before: u64, after: u64) -> Proof {
    let (least, most) = (before.min(after) + OWN_DURING_WALK, before.max(after) + OWN_DURING_WALK);
    match seen {
        Some(seen) if (least..=most).contains(&seen) => Proof::Alive,
        Some(seen) => Proof::Blind(format!("the walk over descriptors counted {seen} of kerno's own, and it has {most}")),
        None => Proof::Blind("the walk over descriptors did not see kerno itself".to_owned()),
    }
}

impl FdCollector {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.read_and_note();
        let names = Names {
            cgroup: &|id| cgroup_of(moment.names, id),
            cgroup_of: &|_| None,
            limits_of: &|pid| descriptors::limits(&self.root, pid).ok(),
            own: std::process::id(),
        };
        families.fd = Some(self.tracker.tell(&names, descriptors::file_table(&self.root).ok()));
        let counted =
            Counted { what: "descriptor counts", events: self.tracker.counts(), lost: self.tracker.lost(), missed: Some(0) };
        let failed = self.error.as_ref().map(|error| Explained {
            reason: format!("{} of the walks over descriptors failed, the last one because it {error}", self.failed),
            fix: "measure again; where it stays, report it, with what `kerno` prints at log level debug".to_owned(),
        });
        Ok(report::partial(report::running(NAME, &[counted]), failed))
    }
}

impl Collector for FdCollector {
    /// Tables counted so far.
    fn events(&self) -> u64 {
        self.tracker.counts()
    }

    fn tick(&mut self, _moment: &Moment<'_>) {
        self.read_and_note();
    }

    fn prove(&mut self) -> Proof {
        self.proof.clone()
    }

    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }

    fn detach(&mut self) {
        self.object.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_allows_what_other_threads_opened_meanwhile_and_nothing_else() {
        assert_eq!(judge(Some(11), 10, 10), Proof::Alive);
        assert_eq!(judge(Some(12), 10, 13), Proof::Alive);
        assert!(matches!(judge(Some(10), 10, 10), Proof::Blind(_)));
        assert!(matches!(judge(Some(0), 10, 10), Proof::Blind(_)));
        assert!(matches!(judge(None, 10, 10), Proof::Blind(what) if what.contains("kerno itself")));
    }
}
