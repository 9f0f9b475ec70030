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
            State::Off(_) => (0, "off"),
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

    /// Ends it.
    pub fn finish(self, moment: &Moment<'_>, families: &mut Families) -> CollectorReport {
        match self.state {
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
        }
    }

    /// Drops the links of its programs.
    pub fn detach(&mut self) {
        if let State::Measuring { collector, .. } = &mut self.state {
            collector.detach();
        }
    }
}

/// Explains an error with this host's facts. They are read only now: it takes longer than starting a collector.
pub(super) fn explained(error: &(dyn std::error::Error + 'static)) -> Explained {
    explain(error, &Facts::read(&Root::default()))
}
