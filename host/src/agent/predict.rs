//! Snapshots one after the other, by collectors that are started once, and what they predict.

use std::time::Duration;

use kerno_signals::growth::moments;
use kerno_signals::{Snapshot, Window};

use super::{AgentError, Interrupt, Judging, Moment, Options, TICK, Wake, host, rights};
use crate::artifacts;
use crate::collector::{self, Collectors};
use crate::engine::{Limits, Runtime, Settings};
use crate::platform::clock::Clock;
use crate::predict::{RULES, Thresholds};
use crate::report::Outlook;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Predict {
    /// Number of snapshots.
    pub snapshots: u32,
    /// Time between two of them on average.
    pub interval: Duration,
    /// The rest; its duration is not used.
    pub options: Options,
}

/// Takes snapshots and tells what will meet its limit. Each covers the time from the start, so that one start of the collectors
/// serves them all. An interrupt ends it early: the snapshots taken until then are all there are, and one where there was none yet. `None` when none was asked for.
///
/// # Errors
/// When rules cannot be run at all, or nothing is known of the host. A collector that fails is part of the outlook.
pub fn predict(
    asked: &Predict,
    clock: &dyn Clock,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(Moment<'_>),
) -> Result<Option<Outlook>, AgentError> {
    let options = &asked.options;
    progress(Moment::Starting);
    let runtime = Runtime::new(&Limits::default())?;
    let mut collectors = Collectors::watch(&collector::Options { ebpf: options.ebpf, ..collector::Options::default() });
    rights::measuring(options.recording);
    let host = host::Start::read(options)?;
    let (start_unix_ns, start_ns) = (clock.unix_ns(), clock.monotonic_ns());
    let passed = || Duration::from_nanos(clock.monotonic_ns().saturating_sub(start_ns));
    progress(Moment::Started(&collectors.tick()));

    let mut snapshots: Vec<Snapshot> = Vec::new();
    let mut interrupted = false;
    let mut ticked = Duration::ZERO;
    for due in moments(asked.snapshots, u64::try_from(asked.interval.as_nanos()).unwrap_or(u64::MAX)) {
        let due = Duration::from_nanos(due);
        let mut elapsed = passed();
        while elapsed < due && !interrupted {
            let next = (ticked + TICK).min(due);
            interrupted = interrupt.wait(next.saturating_sub(elapsed)) == Wake::Interrupted;
            elapsed = passed();
            if elapsed >= ticked + TICK {
                progress(Moment::Ticked(elapsed, &collectors.tick()));
                ticked = elapsed;
            }
        }
        // One is taken in any case: it says which host this is.
        if interrupted && !snapshots.is_empty() {
            break;
        }
        let collected = collectors.so_far();
        // When it was read, not when it was due.
        let duration_ns = clock.monotonic_ns().saturating_sub(start_ns);
        let snapshot = Snapshot {
            host: host.finish(options, duration_ns),
            window: Window { start_unix_ns, duration_ns, interrupted: false },
            collectors: collected.reports,
            families: collected.families,
            processes: collected.processes,
        };
        progress(Moment::Measured(&snapshot));
        snapshots.push(snapshot);
        if interrupted {
            break;
        }
    }
    drop(collectors);
    if let Some(last) = snapshots.last_mut() {
        last.window.interrupted = interrupted;
    }
    progress(Moment::Judging);
    rights::judging();
    let thresholds = thresholds(runtime, &options.judging)?;
    Ok(Outlook::new(&snapshots, crate::predict::predict(&snapshots, &thresholds)))
}

/// Predicts from snapshots that were taken before, here or elsewhere: the same snapshots give the same outlook. They are put in the
/// order of time. `None` without any.
///
/// # Errors
/// When rules cannot be run at all.
pub fn predict_from(mut snapshots: Vec<Snapshot>, judging: &Judging) -> Result<Option<Outlook>, AgentError> {
    rights::judging();
    snapshots.sort_by_key(|snapshot| {
        let Window { start_unix_ns, duration_ns, .. } = snapshot.window;
        (start_unix_ns.saturating_add(duration_ns), start_unix_ns)
    });
    let thresholds = thresholds(Runtime::new(&Limits::default())?, judging)?;
    Ok(Outlook::new(&snapshots, crate::predict::predict(&snapshots, &thresholds)))
}

/// What the built-in rules say is too much, or what was set in their place.
fn thresholds(runtime: Runtime, judging: &Judging) -> Result<Thresholds, AgentError> {
    let asked: Vec<_> = artifacts::BUILT_IN_RULES.iter().copied().filter(|(id, _)| RULES.contains(id)).collect();
    // A rule that is switched off says all the same what too much is.
    let settings = Settings { even_disabled: true, ..judging.settings.clone() };
    let rules = runtime.load_with(&asked, &[], &settings)?;
    Ok(Thresholds::new(|rule, name| rules.parameter(rule, name)))
}
