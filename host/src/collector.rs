//! Collectors: one per family of signals. Each measures with eBPF, else from files, else not at all, and says which and why.

pub mod block;
pub mod context;
pub mod cpu;
pub mod fd;
pub mod fields;
pub(crate) mod groups;
pub mod hooks;
pub mod load_error;
pub mod loader;
pub mod memory;
pub mod oom;
pub mod processes;
mod report;
mod running;
pub mod sched;
pub mod syscall;
mod tasks;
pub mod tcp;
mod watch;

use kerno_signals::{Cgroup, CollectorReport, Families, Process};

use crate::platform::{
    self, Root,
    cgroup::Names,
    clock::{Clock, SystemClock},
    process,
};
use block::{BlockCollector, fallback::BlockFallback};
use context::Context;
use cpu::CpuCollector;
use fd::{FdCollector, fallback::FdFallback};
use hooks::{Attempt, Journal};
use load_error::Explained;
use memory::MemoryCollector;
use oom::{OomCollector, fallback::OomFallback};
use processes::Processes;
use running::{Running, explained};
use sched::{SchedCollector, fallback::SchedFallback};
use syscall::{SyscallCollector, fallback::SyscallFallback};
use tcp::{TcpCollector, fallback::TcpFallback};

pub use watch::Proof;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Use eBPF where it is to be had.
    pub ebpf: bool,
    /// A collector whose programs are to see nothing. For tests of canaries.
    pub silence: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ebpf: true, silence: None }
    }
}

/// What a collector has counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which collector.
    pub collector: &'static str,
    /// Kernel events.
    pub events: u64,
    /// Where they come from: `eBPF`, `/proc`, `files`, or `off`.
    pub source: &'static str,
}

/// A moment of the window, as collectors are told of it.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Names of the control groups; `None` where this host has none.
    pub names: Option<&'a Names>,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub now_ns: u64,
}

/// Why a collector has nothing to tell at the window's end.
pub type Failure = Box<dyn std::error::Error>;

/// A running measurement of one family, with eBPF or without.
pub trait Collector {
    /// Kernel events counted so far.
    fn events(&self) -> u64;

    /// About once a second: names what is short-lived while it lives, takes the readings between start and end.
    fn tick(&mut self, _moment: &Moment<'_>) {}

    /// The canary: tells whether the known event that the last call caused was seen, and causes the next one.
    fn prove(&mut self) -> Proof {
        Proof::NotNeeded
    }

    /// The window is over: reads what kerno's own work from here on would change.
    fn stop(&mut self) {}

    /// Tells what was counted so far as [`finish`](Self::finish) would, and goes on. `None` for one that can tell it only at the end.
    fn so_far(&mut self, _moment: &Moment<'_>, _families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        None
    }

    /// Ends the measurement: writes its family, tells how well it was seen, detaches.
    ///
    /// # Errors
    ///
    /// When nothing can be told: the collector is off then, for this reason.
    fn finish(self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure>;

    /// Takes its programs off their hooks. For tests of canaries.
    fn detach(&mut self) {}
}

/// What was measured.
#[derive(Debug)]
pub struct Collected {
    /// Each family that was.
    pub families: Families,
    /// The processes that the families name.
    pub processes: Vec<Process>,
    /// One report per collector.
    pub reports: Vec<CollectorReport>,
}

impl Collected {
    /// Without the families: the window was too short for them, and a quiet one would say more than is known.
    #[must_use]
    pub fn too_short(self) -> Self {
        let off = |report: CollectorReport| match report.coverage {
            Some(_) => report::off(&report.name, why_too_short()),
            None => report,
        };
        Self { families: Families::default(), processes: vec![], reports: self.reports.into_iter().map(off).collect() }
    }
}

fn why_too_short() -> Explained {
    Explained { reason: "the window was shorter than 1 s".to_owned(), fix: "let it run for at least 1 s".to_owned() }
}

/// The running collectors.
pub struct Collectors {
    names: Option<Names>,
    processes: Processes,
    /// In the order in which they are told.
    all: Vec<Running>,
    journal: Journal,
}

/// Names of control groups, where they can be read.
fn names(root: &Root) -> Option<Names> {
    Names::new(root.clone()).inspect_err(|error| tracing::warn!(%error, "control groups are told by number, not by name")).ok()
}

/// The order in which collectors are told: the contract's.
const ORDER: [&str; 8] = ["syscall", "sched", "block", "tcp", "oom", "fd", "memory", "cpu"];

impl Collectors {
    /// Starts them all. What cannot be had is in the reports.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let root = Root::default();
        let names = names(&root);
        let context = &context(options, &root, names.as_ref());
        let journal = context.as_ref().map_or_else(|_| Journal::default(), |context| context.kernel.journal().clone());
        // What counts from one reading to the next comes late, so that its first reading is the window's. Those that see tasks wait
        // come last: loading programs and the first tick of the others keep a CPU busy.
        let mut all = vec![
            Running::start(block::NAME, context, BlockCollector::start, BlockFallback::start),
            Running::start(
                oom::NAME,
                context,
                |context| OomCollector::start(context, names.as_ref()),
                || OomFallback::start(names.as_ref()),
            ),
            Running::start(tcp::NAME, context, TcpCollector::start, TcpFallback::start),
            Running::start(fd::NAME, context, FdCollector::start, FdFallback::start),
            Running::files(memory::NAME, || MemoryCollector::start(&root, names.as_ref(), Box::new(SystemClock))),
            Running::files(cpu::NAME, || CpuCollector::start(&root, names.as_ref(), Box::new(SystemClock))),
        ];
        let moment = Moment { names: names.as_ref(), now_ns: SystemClock.monotonic_ns() };
        for running in &mut all {
            running.tick(&moment);
        }
        all.push(Running::start(syscall::NAME, context, SyscallCollector::start, SyscallFallback::start));
        all.push(Running::start(sched::NAME, context, SchedCollector::start, SchedFallback::start));
        all.sort_by_key(|running| ORDER.iter().position(|name| *name == running.name));
        Self { names, processes: Processes::new(root), all, journal }
    }

    /// Starts those that can tell what they have counted while they go on, and whose families say how full something is or how slow:
    /// distributions with eBPF or not at all, and of TCP the kernel's own totals, for which no program is needed.
    #[must_use]
    pub fn watch(options: &Options) -> Self {
        let root = Root::default();
        let names = names(&root);
        let context = &context(options, &root, names.as_ref());
        let journal = context.as_ref().map_or_else(|_| Journal::default(), |context| context.kernel.journal().clone());
        let all = vec![
            Running::ebpf_only(sched::NAME, context, SchedCollector::start),
            Running::ebpf_only(block::NAME, context, BlockCollector::start),
            Running::files(tcp::NAME, TcpFallback::start),
            Running::start(fd::NAME, context, FdCollector::start, FdFallback::start),
            Running::files(memory::NAME, || MemoryCollector::start(&root, names.as_ref(), Box::new(SystemClock))),
        ];
        Self { names, processes: Processes::new(root), all, journal }
    }

    /// Names what is short-lived while it lives, and tells what was counted so far. To be called about once a second.
    pub fn tick(&mut self) -> Vec<Progress> {
        self.refresh_names(Names::refresh);
        self.processes.refresh();
        let moment = Moment { names: self.names.as_ref(), now_ns: SystemClock.monotonic_ns() };
        let tick = |running: &mut Running| {
            let progress = running.tick(&moment);
            // Milliseconds on end would be seen: who wakes up on this CPU waits for a slice to end.
            std::thread::sleep(tasks::MOMENT);
            progress
        };
        self.all.iter_mut().map(tick).collect()
    }

    /// The programs that were to be attached, and what came of each.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.journal.attempts()
    }

    /// Ends the window: reads everything and detaches.
    #[must_use]
    pub fn finish(mut self) -> Collected {
        self.told(|running, moment, families| running.finish(moment, families))
    }

    /// Reads everything that was counted since the start, and goes on. A collector that cannot is told to be off.
    #[must_use]
    pub fn so_far(&mut self) -> Collected {
        self.told(|running, moment, families| running.so_far(moment, families))
    }

    fn told(&mut self, mut tell: impl FnMut(&mut Running, &Moment<'_>, &mut Families) -> CollectorReport) -> Collected {
        self.stop();
        self.refresh_names(Names::refresh_all);
        let moment = Moment { names: self.names.as_ref(), now_ns: SystemClock.monotonic_ns() };
        let mut families = Families::default();
        let hidden = process::hidden(&Root::default());
        let reports = self.all.iter_mut().map(|running| {
            let report = tell(running, &moment, &mut families);
            let gaps = [hidden.map(why_hidden), groups::nameless(moment.names)].into_iter();
            if report.source == "eBPF" { gaps.fold(report, report::partial) } else { report }
        });
        let reports = reports.collect();
        if let (Some(sched), Some(cpu)) = (&mut families.sched, &families.cpu) {
            sched::quota::add(sched, cpu);
        }
        let processes = families.pids().into_iter().filter_map(|pid| self.processes.get(pid)).collect();
        Collected { families, processes, reports }
    }

    /// The window is over: reads what [`finish`](Self::finish), which begins with this, would change.
    pub fn stop(&mut self) {
        self.all.iter_mut().for_each(Running::stop);
    }

    /// Ends all collectors but one, which tell nothing then. For benches.
    pub fn keep_only(&mut self, name: &str) {
        self.all.retain(|running| running.name == name);
    }

    /// Takes one collector's programs off their hooks. For tests of canaries.
    pub fn detach(&mut self, name: &str) {
        self.all.iter_mut().filter(|running| running.name == name).for_each(Running::detach);
    }

    fn refresh_names(&mut self, refresh: fn(&mut Names) -> Result<(), platform::Error>) {
        if let Some(names) = &mut self.names
            && let Err(error) = refresh(names)
        {
            tracing::debug!(%error, "control groups keep the names of the last scan");
        }
    }
}

/// What programs need to start, or why none can.
fn context(options: &Options, root: &Root, names: Option<&Names>) -> Result<Context, Explained> {
    if !options.ebpf {
        return Err(Explained { reason: "eBPF is switched off".to_owned(), fix: "unset KERNO_EBPF".to_owned() });
    }
    if process::is_in_namespace(root) {
        // kerno would take others for itself, and others' processes for those that have their numbers here.
        return Err(why_hidden("kerno knows processes by other numbers than the kernel: it runs in a pid namespace"));
    }
    Context::read(root, names, options.silence).map_err(|error| explained(&error))
}

/// Explains why processes cannot be named.
fn why_hidden(reason: &'static str) -> Explained {
    Explained {
        reason: reason.to_owned(),
        fix: "run kerno in the host's pid namespace (hostPID) with a /proc that shows every process".to_owned(),
    }
}

/// Names a control group.
fn cgroup_of(names: Option<&Names>, id: u64) -> Cgroup {
    names.map_or(Cgroup { id, ..Cgroup::default() }, |names| names.resolve(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_signals::Block;
    use report::Counted;

    #[test]
    fn a_window_that_was_too_short_has_no_families() {
        let counted = Counted { what: "events", events: 3, lost: 0, missed: Some(0) };
        let why = Explained { reason: "no eBPF".to_owned(), fix: "none".to_owned() };
        let reports = vec![report::running(sched::NAME, &[counted]), report::off(block::NAME, why)];
        let block = Some(Block { devices: vec![], syncs: None });
        let told = Collected { families: Families { block, ..Families::default() }, processes: vec![], reports }.too_short();
        assert_eq!(told.families, Families::default());
        let reasons: Vec<_> = told.reports.iter().map(|report| (report.coverage, report.reason.as_deref())).collect();
        assert_eq!(reasons, [(None, Some("the window was shorter than 1 s")), (None, Some("no eBPF"))]);
    }
}
