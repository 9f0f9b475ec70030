//! Collectors: one per family of signals. Each measures with eBPF, else from `/proc`, else not at all, and says which and why.

pub mod block;
pub mod context;
pub mod fields;
pub mod load_error;
pub mod loader;
mod report;
pub mod sched;

use kerno_signals::{Block, Cgroup, CollectorReport, Sched};

use crate::platform::{Root, cgroup::Names, kernel::Facts, process};
use block::{BlockCollector, fallback::BlockFallback};
use context::{Context, StartError};
use load_error::{Explained, explain, not_built_in};
use report::Counted;
use sched::{SchedCollector, fallback::SchedFallback};

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Use eBPF where it is to be had.
    pub ebpf: bool,
}

/// What a collector has counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which collector.
    pub collector: &'static str,
    /// Kernel events.
    pub events: u64,
    /// Where they come from: `eBPF`, `/proc`, or `off`.
    pub source: &'static str,
}

/// What was measured.
#[derive(Debug)]
pub struct Collected {
    /// Run-queue delay.
    pub sched: Option<Sched>,
    /// Block requests and syncs.
    pub block: Option<Block>,
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
        Self { sched: None, block: None, reports: self.reports.into_iter().map(off).collect() }
    }
}

fn why_too_short() -> Explained {
    Explained { reason: "the window was shorter than 1 s".to_owned(), fix: "let it run for at least 1 s".to_owned() }
}

/// How a collector measures.
enum Source<P, F> {
    Ebpf(P),
    Fallback(F, Explained),
    Off(Explained),
}

impl<P, F> Source<P, F> {
    fn name(&self) -> &'static str {
        match self {
            Self::Ebpf(_) => "eBPF",
            Self::Fallback(..) => "/proc",
            Self::Off(_) => "off",
        }
    }
}

/// The running collectors.
pub struct Collectors {
    names: Option<Names>,
    sched: Source<SchedCollector, SchedFallback>,
    block: Source<BlockCollector, BlockFallback>,
}

impl Collectors {
    /// Starts them all. What cannot be had is in the reports.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let root = Root::default();
        let names = Names::new(root.clone())
            .inspect_err(|error| tracing::warn!(%error, "control groups are told by number, not by name"))
            .ok();
        let context = options.ebpf.then(|| Context::read(&root, names.as_ref()));
        // Run-queue delay last: loading programs keeps a CPU busy, and others would be seen to wait for it.
        let block = start(block::NAME, context.as_ref(), BlockCollector::start, BlockFallback::start);
        let sched = start(sched::NAME, context.as_ref(), SchedCollector::start, SchedFallback::start);
        Self { names, sched, block }
    }

    /// Names what is short-lived while it lives, and tells what was counted so far. To be called about once a second.
    pub fn tick(&mut self) -> Vec<Progress> {
        self.refresh_names();
        let sched = match &mut self.sched {
            Source::Ebpf(collector) => collector.events(),
            Source::Fallback(fallback, _) => fallback.tick(),
            Source::Off(_) => 0,
        };
        let block = match &mut self.block {
            Source::Ebpf(collector) => {
                collector.tick();
                collector.events()
            }
            Source::Fallback(fallback, _) => fallback.events(),
            Source::Off(_) => 0,
        };
        vec![
            Progress { collector: sched::NAME, events: sched, source: self.sched.name() },
            Progress { collector: block::NAME, events: block, source: self.block.name() },
        ]
    }

    /// Ends the window: reads everything and detaches.
    #[must_use]
    pub fn finish(mut self) -> Collected {
        self.refresh_names();
        let hidden = || process::hidden(&Root::default()).map(hidden);
        let names = self.names.as_ref();
        let (sched, sched_report) = match self.sched {
            Source::Ebpf(collector) => match collector.finish(names) {
                Ok(measured) => {
                    let counted = Counted { what: "events", events: measured.events, lost: measured.lost };
                    (Some(measured.family), report::partial(report::running(sched::NAME, &[counted]), hidden()))
                }
                Err(error) => (None, report::off(sched::NAME, explained(&error))),
            },
            Source::Fallback(fallback, why) => {
                let events = fallback.events();
                let (family, source) = fallback.finish();
                (Some(family), report::fallback(sched::NAME, events, source, why))
            }
            Source::Off(why) => (None, report::off(sched::NAME, why)),
        };
        let (block, block_report) = match self.block {
            Source::Ebpf(collector) => match collector.finish(names) {
                Ok(measured) => {
                    let block::Measured { mut family, requests, syncs, partial } = measured;
                    let report = if syncs.share() < report::TOO_MANY {
                        report::running(block::NAME, &[requests, syncs])
                    } else {
                        family.syncs = None;
                        report::partial(report::running(block::NAME, &[requests]), Some(report::losses(&syncs)))
                    };
                    let report = report::partial(report, partial.map(|error| explained(&error)));
                    (Some(family), report::partial(report, hidden()))
                }
                Err(error) => (None, report::off(block::NAME, explained(&error))),
            },
            Source::Fallback(fallback, why) => {
                let events = fallback.events();
                match fallback.finish() {
                    Ok((family, source)) => (Some(family), report::fallback(block::NAME, events, source, why)),
                    Err(error) => (None, report::off(block::NAME, explained(&error))),
                }
            }
            Source::Off(why) => (None, report::off(block::NAME, why)),
        };
        Collected { sched, block, reports: vec![sched_report, block_report] }
    }

    fn refresh_names(&mut self) {
        if let Some(names) = &mut self.names
            && let Err(error) = names.refresh()
        {
            tracing::debug!(%error, "control groups keep the names of the last scan");
        }
    }
}

/// Starts a collector with eBPF, else from `/proc`. `context` is `None` when eBPF is switched off.
fn start<P, F, E: std::error::Error + 'static>(
    name: &str,
    context: Option<&Result<Context, StartError>>,
    ebpf: impl FnOnce(&Context) -> Result<P, StartError>,
    fallback: impl FnOnce() -> Result<F, E>,
) -> Source<P, F> {
    let why = match context.map(|context| context.as_ref().map(ebpf)) {
        Some(Ok(Ok(collector))) => return Source::Ebpf(collector),
        Some(Ok(Err(StartError::NotBuiltIn))) => not_built_in(name),
        Some(Ok(Err(error))) => explained(&error),
        Some(Err(error)) => explained(error),
        None => Explained { reason: "eBPF is switched off".to_owned(), fix: "unset KERNO_EBPF".to_owned() },
    };
    match fallback() {
        Ok(fallback) => Source::Fallback(fallback, why),
        Err(error) => {
            let Explained { reason, fix } = why;
            Source::Off(Explained { reason: format!("{reason}; instead of it, {error}"), fix })
        }
    }
}

/// Explains an error with this host's facts. They are read only now: it takes longer than starting a collector.
fn explained(error: &(dyn std::error::Error + 'static)) -> Explained {
    explain(error, &Facts::read(&Root::default()))
}

/// Explains why processes cannot be named.
fn hidden(reason: &'static str) -> Explained {
    Explained {
        reason: reason.to_owned(),
        fix: "run kerno in the host's pid namespace (hostPID) with a /proc that shows every process".to_owned(),
    }
}

/// Names a control group.
fn cgroup_of(names: Option<&Names>, id: u64) -> Cgroup {
    names.map_or(Cgroup { id, path: None, unit: None, container: None }, |names| names.resolve(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_was_too_short_has_no_families() {
        let counted = Counted { what: "events", events: 3, lost: 0 };
        let why = Explained { reason: "no eBPF".to_owned(), fix: "none".to_owned() };
        let reports = vec![report::running(sched::NAME, &[counted]), report::off(block::NAME, why)];
        let told = Collected { sched: None, block: Some(Block { devices: vec![], syncs: None }), reports }.too_short();
        assert!(told.sched.is_none() && told.block.is_none());
        let reasons: Vec<_> = told.reports.iter().map(|report| (report.coverage, report.reason.as_deref())).collect();
        assert_eq!(reasons, [(None, Some("the window was shorter than 1 s")), (None, Some("no eBPF"))]);
    }
}
