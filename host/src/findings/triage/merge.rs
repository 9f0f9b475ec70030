//! What one rule said twice of one entity is one finding.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::{Finding, rank};

/// One finding for each id: the one that ranks first, with what only the others tell.
pub(super) fn merge(found: Vec<Finding>) -> Vec<Finding> {
    let mut by_id: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in found {
        by_id.entry(finding.id.clone()).or_default().push(finding);
    }
    by_id.into_values().filter_map(one).collect()
}

fn one(mut same: Vec<Finding>) -> Option<Finding> {
    if same.len() > 1 {
        same.sort_by(in_one_order);
    }
    same.into_iter().reduce(|mut first, other| {
        first.eta_seconds = match (first.eta_seconds, other.eta_seconds) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        first.confidence = first.confidence.max(other.confidence);
        for evidence in other.evidence {
            if first.evidence.iter().all(|known| known.key != evidence.key) {
                first.evidence.push(evidence);
            }
        }
        for fix in other.fixes {
            if first.fixes.iter().all(|known| known.command != fix.command) {
                first.fixes.push(fix);
            }
        }
        first
    })
}

/// Rank, and between findings that rank alike whatever tells them apart.
fn in_one_order(a: &Finding, b: &Finding) -> Ordering {
    rank::compare(a, b).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Evidence, Fix, Severity, Urgency, sample};

    #[test]
    fn the_worse_one_stays_and_takes_what_only_the_other_tells() {
        let evidence = |key: &str, value| Evidence { key: key.into(), value, unit: "count".into() };
        let fix = |command: &str| Fix { when: Urgency::Now, title: command.into(), command: command.into() };
        let mut worse = sample("same", Severity::Critical);
        worse.title = "worse".into();
        worse.confidence = 0.6;
        worse.evidence = vec![evidence("waits", 7.0)];
        worse.fixes = vec![fix("a")];
        let mut milder = sample("same", Severity::Warning);
        milder.eta_seconds = Some(60.0);
        milder.evidence = vec![evidence("waits", 9.0), evidence("kills", 1.0)];
        milder.fixes = vec![fix("b"), fix("a")];
        let other = sample("other", Severity::Info);

        for found in [[&worse, &milder, &other], [&other, &milder, &worse]] {
            let merged = merge(found.map(Clone::clone).to_vec());
            assert_eq!(merged.len(), 2);
            let same = merged.iter().find(|finding| finding.id == "same").unwrap();
            assert_eq!((same.title.as_str(), same.severity), ("worse", Severity::Critical));
            assert_eq!((same.eta_seconds, same.confidence), (Some(60.0), 1.0));
            assert_eq!(same.evidence, [evidence("waits", 7.0), evidence("kills", 1.0)]);
            assert_eq!(same.fixes, [fix("a"), fix("b")]);
        }
    }
}
