//! The recommended order: every fix of every finding, by how soon it should be tried; what several findings ask for, once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Finding, Urgency};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How soon.
    pub when: Urgency,
    /// Id of the finding that it mends.
    pub finding: String,
    /// What to do, in words; the command is in the finding's fixes.
    pub title: String,
}

/// Steps for ranked findings: by urgency, then by rank, so that those of a cause come before those of what follows from it, then in
/// the rule's own order. A command that was told before is not told again.
#[must_use]
pub fn recommended_order(ranked: &[Finding]) -> Vec<Step> {
    let mut fixes: Vec<_> = ranked.iter().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix))).collect();
    fixes.sort_by_key(|(_, fix)| fix.when);
    let mut told = BTreeSet::new();
    fixes.retain(|(_, fix)| fix.command.is_empty() || told.insert(fix.command.as_str()));
    let step =
        |(finding, fix): (&Finding, &super::Fix)| Step { when: fix.when, finding: finding.id.clone(), title: fix.title.clone() };
    fixes.into_iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Fix, Severity, sample};

    #[test]
    fn urgency_goes_before_rank_and_rank_before_the_rules_order() {
        let mut first = sample("first", Severity::Critical);
        let mut second = sample("second", Severity::Warning);
        let fix = |when, title: &str| Fix { when, title: title.into(), command: format!("run {title}") };
        first.fixes = vec![fix(Urgency::Later, "c"), fix(Urgency::Now, "a"), fix(Urgency::FiveMinutes, "b")];
        second.fixes = vec![fix(Urgency::Now, "d"), fix(Urgency::Now, "e")];
        let steps = recommended_order(&[first, second]);
        let titles: Vec<_> = steps.iter().map(|step| step.title.as_str()).collect();
        assert_eq!(titles, ["a", "d", "e", "b", "c"]);
        assert_eq!(steps[1].finding, "second");
    }

    #[test]
    fn what_several_findings_ask_for_is_told_once_where_it_comes_first() {
        let mut first = sample("first", Severity::Critical);
        let mut second = sample("second", Severity::Warning);
        let fix = |when, command: &str| Fix { when, title: format!("see {command}"), command: command.into() };
        first.fixes = vec![fix(Urgency::FiveMinutes, "ps"), fix(Urgency::Later, ""), fix(Urgency::Later, "")];
        second.fixes = vec![fix(Urgency::Now, "ps"), fix(Urgency::FiveMinutes, "df")];
        let steps = recommended_order(&[first, second]);
        let told: Vec<_> = steps.iter().map(|step| (step.when, step.finding.as_str(), step.title.as_str())).collect();
        assert_eq!(told[..2], [(Urgency::Now, "second", "see ps"), (Urgency::FiveMinutes, "second", "see df")]);
        assert_eq!(told[2..], [(Urgency::Later, "first", "see "), (Urgency::Later, "first", "see ")]);
    }
}
