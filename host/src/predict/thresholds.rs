//! Which rule says what is too much of a signal that has no limit of its own: by the names of its parameters.

use std::collections::BTreeMap;

/// Run-queue delay.
pub(super) const DELAY: &str = "run-queue delay p99";
/// The fsync family.
pub(super) const FSYNC: &str = "fsync p99";
/// Block requests that write.
pub(super) const WRITE: &str = "block write p99";
/// Block requests that read.
pub(super) const READ: &str = "block read p99";
/// Segments.
pub(super) const RETRANSMITS: &str = "retransmitted segments";

/// Signal, rule, and its parameters: the threshold, the fewest samples, the most that may be lost.
const TABLE: [(&str, &str, &str, &str, &str); 5] = [
    (DELAY, "scheduler-contention", "p99_warning", "min_waits", "max_lost"),
    (FSYNC, "disk-io-bottleneck", "fsync_p99_warning", "min_samples", "max_lost"),
    (WRITE, "disk-io-bottleneck", "write_p99_critical", "min_samples", "max_lost"),
    (READ, "disk-io-bottleneck", "read_p99_warning", "min_samples", "max_lost"),
    (RETRANSMITS, "tcp-retransmit-storm", "retransmit_ratio", "min_segments", "max_lost"),
];

/// The rules whose parameters are asked for.
pub const RULES: [&str; 3] = ["disk-io-bottleneck", "scheduler-contention", "tcp-retransmit-storm"];

/// What a rule says of a signal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Threshold {
    pub value: f64,
    pub fewest: f64,
    pub most_lost: f64,
    /// `p99_warning of rule scheduler-contention`.
    pub name: String,
}

/// By signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds(BTreeMap<&'static str, Threshold>);

impl Thresholds {
    /// Asks for each parameter by rule and name. A signal whose rule does not answer has no threshold.
    pub fn new(parameter: impl Fn(&str, &str) -> Option<f64>) -> Self {
        let read = |(signal, rule, threshold, fewest, lost): (&'static str, &str, &str, &str, &str)| {
            let of = |name: &str| parameter(rule, name);
            let (value, fewest, most_lost) = (of(threshold)?, of(fewest)?, of(lost)?);
            Some((signal, Threshold { value, fewest, most_lost, name: format!("{threshold} of rule {rule}") }))
        };
        Self(TABLE.into_iter().filter_map(read).collect())
    }

    /// Of one signal, or why there is none.
    pub(super) fn of(&self, signal: &str) -> Result<&Threshold, String> {
        self.0.get(signal).ok_or_else(|| {
            let rule = TABLE.iter().find(|row| row.0 == signal).map_or("", |row| row.1);
            format!("its threshold is not known: rule {rule} was not built in or does not say it; build kerno with `cargo xtask build`")
        })
    }

    /// How many signals have one.
    #[must_use]
    pub fn known(&self) -> usize {
        self.0.len()
    }
}
