//! What kerno says of the time to come: one value, made from snapshots and what they predict.

use std::time::Duration;

use kerno_signals::Snapshot;
use serde::Serialize;

use super::{Collector, Host, rfc3339};
use crate::predict::{Evaluated, Forecast, NotEvaluated, Prediction};

/// The outlook of one host. Its serialized form is the published one (`schema/predict-1.json`): base units, absent values null, fields
/// only ever added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// 1.
    pub schema_version: u32,
    /// The one word.
    pub verdict: OutlookVerdict,
    /// Where.
    pub host: Host,
    /// When, and how often.
    pub window: Window,
    /// The soonest first.
    pub predictions: Vec<Prediction>,
    /// What was looked at.
    pub evaluated: Vec<Evaluated>,
    /// What was not, and why.
    pub not_evaluated: Vec<NotEvaluated>,
    /// What every collector saw, up to the last snapshot.
    pub collectors: Vec<Collector>,
}

/// What an outlook says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlookVerdict {
    /// Something meets its limit.
    Predictions,
    /// Everything was looked at, and nothing does.
    NoTrend,
    /// Nothing that was looked at does, but not everything was.
    InsufficientEvidence,
}

/// The time that was watched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// Start of the first snapshot's window, RFC 3339, UTC.
    pub start: String,
    /// From there to the end of the last one.
    pub duration_seconds: f64,
    /// Snapshots that were taken.
    pub snapshots: usize,
    /// How far it looks from the last snapshot.
    pub reach_seconds: f64,
    /// It ended before all snapshots that were asked for.
    #[serde(skip)]
    pub interrupted: bool,
}

impl Outlook {
    /// From snapshots in the order of time; `None` without any.
    #[must_use]
    pub fn new(snapshots: &[Snapshot], forecast: Forecast) -> Option<Self> {
        let (first, last) = (snapshots.first()?, snapshots.last()?);
        let verdict = match (forecast.predictions.is_empty(), forecast.not_evaluated.is_empty()) {
            (false, _) => OutlookVerdict::Predictions,
            (true, true) => OutlookVerdict::NoTrend,
            (true, false) => OutlookVerdict::InsufficientEvidence,
        };
        let start = first.window.start_unix_ns;
        let end = last.window.start_unix_ns.saturating_add(last.window.duration_ns);
        Some(Self {
            schema_version: 1,
            verdict,
            host: super::host(&last.host),
            window: Window {
                start: rfc3339(start),
                duration_seconds: Duration::from_nanos(end.saturating_sub(start)).as_secs_f64(),
                snapshots: snapshots.len(),
                reach_seconds: forecast.reach_seconds,
                interrupted: last.window.interrupted,
            },
            predictions: forecast.predictions,
            evaluated: forecast.evaluated,
            not_evaluated: forecast.not_evaluated,
            collectors: last.collectors.iter().map(Collector::from).collect(),
        })
    }
}
