//! One window after the other, judged by rules that follow their directories.

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use super::{AgentError, Interrupt, Judging, Moment, Options, SHORTEST, Wake, built_in, measure, rights};
use crate::judge::PROGRAM;
use crate::platform::clock::Clock;
use crate::reload::{Live, Rules};
use crate::report::{History, Report};

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub struct Continuous {
    /// Each window.
    pub options: Options,
    /// From the start of one window to the start of the next.
    pub interval: Duration,
}

/// Measures and judges until it is interrupted, or `tell` has enough. An interrupt ends a window early, which is the last one.
///
/// # Errors
/// Rules cannot be run at all, or nothing is known of the host. A rule or a collector that fails is part of the report.
pub fn continuous(
    asked: &Continuous,
    clock: &(dyn Clock + Sync),
    interrupt: &Interrupt,
    progress: &mut (dyn FnMut(Moment<'_>) + Send),
    tell: &mut dyn FnMut(Report) -> ControlFlow<()>,
) -> Result<(), AgentError> {
    progress(Moment::Starting);
    let options = &asked.options;
    let Judging { rules, settings, limits, policy, objectives } = options.judging.clone();
    let (program, built_in) = (PROGRAM.into(), built_in());
    let mut live = Live::start(Rules { program, built_in, directories: rules, settings, limits, policy }, rights::judging)?;
    let (mut history, mut is_told) = (History::default(), false);
    loop {
        let begun = clock.monotonic_ns();
        // What a window needs no more is given up by the thread that measures it: the next one needs all of it again.
        let measured = thread::scope(|scope| {
            let thread = scope.spawn(|| measure(options, clock, interrupt, progress));
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let snapshot = measured?;
        // The window before it has told more.
        if snapshot.window.interrupted && is_told && Duration::from_nanos(snapshot.window.duration_ns) < SHORTEST {
            return Ok(());
        }
        progress(Moment::Judging);
        let judgement = live.judge(&postcard::to_allocvec(&snapshot)?)?;
        let mut report = Report::new(&snapshot, judgement.reports);
        report.mark(&objectives);
        report.rules_generation = Some(judgement.generation);
        history.note(&mut report);
        is_told = true;
        if tell(report).is_break() || snapshot.window.interrupted {
            return Ok(());
        }
        let passed = Duration::from_nanos(clock.monotonic_ns().saturating_sub(begun));
        if interrupt.wait(asked.interval.saturating_sub(passed)) == Wake::Interrupted {
            return Ok(());
        }
    }
}
