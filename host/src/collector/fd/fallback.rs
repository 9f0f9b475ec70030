//! Descriptors without eBPF: `/proc/<pid>/fd` of every process. Since 6.2 its size is the count; before, it is listed, which costs
//! so much that it is done more seldom than at each tick where there are many descriptors.

use kerno_signals::{CollectorReport, Families, Fd};

use super::{
    NAME,
    track::{Count, Names, Tracker},
};
use crate::{
    collector::{Collector, Failure, Moment, cgroup_of, load_error::Explained, report, why_hidden},
    platform::{
        Error, Root,
        clock::{Clock, SystemClock},
        descriptors, process,
    },
};

/// Counting takes at most one part in so many of the time.
const SHARE: u64 = 20;

/// A running measurement.
#[derive(Debug)]
pub struct FdFallback {
    root: Root,
    tracker: Tracker,
    /// The size of the directory is the count.
    sized: bool,
    /// Not counted before then.
    next: u64,
    /// Processes at the last reading that may not be looked into.
    refused: u64,
}

impl FdFallback {
    /// Counts for the first time.
    ///
    /// # Errors
    ///
    /// When not even this process can be looked into: `/proc` is not mounted.
    pub fn start() -> Result<Self, Error> {
        Self::start_at(Root::default())
    }

    fn start_at(root: Root) -> Result<Self, Error> {
        let own = std::process::id();
        descriptors::count(&root, own)?;
        let sized = descriptors::size(&root, own).is_ok_and(|size| size > 0);
        let mut fallback = Self { root, tracker: Tracker::beside(std::process::id()), sized, next: 0, refused: 0 };
        fallback.read();
        Ok(fallback)
    }

    fn read(&mut self) {
        let at = SystemClock.monotonic_ns();
        let mut refused = 0;
        let counts = process::pids(&self.root).into_iter().filter_map(|pid| match self.count(pid) {
            Ok(count) => count,
            Err(error) => {
                refused += u64::from(!error.is_not_found());
                None
            }
        });
        let counts = counts.collect();
        self.refused = refused;
        self.tracker.note(at, counts);
        let now = SystemClock.monotonic_ns();
        self.next = now.saturating_add(now.saturating_sub(at).saturating_mul(SHARE));
    }

    /// `None` for kernel threads and what has ended: they have no descriptors.
    fn count(&self, pid: u32) -> Result<Option<Count>, Error> {
        let stat = process::stat(&self.root, pid)?;
        if stat.of_kernel || stat.state == 'Z' {
            return Ok(None);
        }
        let open = if self.sized { descriptors::size(&self.root, pid) } else { descriptors::count(&self.root, pid) }?;
        let mut comm = [0; 16];
        comm.iter_mut().zip(stat.comm.bytes().take(15)).for_each(|(to, from)| *to = from);
        let start_ns = process::ticks_ns(stat.start_ticks);
        Ok(Some(Count { pid, start_ns, comm, group: None, table: None, limit: None, open: Some(open) }))
    }

    fn source(&self) -> String {
        let how = if self.sized { "size of /proc/<pid>/fd" } else { "/proc/<pid>/fd" };
        format!("{how}, {} readings", self.tracker.readings())
    }
}

impl FdFallback {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.read();
        let path_of = |pid| moment.names.and_then(|names| names.hierarchy().path_of(&self.root, pid).ok());
        let id_of = |pid| moment.names.zip(path_of(pid)).and_then(|(names, path)| names.id(&path));
        let names = Names {
            cgroup: &|id| cgroup_of(moment.names, id),
            cgroup_of: &|pid| id_of(pid).map(|id| cgroup_of(moment.names, id)),
            limits_of: &|pid| descriptors::limits(&self.root, pid).ok(),
            own: std::process::id(),
        };
        let hidden = process::hidden(&self.root).map(why_hidden);
        let family = self.tracker.tell(&names, descriptors::file_table(&self.root).ok());
        // Of those that are hidden nobody knows how many there are.
        families.fd = Some(Fd { unseen: self.refused.max(u64::from(hidden.is_some())), ..family });
        let report = report::fallback(NAME, self.tracker.counts(), self.source());
        let refused = (self.refused > 0).then(|| Explained {
            reason: format!("descriptors of {} processes may not be counted", self.refused),
            fix: "run kerno as root, or grant it CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH".to_owned(),
        });
        Ok(report::partial(report::partial(report, hidden), refused))
    }
}

impl Collector for FdFallback {
    fn events(&self) -> u64 {
        self.tracker.counts()
    }

    fn tick(&mut self, _moment: &Moment<'_>) {
        if SystemClock.monotonic_ns() >= self.next {
            self.read();
        }
    }

    /// Tables that processes share are not told: files do not say so.
    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }
}
