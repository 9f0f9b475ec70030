//! One collector of a window: where it measures from, whether it is alive, and what it told at the end.

use std::time::Instant;

use kerno_signals::{CollectorReport, Families};

use super::context::{Context, StartError};
use super::load_error::{Explained, explain, not_built_in};
use super::watch::Watch;
use super::{Collector, Moment, Progress, report};
use crate::platform::{Root, kernel::Facts};

/// A collector by name.
pub(super) struct Running {
    pub name: &'static str,
    state: State,
}

enum State {
    Measuring {
        collector: Box<dyn Collector>,
        source: &'static str,
        /// Why it does not use eBPF, where it should.
        instead: Option<Explained>,
        watch: Watch,
    },
    Off(Explained),
    /// It has told.
    Over,
}

impl Running {
    /// Starts a collector with eBPF, else from files.
    pub fn start<P: Collector + 'static, F: Collector + 'static, E: std::error::Error + 'static>(
        name: &'static str,
        context: &Result<Context, Explained>,
        ebpf: impl FnOnce(&Context) -> Result<P, StartError>,
        fallback: impl FnOnce() -> Result<F, E>,
    ) -> Self {
        let begun = Instant::now();
        let started = context.as_ref().map(ebpf);
        tracing::debug!(name, took = ?begun.elapsed(), "started");
        let why = match started {
            Ok(Ok(collector)) => return Self::measuring(name, Box::new(collector), "eBPF", None),
            Ok(Err(StartError::NotBuiltIn)) => not_built_in(name),
            Ok(Err(error)) => explained(&error),
            Err(why) => why.clone(),
        };
        match fallback() {
            Ok(collector) => Self::measuring(name, Box::new(collector), "/proc", Some(why)),
            Err(error) => {
                let Explained { reason, fix } = why;
                Self { name, state: State::Off(Explained { reason: format!("{reason}; instead of it, {error}"), fix }) }
            }
        }
    }

    /// Starts a collector with eBPF or not at all.
    pub fn ebpf_only<P: Collector + 'static>(
        name: &'static str,
        context: &Result<Context, Explained>,
        ebpf: impl FnOnce(&Context) -> Result<P, StartError>,
    ) -> Self {
        let why = match context.as_ref().map(ebpf) {
            Ok(Ok(collector)) => return Self::measuring(name, Box::new(collector), "eBPF", None),
            Ok(Err(StartError::NotBuiltIn)) => not_built_in(name),
            Ok(Err(error)) => explained(&error),
            Err(why) => why.clone(),
        };
        Self { name, state: State::Off(why) }
    }

    /// Starts a collector whose family is kept in files whatever the kernel allows.
    pub fn files<F: Collector + 'static, E: std::error::Error + 'static>(
        name: &'static str,
        start: impl FnOnce() -> Result<F, E>,
    ) -> Self {
        match start() {
            Ok(collector) => Self::measuring(name, Box::new(collector), "files", None),
            Err(error) => Self { name, state: State::Off(explained(&error)) },
        }
    }

    fn measuring(name: &'static str, collector: Box<dyn Collector>, source: &'static str, instead: Option<Explained>) -> Self {
        Self { name, state: State::Measuring { collector, source, instead, watch: Watch::default() } }
    }

    /// Lets it look after what is short-lived, and has it prove that it is alive.
    pub fn tick(&mut self, moment: &Moment<'_>) -> Progress {
        let (events, source) = match &mut self.state {
            State::Measuring { collector, source, watch, .. } => {
                let begun = Instant::now();
                collector.tick(moment);
                watch.note(collector.prove());
                let events = collector.events();
                tracing::debug!(name = self.name, took = ?begun.elapsed(), "ticked");
                (events, *source)
            }
            State::Off(_) | State::Over => (0, "off"),
        };
        Progress { collector: self.name, events, source }
    }

    /// The window is over.
    pub fn stop(&mut self) {
        if let State::Measuring { collector, .. } = &mut self.state {
            let begun = Instant::now();
            collector.stop();
            tracing::debug!(name = self.name, took = ?begun.elapsed(), "stopped");
        }
    }

    /// Tells what it has counted, and goes on.
    pub fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> CollectorReport {
        match &mut self.state {
            State::Measuring { collector, instead, watch, .. } => match collector.so_far(moment, families) {
                Some(Ok(report)) => report::blind(report::instead(report, instead.clone()), watch),
                Some(Err(error)) => report::off(self.name, explained(&*error)),
                None => report::off(self.name, at_the_end()),
            },
            State::Off(why) => report::off(self.name, why.clone()),
            State::Over => report::off(self.name, over()),
        }
    }

    /// Ends it.
    pub fn finish(&mut self, moment: &Moment<'_>, families: &mut Families) -> CollectorReport {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Measuring { collector, instead, watch, .. } => {
                let begun = Instant::now();
                let finished = collector.finish(moment, families);
                tracing::debug!(name = self.name, took = ?begun.elapsed(), "finished");
                match finished {
                    Ok(report) => report::blind(report::instead(report, instead), &watch),
                    Err(error) => report::off(self.name, explained(&*error)),
                }
            }
            State::Off(why) => report::off(self.name, why),
            State::Over => report::off(self.name, over()),
        }
    }

    /// Drops the links of its programs.
    pub fn detach(&mut self) {
        if let State::Measuring { collector, .. } = &mut self.state {
            collector.detach();
        }
    }
}

fn at_the_end() -> Explained {
    Explained { reason: "it can tell what it counted only at the end".to_owned(), fix: "use `kerno doctor` for it".to_owned() }
}

fn over() -> Explained {
    Explained { reason: "it has ended".to_owned(), fix: "measure again".to_owned() }
}

/// Explains an error with this host's facts. They are read only now: it takes longer than starting a collector.
pub(super) fn explained(error: &(dyn std::error::Error + 'static)) -> Explained {
    explain(error, &Facts::read(&Root::default()))
}
