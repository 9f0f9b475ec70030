//! What rules found: findings, their identity, what follows from what, and the state of each rule.

mod id;
mod objective;
mod order;
mod rank;
mod triage;
mod verdict;

use std::collections::BTreeMap;

use kerno_signals::Coverage;
use serde::{Deserialize, Serialize};

pub use id::id;
pub use objective::{Burned, ENTITY_NAMES, Objective, Pattern, Selector, mark};
pub use order::{Step, recommended_order};
pub use triage::{Explained, Triage, triage};
pub use verdict::{Verdict, verdict};

/// [`RuleReport::source`] of the rules that ship with kerno.
pub const BUILT_IN_SOURCE: &str = "builtin";

/// How bad. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A fact; changes no verdict.
    Info,
    /// Act today.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// When a fix should be tried. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Urgency {
    /// At once.
    #[serde(rename = "now")]
    Now,
    /// Within five minutes.
    #[serde(rename = "5min")]
    FiveMinutes,
    /// When things are calm.
    #[serde(rename = "later")]
    Later,
}

/// What kind of thing a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum EntityKind {
    Node,
    Pod,
    Container,
    Unit,
    Cgroup,
    Process,
    Device,
    Mount,
    NetworkInterface,
    Remote,
}

impl EntityKind {
    /// Its name in reports and ids.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Pod => "pod",
            Self::Container => "container",
            Self::Unit => "unit",
            Self::Cgroup => "cgroup",
            Self::Process => "process",
            Self::Device => "device",
            Self::Mount => "mount",
            Self::NetworkInterface => "network_interface",
            Self::Remote => "remote",
        }
    }
}

/// What a finding is about, with every name known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Its kind.
    pub kind: EntityKind,
    /// `device` → `nvme0n1`, `mount` → `/data` …
    pub names: BTreeMap<String, String>,
}

/// The measured value that crossed its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// `fsync p99`, `run-queue delay p99` …
    pub name: String,
    /// Measured, in `unit`.
    pub value: f64,
    /// What it was compared with, in `unit`.
    pub threshold: f64,
    /// `seconds`, `bytes`, `count` or `ratio`.
    pub unit: String,
}

/// A number that supports a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was measured.
    pub key: String,
    /// In `unit`.
    pub value: f64,
    /// `seconds`, `bytes`, `count` or `ratio`.
    pub unit: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// How soon.
    pub when: Urgency,
    /// In words.
    pub title: String,
    /// A command to paste, real names filled in.
    pub command: String,
}

/// One fault, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable hash of rule, entity kind and names: the same fault has the same id in every window and on every run.
    pub id: String,
    /// The rule that found it.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What it is about.
    pub entity: Entity,
    /// What crossed its threshold.
    pub signal: Signal,
    /// Why it happens.
    pub cause: String,
    /// What users of the host feel.
    pub impact: String,
    /// Numbers behind it.
    pub evidence: Vec<Evidence>,
    /// What to do, in the rule's order.
    pub fixes: Vec<Fix>,
    /// Seconds until a growing value meets its limit.
    pub eta_seconds: Option<f64>,
    /// RFC 3339 UTC; known once windows are made of ticks.
    pub first_seen: Option<String>,
    /// RFC 3339 UTC.
    pub last_seen: Option<String>,
    /// 0–1, from sample size and coverage.
    pub confidence: f64,
    /// Ids of findings that follow from this one.
    pub consequences: Vec<String>,
    /// The collector whose numbers these are.
    pub collector: String,
    /// How well that collector saw.
    pub coverage: Option<Coverage>,
    /// Names of the objectives that it burns, in the order of the configuration, set apart by commas.
    pub slo: Option<String>,
    /// Why it is suppressed by configuration.
    pub suppressed: Option<String>,
}

/// What became of a rule in this window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleStatus {
    /// At least one finding.
    Fired,
    /// Nothing crossed its threshold.
    Quiet,
    /// A signal that it needs is missing, incomplete or of too little coverage.
    NotEvaluated,
    /// It did not load, trapped, ran out of time or memory, or reported an error.
    Failed,
    /// Switched off by configuration.
    Disabled,
}

impl RuleStatus {
    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Quiet => "quiet",
            Self::NotEvaluated => "not evaluated",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }
}

/// A rule's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Its id; a file's stem when it never loaded.
    pub id: String,
    /// Its version, when it loaded.
    pub version: Option<String>,
    /// `builtin`, or the path of its file.
    pub source: String,
    /// What became of it.
    pub status: RuleStatus,
    /// Why: one sentence, always there unless it fired.
    pub reason: Option<String>,
    /// What it found.
    pub findings: Vec<Finding>,
}

impl RuleReport {
    /// Whether it ships with kerno.
    #[must_use]
    pub fn built_in(&self) -> bool {
        self.source == BUILT_IN_SOURCE
    }
}

/// A finding for tests of this module.
#[cfg(test)]
fn sample(id: &str, severity: Severity) -> Finding {
    Finding {
        id: id.into(),
        rule: "rule".into(),
        severity,
        title: String::new(),
        entity: Entity { kind: EntityKind::Node, names: BTreeMap::new() },
        signal: Signal { name: "p99".into(), value: 2.0, threshold: 1.0, unit: "seconds".into() },
        cause: String::new(),
        impact: String::new(),
        evidence: Vec::new(),
        fixes: Vec::new(),
        eta_seconds: None,
        first_seen: None,
        last_seen: None,
        confidence: 1.0,
        consequences: Vec::new(),
        collector: "sched".into(),
        coverage: None,
        slo: None,
        suppressed: None,
    }
}
