//! What rules cost: time to compile, to make an instance, to evaluate a window; and memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerno_signals::Snapshot;
use serde::Serialize;

use super::load::{self, Candidate};
use super::rule::LoadedRule;
use super::sandbox::Sandbox;
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
    /// What it costs; `None` when it did not load or failed.
    pub cost: Option<Cost>,
    /// Why that is not known, or why it was not evaluated.
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
    /// Measures the built-in rules and those of the directories on a window, whether they are switched off or not: those that are
    /// wanted, by id and file.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn bench(
        self,
        built_in: &[(&str, Option<&[u8]>)],
        directories: &[PathBuf],
        settings: &Settings,
        snapshot: &Arc<Snapshot>,
        is_wanted: &dyn Fn(&str, Option<&Path>) -> bool,
    ) -> Result<Vec<Bench>, LoadError> {
        let Self(sandbox) = self;
        let candidates = load::candidates(built_in, directories, &sandbox.limits)?;
        let clock = sandbox.start_clock().map_err(no_deadline);
        let bench = |candidate: Candidate| {
            let Candidate { stem, source, path, bytes } = candidate;
            let loaded = bytes.and_then(|bytes| {
                clock.as_ref().map_err(Clone::clone)?;
                let rule = LoadedRule::load(&sandbox, &bytes, &source, settings)?;
                Ok((rule, bytes))
            });
            let id = loaded.as_ref().map_or(stem.as_str(), |(rule, _)| rule.id()).to_owned();
            if !is_wanted(&id, path.as_deref()) {
                return None;
            }
            let measured = loaded.and_then(|(rule, bytes)| measure(&sandbox, &rule, &bytes, snapshot));
            Some(match measured {
                Ok((cost, reason)) => Bench { id, source, cost: Some(cost), reason },
                Err(reason) => Bench { id, source, cost: None, reason: Some(output::sentence(reason)) },
            })
        };
        Ok(candidates.into_iter().filter_map(bench).collect())
    }
}

/// What a rule costs, and why it was not evaluated. One that fails is not made to fail over and over.
fn measure(
    sandbox: &Sandbox,
    rule: &LoadedRule,
    bytes: &[u8],
    snapshot: &Arc<Snapshot>,
) -> Result<(Cost, Option<String>), String> {
    let (report, memory) = rule.judge(sandbox, snapshot);
    if report.status == RuleStatus::Failed {
        return Err(report.reason.unwrap_or_default());
    }
    let cost = Cost {
        compile: time(|| load::compile(sandbox, bytes)).as_secs_f64(),
        instantiate: Times::of(|| rule.instantiate(sandbox)),
        evaluate: Times::of(|| rule.judge(sandbox, snapshot)),
        memory,
        status: report.status,
    };
    Ok((cost, report.reason.filter(|_| report.status == RuleStatus::NotEvaluated)))
}
