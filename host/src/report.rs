//! The report: one value, made from a snapshot and what rules said of it, and the forms it is written in. Pure functions.

mod changes;
mod explained;
mod json;
mod markdown;
mod outlook;
pub mod pretty;
mod style;
mod text;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use kerno_signals::{CollectorReport, CollectorStatus, Coverage, Snapshot};
use serde::Serialize;

pub use crate::check::Host;
pub use changes::{Changes, History, Past};
pub use json::{json, json_line};
pub use markdown::{markdown, markdown_outlook};
pub use outlook::{Outlook, OutlookVerdict};
pub use pretty::{pretty, pretty_changes, pretty_check, pretty_outlook};
pub use style::Style;
pub use units::{count, human, human_seconds};

use crate::findings::{self, Burned, Explained, Finding, Objective, RuleReport, RuleStatus, Severity, Step, Triage, Verdict};

/// What kerno says of one window. Its serialized form is the published one (`schema/report-1.json`): base units, absent values
/// null, fields only ever added. What is skipped is for the text forms only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// The one word.
    pub verdict: Verdict,
    /// Number of findings by severity, whether shown or not.
    pub summary: Summary,
    /// Where.
    pub host: Host,
    /// When.
    pub window: Window,
    /// Ranked.
    pub findings: Vec<Finding>,
    /// What to do first.
    pub recommended_order: Vec<Step>,
    /// What became of every rule.
    pub rules: Vec<Rule>,
    /// What every collector saw.
    pub collectors: Vec<Collector>,
    /// Where rules follow their directories, which set of them judged: one more each time that another one takes its place.
    pub rules_generation: Option<u64>,
    /// How processes ended that another one was started in the place of to judge this window, after "the process that judges".
    pub judge_restarts: Vec<String>,
    /// Of a window that others came before, what has changed.
    pub changes: Option<Changes>,
    /// Rules whose last good version judged, by source, and why.
    #[serde(skip)]
    pub kept: BTreeMap<String, String>,
    /// Why findings follow from others.
    #[serde(skip)]
    pub explained: Vec<Explained>,
    /// Which findings burn which objectives.
    #[serde(skip)]
    pub burned: Vec<Burned>,
    /// Findings that [`Report::only_critical`] took out.
    #[serde(skip)]
    pub hidden: usize,
}

/// Number of findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub critical: usize,
    pub warning: usize,
    pub info: usize,
}

/// The window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// RFC 3339, UTC.
    pub start: String,
    /// As measured.
    pub duration_seconds: f64,
    /// Kernel events counted by all collectors.
    pub events: u64,
    /// It ended before the duration that was asked for.
    #[serde(skip)]
    pub interrupted: bool,
}

/// A rule's outcome without its findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its version, when it loaded.
    pub version: Option<String>,
    /// `builtin` or the path of its file.
    pub source: String,
    /// What became of it.
    pub status: RuleStatus,
    /// Why.
    pub reason: Option<String>,
}

/// A collector's outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Collector {
    /// `sched`, `block` …
    pub name: String,
    /// Whether it measured.
    pub status: CollectorStatus,
    /// How much it saw.
    pub coverage: Option<Coverage>,
    /// Why it did not measure as designed, what it read instead, and what to do about it.
    pub reason: Option<String>,
    /// Kernel events counted.
    pub events: u64,
    /// Events known to be lost.
    pub lost: u64,
    /// The parts of `reason`, for layouts that show them apart.
    #[serde(skip)]
    pub parts: CollectorReport,
}

impl Report {
    /// Triages what the rules found and puts it together with the snapshot's facts.
    #[must_use]
    pub fn new(snapshot: &Snapshot, rules: Vec<RuleReport>) -> Self {
        let verdict = findings::verdict(&rules);
        let found = rules.iter().flat_map(|rule| rule.findings.iter().cloned()).collect();
        let Triage { findings: found, explained } = findings::triage(found);
        let number = |severity| found.iter().filter(|finding| finding.severity == severity).count();
        Self {
            schema_version: 1,
            verdict,
            summary: Summary {
                critical: number(Severity::Critical),
                warning: number(Severity::Warning),
                info: number(Severity::Info),
            },
            host: host(&snapshot.host),
            window: Window {
                start: rfc3339(snapshot.window.start_unix_ns),
                duration_seconds: Duration::from_nanos(snapshot.window.duration_ns).as_secs_f64(),
                events: snapshot.collectors.iter().fold(0, |sum, collector| sum.saturating_add(collector.events)),
                interrupted: snapshot.window.interrupted,
            },
            recommended_order: findings::recommended_order(&found),
            findings: found,
            explained,
            rules: rules.into_iter().map(Rule::from).collect(),
            collectors: snapshot.collectors.iter().map(Collector::from).collect(),
            rules_generation: None,
            judge_restarts: Vec::new(),
            changes: None,
            kept: BTreeMap::new(),
            burned: Vec::new(),
            hidden: 0,
        }
    }

    /// Marks the findings that burn an objective.
    pub fn mark(&mut self, objectives: &[Objective]) {
        self.burned = findings::mark(&mut self.findings, objectives);
    }

    /// Takes out findings below critical, their steps and what is told of them elsewhere. Verdict and summary stay: what is not shown is still there.
    pub fn only_critical(&mut self) {
        let before = self.findings.len();
        self.findings.retain(|finding| finding.severity == Severity::Critical);
        self.hidden += before - self.findings.len();
        let shown: BTreeSet<String> = self.findings.iter().map(|finding| finding.id.clone()).collect();
        self.findings.iter_mut().for_each(|finding| finding.consequences.retain(|id| shown.contains(id)));
        self.explained.retain(|explained| shown.contains(&explained.cause) && shown.contains(&explained.consequence));
        self.recommended_order = findings::recommended_order(&self.findings);
    }

    /// Number of findings at `level` or above, whether shown or not.
    #[must_use]
    pub fn at_least(&self, level: Severity) -> usize {
        let Summary { critical, warning, info } = self.summary;
        match level {
            Severity::Critical => critical,
            Severity::Warning => critical + warning,
            Severity::Info => critical + warning + info,
        }
    }
}

impl From<RuleReport> for Rule {
    fn from(rule: RuleReport) -> Self {
        Self { id: rule.id, version: rule.version, source: rule.source, status: rule.status, reason: rule.reason }
    }
}

impl From<&CollectorReport> for Collector {
    fn from(report: &CollectorReport) -> Self {
        let from = (report.coverage == Some(Coverage::Fallback)).then(|| format!("measured from {} instead", report.source));
        let parts: Vec<String> = [report.reason.clone(), from, report.fix.clone()].into_iter().flatten().collect();
        Self {
            name: report.name.clone(),
            status: report.status,
            coverage: report.coverage,
            reason: (!parts.is_empty()).then(|| parts.join("; ")),
            events: report.events,
            lost: report.lost,
            parts: report.clone(),
        }
    }
}

/// What is published of a host.
fn host(host: &kerno_signals::Host) -> Host {
    Host {
        name: host.name.clone(),
        kernel: host.kernel.clone(),
        arch: host.arch.clone(),
        cpus: host.cpus,
        environment: host.environment,
        cluster: host.cluster.clone(),
    }
}

/// When a report's window ended.
fn rfc3339_after(report: &Report) -> String {
    let Ok(start) = humantime::parse_rfc3339(&report.window.start) else { return report.window.start.clone() };
    humantime::format_rfc3339_millis(start + Duration::from_secs_f64(report.window.duration_seconds)).to_string()
}

/// A time as RFC 3339, UTC, to the millisecond.
fn rfc3339(unix_ns: u64) -> String {
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_ns)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(1_795_234_428_250_000_000), "2026-11-21T04:13:48.250Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000_000_000), "2000-02-29T00:00:00.000Z");
    }
}
