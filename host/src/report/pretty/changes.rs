//! A window after the first: what has changed since the one before, and in full only what is new.

use super::{Page, finding, header};
use crate::findings::Verdict;
use crate::report::{Changes, Past, Report, Style, human_seconds};

/// What has changed, with a newline at its end; the whole report where nothing came before it.
#[must_use]
pub fn pretty_changes(report: &Report, style: &Style) -> String {
    let Some(changes) = &report.changes else { return super::pretty(report, style) };
    let mut page = Page { lines: Vec::new(), style: *style };
    headline(report, changes, &mut page);
    for line in &changes.rules {
        page.paragraph("  RULES     ", 12, line);
    }
    for past in &changes.resolved {
        entry("RESOLVED", past, &mut page);
    }
    for past in &changes.unknown {
        entry("UNKNOWN", past, &mut page);
    }
    for still in report.findings.iter().filter(|finding| changes.still_there.contains(&finding.id)) {
        let text = format!("{}: {}{}", still.severity.as_str(), still.title, since(still.first_seen.as_deref()));
        page.paragraph("  STILL     ", 12, &text);
    }
    for (index, new) in report.findings.iter().enumerate().filter(|(_, finding)| changes.new.contains(&finding.id)) {
        finding::finding(index + 1, new, report, &mut page);
    }
    page.lines.join("\n") + "\n"
}

fn headline(report: &Report, changes: &Changes, page: &mut Page) {
    let verdict = match report.verdict {
        Verdict::Healthy => "HEALTHY",
        Verdict::Findings => "FINDINGS",
        Verdict::InsufficientEvidence => "INSUFFICIENT EVIDENCE",
    };
    let mut facts = vec![
        report.window.start.replace('T', " ").replace('Z', " UTC"),
        format!(
            "{}{}",
            human_seconds(report.window.duration_seconds),
            if report.window.interrupted { " (interrupted)" } else { "" }
        ),
        verdict.to_owned(),
    ];
    let numbers = [
        (changes.new.len(), "new"),
        (changes.still_there.len(), "still there"),
        (changes.resolved.len(), "resolved"),
        (changes.unknown.len(), "unknown"),
    ];
    let told = numbers.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
    facts.extend(told);
    if facts.len() == 3 && changes.rules.is_empty() {
        facts.push("no change".to_owned());
    }
    header::facts_line(&facts, true, page);
}

fn entry(word: &str, past: &Past, page: &mut Page) {
    let text = format!("{}: {}{}", past.severity.as_str(), past.title, since(Some(&past.first_seen)));
    page.paragraph(&format!("  {word:10}"), 12, &text);
}

fn since(first_seen: Option<&str>) -> String {
    first_seen.map_or_else(String::new, |since| format!(", since {}", since.replace('T', " ").replace('Z', " UTC")))
}
