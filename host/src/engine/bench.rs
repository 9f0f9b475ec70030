//! What rules cost: time to compile, to make an instance, to evaluate a window; and memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerno_signals::Snapshot;
use serde::Serialize;

use super::load::{self, Candidate};
use super::rule::LoadedRule;
use super::sandbox::{Clock, Sandbox};
use super::{LoadError, Runtime, Settings, no_deadline, output};
use crate::findings::RuleStatus;

/// Evaluations, and instances, that are timed.
pub const RUNS: usize = 100;
/// Those before them, which are not.
const WARM_UP: usize = 10;

/// What one rule costs, or why that is not known.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    /// Its id; a file's stem when it did not load.
    pub id: String,
    /// `builtin` or the path of its file.
    pub source: String,
    /// What it costs; `None` when it did not load.
    pub cost: Option<Cost>,
    /// Why it did not load, or was not evaluated or failed.
    pub reason: Option<String>,
}

/// Times and memory of a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Time to compile it anew, seconds: what a user's rule takes to load.
    pub compile: f64,
    /// Time to make an instance and give it back.
    pub instantiate: Times,
    /// Time of an evaluation, its instance included.
    pub evaluate: Times,
    /// Most linear memory of an evaluation, bytes.
    pub memory: usize,
    /// What it said of the window.
    pub status: RuleStatus,
}

/// Times of something that was done [`RUNS`] times, seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// The shortest.
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// Of so many the longest but one.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Times {
    fn of<T>(mut run: impl FnMut() -> T) -> Self {
        let mut times: Vec<f64> = (0..WARM_UP + RUNS).map(|_| time(&mut run).as_secs_f64()).skip(WARM_UP).collect();
        times.sort_by(f64::total_cmp);
        let at = |q: f64| times[((q * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1];
        Self { min: at(0.0), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// What it makes is dropped in its time.
fn time<T>(run: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    drop(std::hint::black_box(run()));
    begun.elapsed()
}

impl Runtime {
    /// Measures the built-in rules and those of the directories on a window, whether they are switched off or not.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn bench(
        self,
        built_in: &[(&str, Option<&[u8]>)],
        directories: &[PathBuf],
        settings: &Settings,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Vec<Bench>, LoadError> {
        let Self(sandbox) = self;
        let candidates = load::candidates(built_in, directories, &sandbox.limits)?;
        let clock = sandbox.start_clock().map_err(no_deadline);
        let bench = |candidate: Candidate| {
            let Candidate { stem, source, bytes } = candidate;
            let measured = bytes.and_then(|bytes| measure(&sandbox, &clock, &bytes, &source, settings, snapshot));
            match measured {
                Ok((id, cost, reason)) => Bench { id, source, cost: Some(cost), reason },
                Err(reason) => Bench { id: stem, source, cost: None, reason: Some(output::sentence(reason)) },
            }
        };
        Ok(candidates.into_iter().map(bench).collect())
    }
}

fn measure(
    sandbox: &Sandbox,
    clock: &Result<Arc<Clock>, String>,
    bytes: &[u8],
    source: &str,
    settings: &Settings,
    snapshot: &Arc<Snapshot>,
) -> Result<(String, Cost, Option<String>), String> {
    clock.as_ref().map_err(Clone::clone)?;
    let rule = LoadedRule::load(sandbox, bytes, source, settings)?;
    let compile = time(|| load::compile(sandbox, bytes));
    let (report, memory) = rule.judge(sandbox, snapshot);
    let cost = Cost {
        compile: compile.as_secs_f64(),
        instantiate: Times::of(|| rule.instantiate(sandbox)),
        evaluate: Times::of(|| rule.judge(sandbox, snapshot)),
        memory,
        status: report.status,
    };
    Ok((report.id, cost, report.reason.filter(|_| report.status != RuleStatus::Quiet)))
}
