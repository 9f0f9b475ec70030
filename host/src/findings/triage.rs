//! Triage: one fault, one finding. What one rule said twice is merged, what follows from another finding is linked to it, and all are
//! ranked, a cause above its consequences. `TRIAGE.md` tells the same for people.

mod condition;
mod facts;
mod links;
mod merge;

use super::{Finding, Severity, rank};
use facts::Facts;
use links::{LINKS, Link};

/// Findings in the order in which they are shown, and what explains what.
#[derive(Clone, Debug, PartialEq)]
pub struct Triage {
    /// Ranked: `consequences` hold the ids of what follows from each.
    pub findings: Vec<Finding>,
    /// Why each consequence is one, by rank of the cause, then of the consequence.
    pub explained: Vec<Explained>,
}

/// Why one finding follows from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Id of the finding that is the cause.
    pub cause: String,
    /// Id of the finding that follows from it.
    pub consequence: String,
    /// Name of the link in `TRIAGE.md`.
    pub link: &'static str,
    /// One clause: how the one makes the other.
    pub because: &'static str,
}

/// Merges, links and ranks. The same findings in any order give the same result.
#[must_use]
pub fn triage(found: Vec<Finding>) -> Triage {
    let mut findings = merge::merge(found);
    rank::rank(&mut findings);
    let arrows = arrows(&findings);
    let order = order(findings.len(), &arrows);

    let mut place = vec![0; findings.len()];
    for (index, from) in order.iter().enumerate() {
        if let Some(place) = place.get_mut(*from) {
            *place = index;
        }
    }
    let at = |index: usize| place.get(index).copied().unwrap_or(index);
    let mut arrows: Vec<Arrow> =
        arrows.into_iter().map(|arrow| Arrow { cause: at(arrow.cause), consequence: at(arrow.consequence), ..arrow }).collect();
    arrows.sort_by_key(|arrow| (arrow.cause, arrow.consequence));

    let mut slots: Vec<Option<Finding>> = findings.into_iter().map(Some).collect();
    let mut findings: Vec<Finding> = order.into_iter().filter_map(|from| slots.get_mut(from)?.take()).collect();
    let mut explained = Vec::with_capacity(arrows.len());
    for Arrow { cause, consequence, link } in arrows {
        let Some(id) = findings.get(consequence).map(|finding| finding.id.clone()) else { continue };
        let Some(finding) = findings.get_mut(cause) else { continue };
        finding.consequences.push(id.clone());
        explained.push(Explained { cause: finding.id.clone(), consequence: id, link: link.name, because: link.because });
    }
    Triage { findings, explained }
}

/// One finding follows from another, by their places.
#[derive(Clone, Copy)]
struct Arrow {
    cause: usize,
    consequence: usize,
    link: &'static Link,
}

/// Every pair that a link of the table joins: the first link that does. What is only a fact (info) causes nothing.
fn arrows(findings: &[Finding]) -> Vec<Arrow> {
    let facts: Vec<Facts<'_>> = findings.iter().map(Facts::of).collect();
    let mut arrows: Vec<Arrow> = Vec::new();
    for link in LINKS {
        let of = |rule: &'static str| facts.iter().enumerate().filter(move |(_, facts)| facts.finding.rule == rule);
        let alone = of(link.cause).count() == 1;
        for (cause, a) in of(link.cause).filter(|(_, facts)| facts.finding.severity > Severity::Info) {
            for (consequence, b) in of(link.consequence) {
                let is_new = |arrow: &Arrow| (arrow.cause, arrow.consequence) != (cause, consequence);
                if arrows.iter().all(is_new) && link.when.iter().all(|condition| condition.holds(a, b, alone)) {
                    arrows.push(Arrow { cause, consequence, link });
                }
            }
        }
    }
    arrows
}

/// Places of ranked findings in the order in which they are shown: a cause stands where the worst of what follows from it would stand,
/// right above that.
fn order(number: usize, arrows: &[Arrow]) -> Vec<usize> {
    let mut best: Vec<usize> = (0..number).collect();
    let mut depth = vec![0_usize; number];
    // The table has no circle, so that no chain is longer than it.
    for _ in 0..LINKS.len() {
        for Arrow { cause, consequence, .. } in arrows {
            best[*cause] = best[*cause].min(best[*consequence]);
            depth[*consequence] = depth[*consequence].max(depth[*cause] + 1);
        }
    }
    let mut order: Vec<usize> = (0..number).collect();
    order.sort_by_key(|index| (best[*index], depth[*index], *index));
    order
}

#[cfg(test)]
mod tests;
