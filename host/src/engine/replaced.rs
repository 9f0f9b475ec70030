//! Rules in the place of built-in ones: which of the two counts. Both are judged, so that a fault is seen by the one when the other
//! fails, whatever it fails of.

use super::{Described, Settings};
use crate::findings::{BUILT_IN_SOURCE, RuleReport, RuleStatus};

/// Tells of each built-in rule whether another one is used in its place, and of one that should be and is not that it is not.
pub fn tell_replaced(rules: &mut [Described], settings: &Settings) {
    for (built_in, user) in pairs(rules, settings) {
        let replaced = rules[user].about.is_some() && !rules[user].disabled;
        if replaced && !rules[built_in].disabled {
            rules[built_in].disabled = true;
            rules[built_in].reason = Some(by(&rules[user].source));
        } else if !replaced && !rules[user].disabled {
            in_its_place(&mut rules[user].reason);
        }
    }
}

/// Lets one of each pair count: the users' own rule where it has judged, else the built-in one. The reports are those of these rules.
pub fn settle(reports: &mut [RuleReport], rules: &[Described], settings: &Settings) {
    for (built_in, user) in pairs(rules, settings) {
        if user.max(built_in) >= reports.len() {
            continue;
        }
        match reports[user].status {
            RuleStatus::Fired | RuleStatus::Quiet => {
                let reason = by(&reports[user].source);
                let report = &mut reports[built_in];
                report.status = RuleStatus::Disabled;
                report.reason = Some(reason);
                report.findings.clear();
            }
            RuleStatus::Failed | RuleStatus::NotEvaluated => in_its_place(&mut reports[user].reason),
            RuleStatus::Disabled => {}
        }
    }
}

/// Built-in rules and those that may replace them, by their numbers.
fn pairs(rules: &[Described], settings: &Settings) -> Vec<(usize, usize)> {
    let is_built_in = |rule: &Described| rule.source == BUILT_IN_SOURCE;
    let may_replace = |rule: &Described| {
        !is_built_in(rule) && (settings.replaces.contains(&rule.id) || rule.bundle.as_ref().is_some_and(|of| of.replaces))
    };
    let users = rules.iter().enumerate().filter(|(_, rule)| may_replace(rule));
    let pair = |(user, rule): (usize, &Described)| {
        Some((rules.iter().position(|other| is_built_in(other) && other.id == rule.id)?, user))
    };
    users.filter_map(pair).collect()
}

fn by(source: &str) -> String {
    format!("replaced by {source}")
}

const IN_ITS_PLACE: &str = "; the built-in rule is used in its place";

fn in_its_place(reason: &mut Option<String>) {
    let text = reason.get_or_insert_default();
    if !text.ends_with(IN_ITS_PLACE) {
        text.push_str(IN_ITS_PLACE);
    }
}

/// A reason without what is used in the place of the rule: that may be another version of it.
#[must_use]
pub fn without_place(reason: &str) -> &str {
    reason.strip_suffix(IN_ITS_PLACE).unwrap_or(reason)
}
