//! One finding: a box with what and why, below it the fixes, their commands on lines of their own that can be copied whole.

use super::Page;
use crate::findings::{Finding, Fix, Severity, Urgency};
use crate::report::Style;
use crate::report::text::{self, clean, columns, left, right, wrap};
use crate::report::units::{human, human_seconds};
use kerno_signals::Coverage;

/// Width of a bar at full length.
const BAR: usize = 40;

/// Draws finding number `number`.
pub(super) fn finding(number: usize, finding: &Finding, page: &mut Page) {
    page.gap();
    title(number, finding, page);
    entity(finding, page);
    bars(finding, page);
    prose("Cause", &finding.cause, page);
    prose("Impact", &finding.impact, page);
    evidence(finding, page);
    footer(finding, page);
    for fix in &finding.fixes {
        self::fix(fix, page);
    }
}

/// A line of the box.
fn row(text: &str, page: &mut Page) {
    let bar = page.style.dim(page.style.pick("│", "|"));
    page.line(&format!("{bar} {text}"));
}

/// Columns inside the box.
fn room(style: Style) -> usize {
    style.width() - 2
}

fn title(number: usize, finding: &Finding, page: &mut Page) {
    let style = page.style;
    let word = match finding.severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    };
    let label = format!("{number} {word}");
    let corner = style.dim(style.pick("┌─", "+-"));
    let used = 2 + 1 + columns(&label) + 1;
    let rule = style.dim(&style.pick("─", "-").repeat(style.width().saturating_sub(used)));
    page.line(&format!("{corner} {} {rule}", style.severity(&label, finding.severity)));
    for line in wrap(&finding.title, room(style), style) {
        row(&style.bold(&line), page);
    }
}

/// What it is about, by every name that is known.
fn entity(finding: &Finding, page: &mut Page) {
    let style = page.style;
    let mut names: Vec<String> = finding.entity.names.iter().map(|(key, value)| format!("{key} {value}")).collect();
    if names.is_empty() {
        names.push(finding.entity.kind.as_str().to_owned());
    }
    for line in text::facts(&names, room(style), style) {
        row(&line, page);
    }
}

/// Value and threshold as bars on one scale.
fn bars(finding: &Finding, page: &mut Page) {
    let style = page.style;
    let signal = &finding.signal;
    let scale = signal.value.max(signal.threshold);
    let rows = [(signal.name.as_str(), signal.value, true), ("threshold", signal.threshold, false)];
    let rows =
        rows.map(|(name, value, is_value)| (clean(name, style), value, clean(&human(value, &signal.unit), style), is_value));
    let names = rows.iter().map(|row| columns(&row.0)).max().unwrap_or_default();
    let numbers = rows.iter().map(|row| columns(&row.2)).max().unwrap_or_default();
    let rest = room(style).saturating_sub(names + 2 + numbers + 2);
    row("", page);
    for (name, value, number, is_value) in &rows {
        let full = rest.min(BAR);
        let share = if scale > 0.0 { (value / scale).clamp(0.0, 1.0) } else { 0.0 };
        let cells = ((share * full as f64).round() as usize).max(usize::from(*value > 0.0)).min(full);
        let bar = if full < 8 { String::new() } else { style.pick("█", "#").repeat(cells) };
        let bar = if *is_value { style.severity(&bar, finding.severity) } else { style.dim(&bar) };
        if names + 2 + numbers <= room(style) {
            row(&format!("{}  {}  {bar}", left(name, names), right(number, numbers)), page);
        } else {
            wrap(&format!("{name}: {number}"), room(style), style).iter().for_each(|line| row(line, page));
        }
    }
}

/// A labelled paragraph; nothing when there is no text.
fn prose(label: &str, text: &str, page: &mut Page) {
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
    let style = page.style;
    let mut facts = vec![format!("rule {}", finding.rule)];
    facts.push(match finding.coverage {
        Some(Coverage::Full) | None => format!("collector {}", finding.collector),
        Some(Coverage::Partial) => format!("collector {}, partial coverage", finding.collector),
        Some(Coverage::Fallback) => format!("collector {}, totals only", finding.collector),
    });
    facts.push(format!("confidence {}", human(finding.confidence, "ratio")));
    facts.extend(finding.eta_seconds.map(|eta| format!("limit reached in {}", human_seconds(eta))));
    facts.extend(finding.slo.iter().map(|slo| format!("burns {slo}")));
    facts.extend(finding.suppressed.iter().map(|why| format!("suppressed: {why}")));
    facts.push(format!("id {}", finding.id));
    row("", page);
    for line in text::facts(&facts, room(style), style) {
        row(&style.dim(&line), page);
    }
    let end = style.pick("└", "+").to_owned() + &style.pick("─", "-").repeat(style.width() - 1);
    page.line(&style.dim(&end));
}

/// What to do, and the command: never wrapped, with nothing but blanks before it.
fn fix(fix: &Fix, page: &mut Page) {
    let style = page.style;
    let when = left(urgency(fix.when), 7);
    page.paragraph(&style.bold(&when), 7, &fix.title);
    for line in fix.command.lines() {
        let command = style.command(&clean(line, style));
        page.line(&format!("       {command}"));
    }
}

/// A point in time for people.
pub(super) fn urgency(when: Urgency) -> &'static str {
    match when {
        Urgency::Now => "NOW",
        Urgency::FiveMinutes => "5 min",
        Urgency::Later => "later",
    }
}
