//! Readings of one thing over the snapshots, and what it must not meet.

use std::collections::BTreeMap;

use kerno_signals::{CollectorReport, Latency, Snapshot};

use super::{Limit, LimitKind};
use crate::findings::{Entity, EntityKind, Fix, Urgency};

/// All things that have one signal.
pub(super) struct Family {
    pub signal: &'static str,
    pub series: Vec<Series>,
    /// Why nothing is known of some of them, or of all.
    pub unseen: Option<String>,
}

/// One thing.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub signal: &'static str,
    pub collector: &'static str,
    pub unit: &'static str,
    pub entity: Entity,
    /// Its name in a sentence.
    pub who: String,
    /// Time, in nanoseconds since the Unix epoch, and value.
    pub readings: Vec<(u64, f64)>,
    /// The smallest difference that can be read.
    pub resolution: f64,
    pub limit_value: f64,
    pub limit: Limit,
    pub impact: String,
    pub next: Fix,
}

impl Series {
    pub fn last(&self) -> f64 {
        self.readings.last().map_or(0.0, |(_, value)| *value)
    }

    /// Seconds until the limit is met at this pace; 0 when it is past it. `None` when it never is.
    pub fn eta(&self, pace: f64) -> Option<f64> {
        let rest = self.limit_value - self.last();
        if rest <= 0.0 {
            return Some(0.0);
        }
        Some(rest / pace).filter(|eta| eta.is_finite() && *eta >= 0.0)
    }

    pub fn title(&self) -> String {
        let place = if self.entity.kind == EntityKind::Node { "on" } else { "of" };
        let (first, rest) = self.signal.split_at(1);
        let what = format!("{}{rest} {place} {}", first.to_ascii_uppercase(), self.who);
        match (self.limit.kind, self.last() >= self.limit_value) {
            (LimitKind::Threshold, true) => format!("{what} rises and is past its threshold"),
            (LimitKind::Threshold, false) => format!("{what} rises to its threshold"),
            (_, true) => format!("{what} rises and is at its limit"),
            (_, false) => format!("{what} rises to its limit"),
        }
    }
}

/// When a snapshot ends, nanoseconds since the Unix epoch.
pub(super) fn end(snapshot: &Snapshot) -> u64 {
    snapshot.window.start_unix_ns.saturating_add(snapshot.window.duration_ns)
}

/// Where to look next.
pub(super) fn look(title: impl Into<String>, command: String) -> Fix {
    Fix { when: Urgency::Now, title: title.into(), command }
}

/// A word of a command, quoted where the shell would read it as more than a word.
pub(super) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The readings of each thing that the last snapshot has, by key. What is missing in a snapshot has no reading there.
pub(super) fn gather<'a, K: Ord, T>(
    snapshots: &'a [Snapshot],
    things: impl Fn(&'a Snapshot) -> Vec<(K, T)>,
    value: impl Fn(&T) -> f64,
) -> Vec<(T, Vec<(u64, f64)>)> {
    let Some((last, earlier)) = snapshots.split_last() else { return Vec::new() };
    let mut readings: BTreeMap<K, Vec<(u64, f64)>> = BTreeMap::new();
    for snapshot in earlier {
        for (key, thing) in things(snapshot) {
            readings.entry(key).or_default().push((end(snapshot), value(&thing)));
        }
    }
    let whole = |(key, thing): (K, T)| {
        let mut readings = readings.remove(&key).unwrap_or_default();
        readings.push((end(last), value(&thing)));
        (thing, readings)
    };
    things(last).into_iter().map(whole).collect()
}

/// A distribution in each interval: snapshots that begin at the same time hold what was counted since then, others only their own.
/// Of the last there is `None` when the thing is not in it.
pub(super) fn intervals<K: Ord + Clone>(
    snapshots: &[Snapshot],
    distributions: impl Fn(&Snapshot) -> BTreeMap<K, Latency>,
) -> BTreeMap<K, Vec<(u64, Latency)>> {
    let mut all: BTreeMap<K, Vec<(u64, Latency)>> = BTreeMap::new();
    let mut before: Option<(u64, BTreeMap<K, Latency>)> = None;
    for snapshot in snapshots {
        let (start, now) = (snapshot.window.start_unix_ns, distributions(snapshot));
        let earlier = before.as_ref().filter(|(begun, _)| *begun == start).map(|(_, earlier)| earlier);
        for (key, latency) in &now {
            let added = earlier.and_then(|earlier| earlier.get(key)).map_or_else(|| latency.clone(), |then| latency.since(then));
            all.entry(key.clone()).or_default().push((end(snapshot), added));
        }
        before = Some((start, now));
    }
    all
}

/// The p99 in seconds of each interval with enough samples.
pub(super) fn p99(intervals: &[(u64, Latency)], fewest: f64) -> Vec<(u64, f64)> {
    let enough = intervals.iter().filter(|(_, latency)| latency.count as f64 >= fewest);
    enough.filter_map(|(at, latency)| Some((*at, latency.quantile_ns(0.99)? as f64 / 1e9))).collect()
}

/// The finest difference of two quantiles: one bucket of the histogram, a sixteenth of the value.
pub(super) fn bucket(readings: &[(u64, f64)]) -> f64 {
    readings.iter().map(|(_, value)| value / 16.0).fold(0.0, f64::max)
}

/// Why a family says nothing, or not all: it was not measured, was blind or lost too much.
pub(super) fn why_unseen(snapshots: &[Snapshot], family: &str, most_lost: f64) -> Option<String> {
    let last = snapshots.last()?;
    let report = last.collector(family);
    let reason = report.and_then(|report| report.reason.clone());
    if last.families.has(family) != Some(true) {
        return Some(format!("{family} was not measured: {}", reason.unwrap_or_else(|| "its collector is off".to_owned())));
    }
    let share = |report: &CollectorReport| report.lost as f64 / report.events.saturating_add(report.lost).max(1) as f64;
    let reports = || snapshots.iter().filter_map(|snapshot| snapshot.collector(family));
    if let Some(blind) = reports().find(|report| report.blind_ratio > 0.0) {
        return Some(blind.reason.clone().unwrap_or_else(|| format!("{family} was blind for a time")));
    }
    let lost = reports().map(share).fold(0.0, f64::max);
    (lost > most_lost).then(|| format!("{:.1} % of the events of {family} were lost", lost * 100.0))
}
