//! What rules cost: time to compile, to make an instance, to evaluate a window; and memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerno_signals::Snapshot;
use serde::{Deserialize, Serialize};

use super::load;
use super::rule::{Judged, LoadedRule};
use super::sandbox::Sandbox;
use super::{Candidate, RuleSet, Slot, no_deadline, output};
use crate::findings::RuleStatus;

/// Evaluations, and instances, that are timed.
pub const RUNS: usize = 100;
/// Those before them, which are not.
const WARM_UP: usize = 10;

/// What one rule costs, or why that is not known.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
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

impl RuleSet {
    /// Measures one of the rules, whose component this is, on a window.
    #[must_use]
    pub fn bench(&self, index: usize, candidate: Candidate, snapshot: &Arc<Snapshot>) -> Bench {
        let source = candidate.source.clone();
        let (id, measured) = match self.rules.get(index) {
            Some(Slot::Loaded(rule)) => {
                let clock = self.sandbox.start_clock().map_err(no_deadline);
                let measured = clock
                    .and_then(|clock| Ok((candidate.component()?, clock)))
                    .and_then(|(bytes, _clock)| measure(&self.sandbox, rule, &bytes, snapshot));
                (rule.id().to_owned(), measured)
            }
            Some(Slot::Refused(report, _)) => (report.id.clone(), Err(report.reason.clone().unwrap_or_default())),
            None => (candidate.stem, Err("it was not loaded".to_owned())),
        };
        match measured {
            Ok((cost, reason)) => Bench { id, source, cost: Some(cost), reason },
            Err(reason) => Bench { id, source, cost: None, reason: Some(output::sentence(reason)) },
        }
    }
}

/// What a rule costs, and why it was not evaluated. One that fails is not made to fail over and over.
fn measure(
    sandbox: &Sandbox,
    rule: &LoadedRule,
    bytes: &[u8],
    snapshot: &Arc<Snapshot>,
) -> Result<(Cost, Option<String>), String> {
    let Judged { report, memory, .. } = rule.judge(sandbox, snapshot);
    if report.status == RuleStatus::Failed {
        return Err(report.reason.unwrap_or_default());
    }
    let cost = Cost {
        compile: time(|| load::native_code(sandbox, bytes)).as_secs_f64(),
        instantiate: Times::of(|| rule.instantiate(sandbox)),
        evaluate: Times::of(|| rule.judge(sandbox, snapshot)),
        memory,
        status: report.status,
    };
    Ok((cost, report.reason.filter(|_| report.status == RuleStatus::NotEvaluated)))
}
