//! What is known of findings from one window to the next: which are new, still there, resolved; and which nobody looked for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Report, rfc3339_after};
use crate::findings::{RuleStatus, Severity};

/// What one window changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Ids of findings that the window before did not have.
    pub new: Vec<String>,
    /// Ids of those that it had, too.
    pub still_there: Vec<String>,
    /// Those that are gone: their rules were judged and did not find them.
    pub resolved: Vec<Past>,
    /// Those that may be there or not: their rules were not judged.
    pub unknown: Vec<Past>,
    /// What has become of rules since the window before, a line each.
    #[serde(skip)]
    pub rules: Vec<String>,
}

/// A finding of an earlier window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Past {
    /// Its id.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// How bad it was.
    pub severity: Severity,
    /// What it was called.
    pub title: String,
    /// When the first window that had it began.
    pub first_seen: String,
    /// When the last window that had it ended.
    pub last_seen: String,
}

/// Findings of the windows until now.
#[derive(Debug, Default)]
pub struct History {
    known: BTreeMap<String, Past>,
    rules: Option<Rules>,
}

/// Id and source: another rule may be there in the place of one.
type Key = (String, String);

fn key(rule: &super::Rule) -> Key {
    (rule.id.clone(), rule.source.clone())
}

/// What became of the rules of a window.
#[derive(Debug, Default)]
struct Rules {
    generation: Option<u64>,
    /// Whether each was judged, and why it is not what its file is now.
    all: BTreeMap<Key, (bool, Option<String>)>,
}

impl Rules {
    fn of(report: &Report) -> Self {
        let is_judged = |status| matches!(status, RuleStatus::Fired | RuleStatus::Quiet);
        let rule = |rule: &super::Rule| (key(rule), (is_judged(rule.status), report.kept.get(&rule.source).cloned()));
        Self { generation: report.rules_generation, all: report.rules.iter().map(rule).collect() }
    }

    /// What is other than it was.
    fn since(&self, before: &Self, report: &Report) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(how) = report.judge_restarts.first() {
            let times = Some(report.judge_restarts.len())
                .filter(|times| *times > 1)
                .map_or_else(String::new, |times| format!(" {times} times"));
            lines.push(format!("the process that judges {how} and was started again{times}"));
        }
        if let (Some(number), true) = (self.generation, self.generation != before.generation) {
            lines.push(format!("generation {number} of the rules is in force"));
        }
        for rule in &report.rules {
            let Some((is_judged, kept)) = self.all.get(&key(rule)) else { continue };
            let (status, reason) = (rule.status.as_str(), rule.reason.as_deref().unwrap_or("no reason given"));
            let what = match (before.all.get(&key(rule)), kept) {
                (Some((_, Some(was))), Some(kept)) if was == kept => continue,
                (_, Some(kept)) => kept.clone(),
                (Some((_, Some(_))), None) if *is_judged => "its file is in force again".to_owned(),
                (Some((was_judged, _)), None) if was_judged == is_judged => continue,
                (Some(_), None) if *is_judged => "judged again".to_owned(),
                (None, None) if *is_judged => "new".to_owned(),
                (_, None) => format!("{status}: {reason}"),
            };
            lines.push(format!("{}: {what}", rule.id));
        }
        let gone = before.all.keys().filter(|key| !self.all.contains_key(*key));
        lines.extend(gone.map(|(id, _)| format!("{id}: gone")));
        lines
    }
}

impl History {
    /// Tells a window's report what came before it: since when its findings are there, and what has changed. To be called once a window.
    pub fn note(&mut self, report: &mut Report) {
        let (start, end) = (report.window.start.clone(), rfc3339_after(report));
        let mut changes = Changes::default();
        let mut known = BTreeMap::new();
        for finding in &mut report.findings {
            let before = self.known.remove(&finding.id);
            let list = if before.is_some() { &mut changes.still_there } else { &mut changes.new };
            list.push(finding.id.clone());
            let first_seen = before.map_or_else(|| start.clone(), |before| before.first_seen);
            (finding.first_seen, finding.last_seen) = (Some(first_seen.clone()), Some(end.clone()));
            let past = Past {
                id: finding.id.clone(),
                rule: finding.rule.clone(),
                severity: finding.severity,
                title: finding.title.clone(),
                first_seen,
                last_seen: end.clone(),
            };
            known.insert(finding.id.clone(), past);
        }
        for past in std::mem::take(&mut self.known).into_values() {
            let rule = report.rules.iter().find(|rule| rule.id == past.rule);
            match rule.map(|rule| rule.status) {
                Some(RuleStatus::Failed | RuleStatus::NotEvaluated) => {
                    known.insert(past.id.clone(), past.clone());
                    changes.unknown.push(past);
                }
                // Nobody looks for it any more, or somebody did and it is not there.
                _ => changes.resolved.push(past),
            }
        }
        for past in [&mut changes.resolved, &mut changes.unknown] {
            past.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.title.cmp(&b.title)));
        }
        self.known = known;
        let rules = Rules::of(report);
        changes.rules = self.rules.as_ref().map_or_else(Vec::new, |before| rules.since(before, report));
        self.rules = Some(rules);
        report.changes = Some(changes);
    }
}
