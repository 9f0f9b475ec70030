//! System calls without eBPF: `/proc` counts none, but shows which threads are blocked in which. Looked at every tick, it tells the
//! calls that hang.

use kerno_signals::{CollectorReport, Families, Syscall};

use super::{NAME, hung, hung::Hung};
use crate::{
    collector::{Collector, Failure, Moment, load_error::Explained, report},
    platform::{
        Root,
        clock::{Clock, SystemClock},
        process, thread,
    },
};

/// What a look may cost, in the units of [`Threads::go_on`](crate::platform::threads::Threads::go_on).
const BUDGET: usize = 2_048;

/// Sleeping threads that are looked at again at the end.
const CHECKED: usize = 1_024;

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Only kerno's own processes are to be seen.
    #[error("calls that hang cannot be seen: {0}")]
    Hidden(&'static str),
    /// The files that tell a thread's call are not there, or not readable.
    #[error(
        "/proc/<pid>/task/<tid>/syscall cannot be read (kernel built without CONFIG_HAVE_ARCH_TRACEHOOK, or CAP_SYS_PTRACE missing)"
    )]
    NotTold,
}

/// A running measurement.
#[derive(Debug)]
pub struct SyscallFallback {
    root: Root,
    hung: Hung,
    /// Threads seen blocked, over all looks.
    events: u64,
}

impl SyscallFallback {
    /// Takes the first look.
    ///
    /// # Errors
    ///
    /// When threads cannot be looked at.
    pub fn start() -> Result<Self, Error> {
        Self::start_at(Root::default(), SystemClock.monotonic_ns())
    }

    fn start_at(root: Root, now_ns: u64) -> Result<Self, Error> {
        if let Some(hidden) = process::hidden(&root) {
            return Err(Error::Hidden(hidden));
        }
        // The first process sleeps, in a call, nearly always; another's call is told to those who may.
        let told = |pid| process::tids(&root, pid).into_iter().any(|tid| thread::blocked(&root, pid, tid).is_some());
        let own = std::process::id();
        if !process::pids(&root).into_iter().filter(|pid| *pid != own).any(told) {
            return Err(Error::NotTold);
        }
        let mut fallback = Self { root, hung: Hung::default(), events: 0 };
        fallback.look(now_ns, BUDGET);
        Ok(fallback)
    }

    fn look(&mut self, now_ns: u64, budget: usize) {
        self.hung.look_on(&self.root, now_ns, budget);
        self.events += self.hung.count() as u64;
    }
}

impl Collector for SyscallFallback {
    fn events(&self) -> u64 {
        self.events
    }

    fn tick(&mut self, moment: &Moment<'_>) {
        self.look(moment.now_ns, BUDGET);
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.look(moment.now_ns, BUDGET);
        let unseen = self.hung.left_out(&self.root);
        if unseen.is_some() {
            // The last look was at a part: who slept then may be awake.
            self.hung.check(&self.root, moment.now_ns, CHECKED);
        }
        let in_flight = hung::in_flight(&self.root, moment, &[], &self.hung);
        families.syscall = Some(Syscall { in_flight, ..Syscall::default() });
        let source = "/proc/<pid>/task/<tid>/{syscall,stat,wchan}: only calls that hang";
        Ok(report::partial(report::fallback(NAME, self.events, source.to_owned()), unseen.map(not_seen)))
    }
}

fn not_seen((few, all): (u64, u64)) -> Explained {
    Explained {
        reason: format!(
            "a call that hangs is told of a part of the threads: of about {all}, too many to be looked at at once, {few} were looked at \
            less than twice"
        ),
        fix: "let kerno use eBPF, which sees every call: `kerno check` tells what is missing for it".to_owned(),
    }
}
