//! What will meet its limit, and when: a pure function of snapshots that were taken one after the other.
//!
//! Of each thing that can fill up or slow down the snapshots make a series; [`kerno_signals::growth`] tells which of them grow. Real
//! limits (descriptors, memory, the table of open files) are in the snapshots, others are the thresholds of rules.

mod block;
mod entity;
mod fd;
mod memory;
mod sched;
mod series;
mod tcp;
mod thresholds;

use kerno_signals::growth::{Course, FEWEST, Growth};
use kerno_signals::{Coverage, Snapshot};
use serde::Serialize;

use crate::findings::{Entity, Fix, Signal, id};
use series::{Family, Series};

pub use thresholds::{RULES, Thresholds};

/// How far a line is drawn: an hour ahead for a minute that was watched. What meets its limit later is only counted.
const REACH: f64 = 60.0;

/// Expected share of chance among what is told (Benjamini and Hochberg): the more series move, the surer each must be.
const FALSE: f64 = 0.05;

/// No reading of the past proves what comes.
const MOST_SURE: f64 = 0.99;

/// Something that will meet its limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Stable hash of signal, entity kind and names.
    pub id: String,
    /// One line.
    pub title: String,
    /// What it is about.
    pub entity: Entity,
    /// What grows: the last value, and the limit as its threshold.
    pub signal: Signal,
    /// What the limit is.
    pub limit: Limit,
    /// What happens there.
    pub impact: String,
    /// How fast it grows.
    pub growth: Pace,
    /// Seconds from the last snapshot until the limit is met at this pace; 0 when it is past it.
    pub eta_seconds: f64,
    /// The same at the upper end of the pace's interval.
    pub eta_earliest_seconds: f64,
    /// The same at the lower end of the pace's interval.
    pub eta_latest_seconds: f64,
    /// 0–1: the chance that it is no accident, times the fit of the line, times the weight of the coverage; at most 0.99.
    pub confidence: f64,
    /// The readings that it was fitted to.
    pub readings: Vec<Reading>,
    /// The collector whose numbers these are.
    pub collector: &'static str,
    /// How well that collector saw.
    pub coverage: Option<Coverage>,
    /// The next thing to look at.
    pub next: Fix,
}

/// Growth per second, in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    /// Median of the slopes between all pairs of readings.
    pub per_second: f64,
    /// Lower end of its 90 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Chance that a value which only wanders does the same.
    pub chance: f64,
    /// Share of the variation that the straight line explains.
    pub fit: f64,
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Seconds since the start of the first snapshot's window.
    pub seconds: f64,
    /// In the signal's unit.
    pub value: f64,
}

/// What a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// A process's `RLIMIT_NOFILE`.
    Descriptors,
    /// The kernel's table of open files (`fs.file-max`).
    OpenFiles,
    /// The host's memory.
    HostMemory,
    /// A group's hard limit of memory.
    MemoryMax,
    /// A group's soft limit of memory.
    MemoryHigh,
    /// The threshold of a rule.
    Threshold,
}

/// A limit and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What it is.
    pub kind: LimitKind,
    /// For people: `memory.max of /app`, `p99_warning of rule scheduler-contention`.
    pub name: String,
}

/// What was looked at of one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluated {
    /// `open descriptors`, `fsync p99` …
    pub signal: &'static str,
    /// Things that have it and a limit.
    pub series: usize,
    /// Of them with too few readings to be told anything of.
    pub too_few: usize,
    /// Of them that grow for certain, but meet no limit within reach: too slow, or it levels off before.
    pub distant: usize,
}

/// A signal, or a part of it, that nothing can be said of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotEvaluated {
    /// Its name.
    pub signal: &'static str,
    /// Why.
    pub reason: String,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// The soonest first.
    pub predictions: Vec<Prediction>,
    /// What was looked at.
    pub evaluated: Vec<Evaluated>,
    /// What was not.
    pub not_evaluated: Vec<NotEvaluated>,
    /// How far it looks, seconds from the last snapshot.
    pub reach_seconds: f64,
}

/// What the snapshots, in the order of time and of one host, say of the time to come.
#[must_use]
pub fn predict(snapshots: &[Snapshot], thresholds: &Thresholds) -> Forecast {
    let mut forecast = Forecast { reach_seconds: REACH * watched(snapshots), ..Forecast::default() };
    let families = [fd::families, memory::families, sched::families, block::families, tcp::families];
    let mut growing = Vec::new();
    let mut moved = 0;
    for Family { signal, series, unseen } in families.iter().flat_map(|families| families(snapshots, thresholds)) {
        let unseen = if snapshots.len() < FEWEST { Some(too_few(snapshots.len())) } else { unseen };
        let is_seen = unseen.is_none();
        forecast.not_evaluated.extend(unseen.map(|reason| NotEvaluated { signal, reason }));
        let mut evaluated = Evaluated { signal, series: series.len(), too_few: 0, distant: 0 };
        for one in series {
            match Course::of(&one.readings, one.resolution) {
                Course::TooFew => evaluated.too_few += 1,
                Course::Still => {}
                Course::Unsure => moved += 1,
                Course::Grows(growth) => {
                    moved += 1;
                    growing.push((growth, one));
                }
            }
        }
        if is_seen && evaluated.series > 0 && evaluated.too_few == evaluated.series {
            let reason = format!("fewer than {FEWEST} readings of each");
            forecast.not_evaluated.push(NotEvaluated { signal, reason });
        }
        forecast.evaluated.push(evaluated);
    }
    growing.sort_by(|(a, _), (b, _)| a.chance.total_cmp(&b.chance));
    while growing.last().is_some_and(|(growth, _)| share_by_chance(growth, moved, growing.len()) > FALSE) {
        growing.pop();
    }
    let told = growing.len();
    for (growth, series) in growing {
        let by_chance = share_by_chance(&growth, moved, told);
        let within = series.eta(growth.per_second).is_some_and(|eta| eta <= forecast.reach_seconds);
        if within && growth.levels_off.is_none_or(|level| level >= series.limit_value) {
            forecast.predictions.push(prediction(&growth, series, by_chance, snapshots));
        } else if let Some(evaluated) = forecast.evaluated.iter_mut().find(|evaluated| evaluated.signal == series.signal) {
            evaluated.distant += 1;
        }
    }
    forecast.predictions.sort_by(|a, b| {
        let soonest = a.eta_seconds.total_cmp(&b.eta_seconds);
        soonest.then_with(|| b.confidence.total_cmp(&a.confidence)).then_with(|| a.id.cmp(&b.id))
    });
    forecast
}

/// Expected share of accidents when everything up to this rank is told.
fn share_by_chance(growth: &Growth, moved: usize, rank: usize) -> f64 {
    (growth.chance * moved as f64 / rank.max(1) as f64).min(1.0)
}

/// Time between the first and the last snapshot, seconds.
fn watched(snapshots: &[Snapshot]) -> f64 {
    let ends = snapshots.first().zip(snapshots.last());
    ends.map_or(0.0, |(first, last)| series::end(last).saturating_sub(series::end(first)) as f64 / 1e9)
}

fn too_few(snapshots: usize) -> String {
    format!("{snapshots} of at least {FEWEST} snapshots: in fewer, readings rise throughout by chance too often")
}

fn prediction(growth: &Growth, series: Series, by_chance: f64, snapshots: &[Snapshot]) -> Prediction {
    let Growth { per_second, low, high, chance, fit, .. } = *growth;
    let eta = |pace: f64| series.eta(pace).unwrap_or(f64::MAX);
    let coverage = snapshots.last().and_then(|last| last.collector(series.collector)?.coverage);
    // As the rules' findings.
    let weight = match coverage {
        Some(Coverage::Full) => 1.0,
        Some(Coverage::Partial) => 0.8,
        Some(Coverage::Fallback) | None => 0.5,
    };
    let begin = snapshots.first().map_or(0, |first| first.window.start_unix_ns);
    let reading = |(at, value): &(u64, f64)| Reading { seconds: at.saturating_sub(begin) as f64 / 1e9, value: *value };
    Prediction {
        id: id(series.signal, &series.entity),
        title: series.title(),
        eta_seconds: eta(per_second),
        eta_earliest_seconds: eta(high),
        eta_latest_seconds: eta(low),
        confidence: ((1.0 - by_chance) * fit * weight).clamp(0.0, MOST_SURE),
        growth: Pace { per_second, low, high, chance, fit },
        readings: series.readings.iter().map(reading).collect(),
        signal: Signal {
            name: series.signal.to_owned(),
            value: series.last(),
            threshold: series.limit_value,
            unit: series.unit.to_owned(),
        },
        entity: series.entity,
        limit: series.limit,
        impact: series.impact,
        collector: series.collector,
        coverage,
        next: series.next,
    }
}

#[cfg(test)]
mod tests;
