//! One finding: a box with what and why, below it the fixes, their commands on lines of their own that can be copied whole.

use super::Page;
use crate::findings::{Entity, Finding, Fix, Severity, Signal, Urgency};
use crate::report::text::{self, clean, columns, left, right, shorten, wrap};
use crate::report::units::{self, human};
use crate::report::{Report, Style, explained};
use kerno_signals::Coverage;

/// Width of a bar at full length.
const BAR: usize = 40;

/// Names that take more lines than this on a terminal lose their middle; in a file they are whole.
const NAME_LINES: usize = 3;

/// Draws finding number `number`.
pub(super) fn finding(number: usize, finding: &Finding, report: &Report, page: &mut Page) {
    page.gap();
    title(number, finding, page);
    entity(&finding.entity, page);
    bars(finding, page);
    if let Some(eta) = finding.eta_seconds {
        prose("ETA", &format!("limit reached {}", units::eta(eta)), page);
    }
    match explained::cause(report, finding) {
        Some((number, cause, because)) => prose("Cause", &explained::because(number, cause, because), page),
        None => prose("Cause", &finding.cause, page),
    }
    prose("Impact", &finding.impact, page);
    prose("Burns", &explained::burned(report, finding), page);
    consequences(report, finding, page);
    evidence(finding, page);
    footer(finding, page);
    for fix in &finding.fixes {
        self::fix(fix, page);
    }
}

/// A line of the box.
pub(super) fn row(text: &str, page: &mut Page) {
    let bar = page.style.dim(page.style.pick("│", "|"));
    page.line(&format!("{bar} {text}"));
}

/// Columns inside the box.
pub(super) fn room(style: Style) -> usize {
    style.width() - 2
}

/// A severity in capitals.
pub(in crate::report) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    }
}

fn title(number: usize, finding: &Finding, page: &mut Page) {
    let label = format!("{number} {}", word(finding.severity));
    open(&label, finding.severity, &finding.title, page);
}

/// Begins a box: a label in the colour of a severity in its upper edge, a title below.
pub(super) fn open(label: &str, severity: Severity, title: &str, page: &mut Page) {
    let style = page.style;
    let corner = style.dim(style.pick("┌─", "+-"));
    let used = 2 + 1 + columns(label) + 1;
    let rule = style.dim(&style.pick("─", "-").repeat(style.width().saturating_sub(used)));
    page.line(&format!("{corner} {} {rule}", style.severity(label, severity)));
    for line in wrap(title, room(style), style) {
        row(&style.bold(&line), page);
    }
}

/// What it is about, by every name that is known.
pub(super) fn entity(entity: &Entity, page: &mut Page) {
    let style = page.style;
    let names = entity.names.iter().map(|(key, value)| format!("{key} {value}"));
    let mut names: Vec<String> = if style.split_words() {
        names.map(|name| shorten(&name, NAME_LINES * room(style), style)).collect()
    } else {
        names.collect()
    };
    if names.is_empty() {
        names.push(entity.kind.as_str().to_owned());
    }
    for line in text::facts(&names, room(style), style) {
        row(&line, page);
    }
}

/// Value and threshold as bars on one scale.
fn bars(finding: &Finding, page: &mut Page) {
    row("", page);
    for line in bar_lines(finding, room(page.style), page.style) {
        row(&line, page);
    }
}

/// The same as lines of at most `room` columns.
pub(in crate::report) fn bar_lines(finding: &Finding, room: usize, style: Style) -> Vec<String> {
    signal_lines(&finding.signal, "threshold", finding.severity, room, style)
}

/// A value and what it is compared with as bars.
pub(in crate::report) fn signal_lines(
    signal: &Signal,
    against: &str,
    severity: Severity,
    room: usize,
    style: Style,
) -> Vec<String> {
    let scale = signal.value.max(signal.threshold);
    let rows = [(signal.name.as_str(), signal.value, true), (against, signal.threshold, false)];
    let rows =
        rows.map(|(name, value, is_value)| (clean(name, style), value, clean(&human(value, &signal.unit), style), is_value));
    let names = rows.iter().map(|row| columns(&row.0)).max().unwrap_or_default();
    let numbers = rows.iter().map(|row| columns(&row.2)).max().unwrap_or_default();
    let rest = room.saturating_sub(names + 2 + numbers + 2);
    let mut lines = Vec::new();
    for (name, value, number, is_value) in &rows {
        let full = rest.min(BAR);
        let share = if scale > 0.0 { (value / scale).clamp(0.0, 1.0) } else { 0.0 };
        let cells = ((share * full as f64).round() as usize).max(usize::from(*value > 0.0)).min(full);
        let bar = if full < 8 { String::new() } else { style.pick("█", "#").repeat(cells) };
        let bar = if *is_value { style.severity(&bar, severity) } else { style.dim(&bar) };
        if names + 2 + numbers <= room {
            lines.push(format!("{}  {}  {bar}", left(name, names), right(number, numbers)));
        } else {
            lines.extend(wrap(&format!("{name}: {number}"), room, style));
        }
    }
    lines
}

/// What follows from it: number, severity and title of each.
fn consequences(report: &Report, finding: &Finding, page: &mut Page) {
    let style = page.style;
    let findings = explained::consequences(report, finding);
    if findings.is_empty() {
        return;
    }
    row("", page);
    row(&style.bold("This also explains"), page);
    let findings: Vec<_> =
        findings.into_iter().map(|(number, finding)| (format!("{number} {}", word(finding.severity)), finding)).collect();
    let widest = findings.iter().map(|(label, _)| columns(label)).max().unwrap_or_default();
    let indent = 2 + widest + 2;
    for (label, finding) in findings {
        for (index, line) in wrap(&finding.title, room(style).saturating_sub(indent), style).iter().enumerate() {
            if index == 0 {
                row(&format!("  {}  {line}", style.severity(&left(&label, widest), finding.severity)), page);
            } else {
                row(&format!("{}{line}", " ".repeat(indent)), page);
            }
        }
    }
}

/// A labelled paragraph; nothing when there is no text.
pub(super) fn prose(label: &str, text: &str, page: &mut Page) {
    if text.trim().is_empty() {
        return;
    }
    const LABEL: usize = 8;
    let style = page.style;
    row("", page);
    if style.width() < 60 {
        row(&style.bold(label), page);
        wrap(text, room(style), style).iter().for_each(|line| row(line, page));
        return;
    }
    for (index, line) in wrap(text, room(style) - LABEL, style).iter().enumerate() {
        let label = if index == 0 { style.bold(&left(label, LABEL)) } else { " ".repeat(LABEL) };
        row(&format!("{label}{line}"), page);
    }
}

/// Keys and numbers, aligned; one below the other where both do not fit.
fn evidence(finding: &Finding, page: &mut Page) {
    let style = page.style;
    let rows: Vec<(String, String)> = finding
        .evidence
        .iter()
        .map(|evidence| (clean(&evidence.key, style), clean(&human(evidence.value, &evidence.unit), style)))
        .collect();
    if rows.is_empty() {
        return;
    }
    row("", page);
    row(&style.bold("Evidence"), page);
    let keys = rows.iter().map(|row| columns(&row.0)).max().unwrap_or_default();
    let values = rows.iter().map(|row| columns(&row.1)).max().unwrap_or_default();
    for (key, value) in &rows {
        if 2 + keys + 2 + values <= room(style) {
            row(&format!("  {}  {}", left(key, keys), right(value, values)), page);
        } else {
            for line in wrap(key, room(style) - 2, style) {
                row(&format!("  {line}"), page);
            }
            row(&format!("    {value}"), page);
        }
    }
}

/// Where it comes from and how sure it is, and the box's end.
fn footer(finding: &Finding, page: &mut Page) {
    close(&footer_facts(finding), page);
}

/// Facts, and the lower edge.
pub(super) fn close(facts: &[String], page: &mut Page) {
    let style = page.style;
    row("", page);
    for line in text::facts(facts, room(style), style) {
        row(&style.dim(&line), page);
    }
    let end = style.pick("└", "+").to_owned() + &style.pick("─", "-").repeat(style.width() - 1);
    page.line(&style.dim(&end));
}

/// Rule, collector, confidence and identity.
pub(in crate::report) fn footer_facts(finding: &Finding) -> Vec<String> {
    let mut facts = vec![format!("rule {}", finding.rule)];
    facts.push(match finding.coverage {
        Some(Coverage::Full) | None => format!("collector {}", finding.collector),
        Some(Coverage::Partial) => format!("collector {}, partial coverage", finding.collector),
        Some(Coverage::Fallback) => format!("collector {}, totals only", finding.collector),
    });
    facts.push(format!("confidence {}", human(finding.confidence, "ratio")));
    facts.extend(finding.suppressed.iter().map(|why| format!("suppressed: {why}")));
    facts.push(format!("id {}", finding.id));
    facts
}

/// What to do, and the command: never wrapped, with nothing but blanks before it.
pub(super) fn fix(fix: &Fix, page: &mut Page) {
    let style = page.style;
    let when = left(urgency(fix.when), 7);
    page.paragraph(&style.bold(&when), 7, &fix.title);
    for line in fix.command.lines() {
        let command = style.command(&clean(line, style));
        page.line(&format!("       {command}"));
    }
}

/// A point in time for people.
pub(in crate::report) fn urgency(when: Urgency) -> &'static str {
    match when {
        Urgency::Now => "NOW",
        Urgency::FiveMinutes => "5 min",
        Urgency::Later => "later",
    }
}
