//! The recommended order over all findings, and the one command to type next.

use super::{Page, finding::urgency};
use crate::findings::Verdict;
use crate::report::Report;
use crate::report::text::{clean, left};

/// Steps of all findings; left out for a single finding, whose fixes already stand in that order.
pub(super) fn order(report: &Report, page: &mut Page) {
    if report.recommended_order.is_empty() || report.findings.len() < 2 {
        return;
    }
    page.heading("Recommended order");
    let mut last = None;
    for step in &report.recommended_order {
        let number = report.findings.iter().position(|finding| finding.id == step.finding).map_or(0, |index| index + 1);
        let when = if last == Some(step.when) { "" } else { urgency(step.when) };
        last = Some(step.when);
        let label = page.style.bold(&left(when, 7));
        page.paragraph(&label, 7, &format!("{} (finding {number})", step.title));
    }
}

/// The one thing to do next.
pub(super) fn next(report: &Report, page: &mut Page) {
    let style = page.style;
    let first_fix = report.recommended_order.first().and_then(|step| {
        let finding = report.findings.iter().find(|finding| finding.id == step.finding)?;
        finding.fixes.iter().find(|fix| fix.title == step.title && fix.when == step.when)
    });
    let missing = report.collectors.iter().find_map(|collector| collector.parts.fix.as_deref());
    match (report.verdict, first_fix, missing) {
        (Verdict::Findings, Some(fix), _) => {
            page.heading("Next");
            for line in fix.command.lines() {
                page.line(&format!("  {}", style.command(&clean(line, style))));
            }
        }
        (Verdict::InsufficientEvidence, _, Some(fix)) => {
            page.heading("Next");
            page.paragraph("  ", 2, fix);
        }
        (Verdict::InsufficientEvidence, _, None) => {
            page.heading("Next");
            page.paragraph("  ", 2, "mend what the reasons above name, then measure again: kerno doctor");
        }
        (Verdict::Healthy | Verdict::Findings, _, _) => {}
    }
}
