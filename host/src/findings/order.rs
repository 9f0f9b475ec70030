//! The recommended order: every fix of every finding, by how soon it should be tried.

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

/// Steps for ranked findings: by urgency, then by rank, then in the rule's own order.
#[must_use]
pub fn recommended_order(ranked: &[Finding]) -> Vec<Step> {
    let steps = ranked.iter().flat_map(|finding| {
        finding.fixes.iter().map(|fix| Step { when: fix.when, finding: finding.id.clone(), title: fix.title.clone() })
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.sort_by_key(|step| step.when);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Fix, Severity, sample};

    #[test]
    fn urgency_goes_before_rank_and_rank_before_the_rules_order() {
        let mut first = sample("first", Severity::Critical);
        let mut second = sample("second", Severity::Warning);
        let fix = |when, title: &str| Fix { when, title: title.into(), command: "true".into() };
        first.fixes = vec![fix(Urgency::Later, "c"), fix(Urgency::Now, "a"), fix(Urgency::FiveMinutes, "b")];
        second.fixes = vec![fix(Urgency::Now, "d"), fix(Urgency::Now, "e")];
        let steps = recommended_order(&[first, second]);
        let titles: Vec<_> = steps.iter().map(|step| step.title.as_str()).collect();
        assert_eq!(titles, ["a", "d", "e", "b", "c"]);
        assert_eq!(steps[1].finding, "second");
    }
}
