//! What became of the rules that did not fire, and the collectors that did not measure as designed.

use kerno_signals::{CollectorStatus, THEN};

use super::Page;
use crate::findings::RuleStatus;
use crate::report::text::{columns, left};
use crate::report::{Collector, Report, Rule, count};

/// Rules that were not evaluated or failed first, then the quiet ones: all with their reasons.
pub(super) fn rules(report: &Report, page: &mut Page) {
    let sections = [
        (RuleStatus::Failed, "FAILED"),
        (RuleStatus::NotEvaluated, "NOT EVALUATED"),
        (RuleStatus::Quiet, "Quiet"),
        (RuleStatus::Disabled, "Disabled"),
    ];
    for (status, heading) in sections {
        let rules: Vec<&Rule> = report.rules.iter().filter(|rule| rule.status == status).collect();
        if rules.is_empty() {
            continue;
        }
        page.gap();
        let heading = match status {
            RuleStatus::Failed | RuleStatus::NotEvaluated => page.style.doubt(heading),
            RuleStatus::Fired | RuleStatus::Quiet | RuleStatus::Disabled => page.style.bold(heading),
        };
        page.line(&heading);
        let entries: Vec<(String, String)> = rules.into_iter().map(rule_entry).collect();
        table(&entries, page);
    }
}

/// A rule's id and reason; where a user's rule that failed comes from.
pub(in crate::report) fn rule_entry(rule: &Rule) -> (String, String) {
    let reason = rule.reason.as_deref().unwrap_or("no reason given");
    let text = match rule.status {
        RuleStatus::Failed if rule.source != crate::findings::BUILT_IN_SOURCE => format!("{reason} ({})", rule.source),
        _ => reason.to_owned(),
    };
    (rule.id.clone(), text)
}

/// Collectors that are degraded, off or lost events, with the reason and the one thing to do. What several have in common is told
/// of the first.
pub(super) fn collectors(report: &Report, page: &mut Page) {
    let entries = collector_entries(&report.collectors);
    if !entries.is_empty() {
        page.heading("Collectors");
        table(&entries, page);
    }
}

/// Their names and what is said of each.
pub(in crate::report) fn collector_entries(collectors: &[Collector]) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut told: Vec<(&str, &str)> = Vec::new();
    for collector in collectors {
        let parts = &collector.parts;
        let mut sentences = Vec::new();
        match collector.status {
            CollectorStatus::Off => sentences.push("off".to_owned()),
            CollectorStatus::Degraded => sentences.push(format!("measured from {}", parts.source)),
            CollectorStatus::Running => {}
        }
        let mut before = collectors.iter().map(|other| &other.parts).take_while(|other| other.name != parts.name);
        let same = before.find(|other| parts.fix.is_some() && (&other.reason, &other.fix) == (&parts.reason, &parts.fix));
        sentences.extend(parts.reason.clone().filter(|_| same.is_none()));
        let is_told = parts.reason.as_deref().is_some_and(|reason| reason.contains("were lost"));
        if collector.lost > 0 && !is_told {
            sentences.push(format!(
                "{} of {} events lost",
                count(collector.lost),
                count(collector.events.saturating_add(collector.lost))
            ));
        }
        sentences.extend(same.map(|same| format!("reason and fix as for {}", same.name)));
        for fix in parts.fix.iter().filter(|_| same.is_none()).flat_map(|fix| fix.split(THEN)) {
            let before = told.iter().find(|(other, _)| *other == fix);
            sentences.push(before.map_or_else(|| format!("fix: {fix}"), |(_, name)| format!("fix as for {name}")));
            told.push((fix, &parts.name));
        }
        if !sentences.is_empty() {
            entries.push((collector.name.clone(), sentences.join("; ")));
        }
    }
    entries
}

/// Names with text beside them; below them where the page is narrow.
pub(super) fn table(entries: &[(String, String)], page: &mut Page) {
    let style = page.style;
    let names: Vec<String> = entries.iter().map(|(name, _)| crate::report::text::clean(name, style)).collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or_default();
    for (name, (_, text)) in names.iter().zip(entries) {
        if 2 + widest + 2 + 32 <= style.width() {
            page.paragraph(&format!("  {}  ", left(name, widest)), widest + 4, text);
        } else {
            page.line(&format!("  {name}"));
            page.paragraph("    ", 4, text);
        }
    }
}
