//! Which findings explain which, by their numbers in the report; and which objectives they burn.

use std::collections::BTreeSet;

use super::Report;
use crate::findings::{Finding, Severity};

/// One sentence over all findings but facts; nothing where there is only one.
pub(super) fn sentence(report: &Report) -> Option<String> {
    let is_fault = |finding: &Finding| finding.severity > Severity::Info;
    if report.findings.iter().filter(|finding| is_fault(finding)).count() < 2 {
        return None;
    }
    let mut parts = Vec::new();
    let mut alone = Vec::new();
    for (index, finding) in report.findings.iter().enumerate() {
        if !is_fault(finding) || cause(report, finding).is_some() {
            continue;
        }
        match all_of(report, index) {
            consequences if consequences.is_empty() => alone.push(index + 1),
            consequences => parts.push(format!("{} explains {}", index + 1, list(&consequences))),
        }
    }
    let faults = parts.len() + alone.len();
    if parts.is_empty() {
        return Some(format!("{faults} faults, none of which explains another: the worst first"));
    }
    match alone.len() {
        0 => {}
        1 => parts.push(format!("{} stands alone", list(&alone))),
        _ => parts.push(format!("{} stand alone", list(&alone))),
    }
    let faults = if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") };
    Some(format!("{faults}: finding {}", parts.join("; ")))
}

/// What follows directly from a finding: number and finding, in their order.
pub(super) fn consequences<'a>(report: &'a Report, finding: &Finding) -> Vec<(usize, &'a Finding)> {
    finding.consequences.iter().filter_map(|id| numbered(report, id)).collect()
}

/// What a finding follows from, the highest of several: number, finding, and how the one makes the other.
pub(super) fn cause<'a>(report: &'a Report, finding: &Finding) -> Option<(usize, &'a Finding, &'static str)> {
    let explained = report.explained.iter().find(|explained| explained.consequence == finding.id)?;
    let (number, cause) = numbered(report, &explained.cause)?;
    Some((number, cause, explained.because))
}

/// The words that stand in the place of a rule's own idea of the cause.
pub(super) fn because(number: usize, cause: &Finding, because: &str) -> String {
    format!("Follows from finding {number} ({}): {because}.", cause.title)
}

/// The objectives that a finding burns, in words; empty where there are none.
pub(super) fn burned(report: &Report, finding: &Finding) -> String {
    let of_it = report.burned.iter().filter(|burned| burned.finding == finding.id);
    let words = of_it.map(|burned| match burned.text.trim() {
        "" => burned.name.clone(),
        text => format!("{} ({text})", burned.name),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn numbered<'a>(report: &'a Report, id: &str) -> Option<(usize, &'a Finding)> {
    let index = report.findings.iter().position(|finding| finding.id == id)?;
    Some((index + 1, report.findings.get(index)?))
}

/// Numbers of all that follows from a finding, directly or not.
fn all_of(report: &Report, index: usize) -> Vec<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![index];
    while let Some(finding) = next.pop().and_then(|index| report.findings.get(index)) {
        for (number, _) in consequences(report, finding) {
            if reached.insert(number) {
                next.push(number - 1);
            }
        }
    }
    reached.into_iter().collect()
}

/// `2`, `2 and 3`, `2, 3 and 4`.
fn list(numbers: &[usize]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match texts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
