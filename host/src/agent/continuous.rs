//! One window after the other, judged by rules that follow their directories.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
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
    let progress = &Mutex::new(progress);
    thread::scope(|scope| {
        let (ask, asked_for) = channel::<()>();
        let (tell_measured, measured) = channel();
        // What a window needs no more is given up by the thread that measures it. What starts the next one is kept by a thread that does
        // nothing else: this one judges, without any of it.
        scope.spawn(move || {
            for () in asked_for {
                let window = thread::scope(|scope| {
                    let measuring = scope.spawn(|| {
                        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                        measure(options, clock, interrupt, &mut **progress)
                    });
                    measuring.join().unwrap_or_else(|panic| resume_unwind(panic))
                });
                if tell_measured.send(window).is_err() {
                    return;
                }
            }
        });
        rights::judging();
        loop {
            let begun = clock.monotonic_ns();
            // It ends only by a panic, which the end of the scope passes on.
            let Ok(window) = ask.send(()).map_err(drop).and_then(|()| measured.recv().map_err(drop)) else { return Ok(()) };
            let snapshot = window?;
            // The window before it has told more.
            if snapshot.window.interrupted && is_told && Duration::from_nanos(snapshot.window.duration_ns) < SHORTEST {
                return Ok(());
            }
            progress.lock().unwrap_or_else(PoisonError::into_inner)(Moment::Judging);
            let judgement = live.judge(&postcard::to_allocvec(&snapshot)?)?;
            let mut report = Report::new(&snapshot, judgement.reports);
            report.mark(&objectives);
            report.rules_generation = Some(judgement.generation);
            (report.kept, report.judge_restarts) = (judgement.kept, judgement.restarts);
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
    })
}
