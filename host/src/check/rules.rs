//! Which built-in rules would have all that they need.

use kerno_signals::{CollectorReport, Coverage};
use serde::Serialize;

/// The built-in rules and the families that each says it needs. They stand here as well because a check runs no rule; a test
/// compares them with what the rules say.
pub const NEEDS: &[(&str, &[&str])] = &[
    ("cpu-throttling", &["cpu"]),
    ("disk-io-bottleneck", &["block"]),
    ("fd-leak", &["fd"]),
    ("memory-pressure", &["memory"]),
    ("network-latency", &["tcp"]),
    ("oom-imminent", &["memory"]),
    ("oom-kill", &["oom"]),
    ("scheduler-contention", &["sched"]),
    ("syscall-error-rate", &["syscall"]),
    ("syscall-latency", &["syscall"]),
    ("tcp-retransmit-storm", &["tcp"]),
    ("tcp-rtt-degradation", &["tcp"]),
];

/// What one built-in rule would have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Every family that it needs is measured in full: it can call them quiet.
    pub ready: bool,
    /// The families that are not.
    pub lacks: Vec<String>,
}

pub(super) fn rules(reports: &[CollectorReport]) -> Vec<Rule> {
    let full = |family: &str| reports.iter().any(|report| report.name == family && report.coverage == Some(Coverage::Full));
    let rule = |(id, needs): (&str, &[&str])| {
        let lacks: Vec<String> = needs.iter().filter(|family| !full(family)).map(|family| (*family).to_owned()).collect();
        Rule { id: id.to_owned(), ready: lacks.is_empty(), lacks }
    };
    NEEDS.iter().copied().map(rule).collect()
}
