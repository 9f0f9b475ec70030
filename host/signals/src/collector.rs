//! What a collector says of itself: whether it ran, from which source, with what losses.

use serde::{Deserialize, Serialize};

/// What stands between two fixes.
pub const THEN: &str = "; then ";

/// State of a collector over the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectorReport {
    /// `sched`, `block` …
    pub name: String,
    /// Whether it measured.
    pub status: CollectorStatus,
    /// How much of its family it saw; `None` when it is off.
    pub coverage: Option<Coverage>,
    /// Where the numbers came from: `eBPF` or the files read instead.
    pub source: String,
    /// Why it is not `running` with `full` coverage: one sentence.
    pub reason: Option<String>,
    /// The one thing to do about `reason`; for several reasons one each, with [`THEN`] between them.
    pub fix: Option<String>,
    /// Kernel events counted in the window.
    pub events: u64,
    /// Events known to be lost (full maps, recursion misses, unresolved records).
    pub lost: u64,
    /// Share of its checks on itself in which it saw nothing of the event that kerno had caused, 0–1.
    #[serde(default)]
    pub blind_ratio: f64,
}

/// Whether a collector measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectorStatus {
    /// Measures as designed.
    Running,
    /// Measures with less than it was designed for; `reason` says why.
    Degraded,
    /// Does not measure.
    Off,
}

/// How much of a family was seen, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// Every event, with distributions.
    Full,
    /// Distributions, but part of the family or of the events is missing.
    Partial,
    /// Totals and averages from `/proc`; no percentiles.
    Fallback,
}
