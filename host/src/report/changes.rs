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
    /// Rules that others have taken the place of since the window before.
    #[serde(skip)]
    pub rules: bool,
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

/// What became of the rules of a window.
#[derive(Debug, PartialEq, Eq)]
struct Rules {
    generation: Option<u64>,
    /// Those that could not be judged.
    doubtful: Vec<(String, RuleStatus)>,
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
        let doubtful =
            |status: RuleStatus| matches!(status, RuleStatus::Failed | RuleStatus::NotEvaluated | RuleStatus::Disabled);
        let doubtful =
            report.rules.iter().filter(|rule| doubtful(rule.status)).map(|rule| (rule.id.clone(), rule.status)).collect();
        let rules = Some(Rules { generation: report.rules_generation, doubtful });
        changes.rules = self.rules.is_some() && self.rules != rules;
        self.rules = rules;
        report.changes = Some(changes);
    }
}
