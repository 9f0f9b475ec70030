//! The one word that a report stands under.

use serde::{Deserialize, Serialize};

use super::{RuleReport, RuleStatus, Severity};

/// What a report says of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every enabled rule was quiet or at info.
    Healthy,
    /// Something is at warning or above.
    Findings,
    /// Nothing is at warning or above, but a built-in rule was not evaluated or failed.
    InsufficientEvidence,
}

/// The verdict over all rules. A failed user rule does not change it; with no built-in rule judged at all, nothing is known.
#[must_use]
pub fn verdict(rules: &[RuleReport]) -> Verdict {
    let mut findings = rules.iter().flat_map(|rule| &rule.findings);
    if findings.any(|finding| finding.severity >= Severity::Warning && finding.suppressed.is_none()) {
        return Verdict::Findings;
    }
    let mut judged = false;
    for rule in rules.iter().filter(|rule| rule.built_in()) {
        match rule.status {
            RuleStatus::NotEvaluated | RuleStatus::Failed => return Verdict::InsufficientEvidence,
            RuleStatus::Fired | RuleStatus::Quiet => judged = true,
            // Another one may judge in its place.
            RuleStatus::Disabled => judged |= rules.iter().any(|other| stands_for(other, rule)),
        }
    }
    if judged { Verdict::Healthy } else { Verdict::InsufficientEvidence }
}

/// Whether a rule of the users' own judged in the place of a built-in one: nothing else may have its id and judge.
fn stands_for(rule: &RuleReport, built_in: &RuleReport) -> bool {
    !rule.built_in() && rule.id == built_in.id && matches!(rule.status, RuleStatus::Fired | RuleStatus::Quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{BUILT_IN_SOURCE, sample};

    fn rule(source: &str, status: RuleStatus, severities: &[Severity]) -> RuleReport {
        RuleReport {
            id: "r".into(),
            version: None,
            source: source.into(),
            status,
            reason: None,
            findings: severities.iter().map(|severity| sample("f", *severity)).collect(),
        }
    }

    #[test]
    fn follows_the_contract() {
        use RuleStatus::{Disabled, Failed, Fired, NotEvaluated, Quiet};
        let quiet = || rule(BUILT_IN_SOURCE, Quiet, &[]);
        let cases = [
            (vec![quiet(), quiet()], Verdict::Healthy),
            (vec![quiet(), rule(BUILT_IN_SOURCE, Fired, &[Severity::Info])], Verdict::Healthy),
            (vec![quiet(), rule(BUILT_IN_SOURCE, Disabled, &[])], Verdict::Healthy),
            (vec![quiet(), rule("/rules/own.wasm", Failed, &[])], Verdict::Healthy),
            (vec![quiet(), rule("/rules/own.wasm", NotEvaluated, &[])], Verdict::Healthy),
            (vec![quiet(), rule("/rules/own.wasm", Fired, &[Severity::Warning])], Verdict::Findings),
            (vec![rule(BUILT_IN_SOURCE, Failed, &[]), rule(BUILT_IN_SOURCE, Fired, &[Severity::Critical])], Verdict::Findings),
            (vec![quiet(), rule(BUILT_IN_SOURCE, NotEvaluated, &[])], Verdict::InsufficientEvidence),
            (vec![quiet(), rule(BUILT_IN_SOURCE, Failed, &[])], Verdict::InsufficientEvidence),
            (
                vec![rule(BUILT_IN_SOURCE, NotEvaluated, &[]), rule(BUILT_IN_SOURCE, Fired, &[Severity::Info])],
                Verdict::InsufficientEvidence,
            ),
            (vec![], Verdict::InsufficientEvidence),
            (vec![rule(BUILT_IN_SOURCE, Disabled, &[]), rule("/rules/own.wasm", Quiet, &[])], Verdict::Healthy),
            (vec![rule(BUILT_IN_SOURCE, Disabled, &[]), rule("/rules/own.wasm", Failed, &[])], Verdict::InsufficientEvidence),
            (
                vec![rule(BUILT_IN_SOURCE, NotEvaluated, &[]), rule("/rules/own.wasm", NotEvaluated, &[])],
                Verdict::InsufficientEvidence,
            ),
            (vec![rule("/rules/own.wasm", Quiet, &[])], Verdict::InsufficientEvidence),
        ];
        for (rules, expected) in cases {
            assert_eq!(verdict(&rules), expected, "{rules:?}");
        }
    }
}
