//! The report as Markdown, fit to be pasted into an incident: headings, code spans for names, fences for commands.

mod outlook;
mod text;

use kerno_signals::Environment;

use super::pretty::{bar_lines, collector_entries, footer_facts, rule_entry, urgency, word};
use super::units::{self, human};
use super::{Report, Style, count, explained, human_seconds};
use crate::findings::{Finding, RuleStatus, Verdict};
pub use outlook::markdown_outlook;
use text::{code, escape, fence};

/// Columns of the bars.
const BARS: usize = 80;

/// The whole report, with a newline at its end. The same for every terminal: names and commands are whole.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut page = Page(String::new());
    head(report, &mut page);
    for (index, finding) in report.findings.iter().enumerate() {
        self::finding(index + 1, finding, report, &mut page);
    }
    order(report, &mut page);
    rules(report, &mut page);
    list("Collectors", collector_entries(&report.collectors), &mut page);
    page.0
}

/// Blocks with an empty line between them.
struct Page(String);

impl Page {
    fn block(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }
}

fn head(report: &Report, page: &mut Page) {
    let (host, window) = (&report.host, &report.window);
    let verdict = match report.verdict {
        Verdict::Findings => numbers(report),
        Verdict::Healthy => "healthy".to_owned(),
        Verdict::InsufficientEvidence => "insufficient evidence".to_owned(),
    };
    page.block(&format!("## kerno doctor on {}: {verdict}", escape(&host.name)));
    let mut facts: Vec<String> = host.cluster.iter().map(|cluster| format!("cluster {}", escape(cluster))).collect();
    facts.push(format!("Linux {}", escape(&host.kernel)));
    facts.push(escape(&host.arch));
    facts.push(if host.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", host.cpus) });
    facts.extend(match host.environment {
        Environment::Kubernetes => Some("Kubernetes".to_owned()),
        Environment::Systemd => Some("systemd".to_owned()),
        Environment::BareMetal => None,
    });
    let cut = if window.interrupted { " (interrupted)" } else { "" };
    let start = window.start.replace('T', " ").replace('Z', " UTC");
    facts.push(format!("{} from {start}{cut}", human_seconds(window.duration_seconds)));
    facts.push(format!("{} events", count(window.events)));
    page.block(&facts.join(" · "));
    let enabled = report.rules.iter().filter(|rule| rule.status != RuleStatus::Disabled).count();
    let judged = report.rules.iter().filter(|rule| matches!(rule.status, RuleStatus::Quiet | RuleStatus::Fired)).count();
    match report.verdict {
        Verdict::Findings => {}
        Verdict::Healthy => page.block(&format!("{judged} of {enabled} rules judged, no threshold crossed.")),
        Verdict::InsufficientEvidence => {
            page.block(&format!("{judged} of {enabled} rules could be judged; this says nothing about the rest."));
        }
    }
    if let Some(sentence) = explained::sentence(report) {
        page.block(&format!("**Triage.** {}.", escape(&sentence)));
    }
    if report.hidden > 0 {
        page.block(&format!("{} below critical not shown.", report.hidden));
    }
}

/// `1 critical, 2 warning`.
fn numbers(report: &Report) -> String {
    let summary = report.summary;
    let all = [(summary.critical, "critical"), (summary.warning, "warning"), (summary.info, "info")];
    let texts = all.into_iter().filter(|(number, _)| *number > 0).map(|(number, name)| format!("{number} {name}"));
    texts.collect::<Vec<_>>().join(", ")
}

fn finding(number: usize, finding: &Finding, report: &Report, page: &mut Page) {
    page.block(&format!("### {number}. {}: {}", word(finding.severity), escape(&finding.title)));
    let names = finding.entity.names.iter().map(|(key, value)| format!("{} {}", escape(key), code(value)));
    let names: Vec<String> = names.collect();
    page.block(&if names.is_empty() { finding.entity.kind.as_str().to_owned() } else { names.join(" · ") });
    page.block(&fence("text", &bar_lines(finding, BARS, Style::file(false))));
    if let Some(eta) = finding.eta_seconds {
        page.block(&format!("**ETA.** Limit reached {}.", units::eta(eta)));
    }
    match explained::cause(report, finding) {
        Some((number, cause, because)) => prose("Cause", &explained::because(number, cause, because), page),
        None => prose("Cause", &finding.cause, page),
    }
    prose("Impact", &finding.impact, page);
    prose("Burns", &explained::burned(report, finding), page);
    let consequences = explained::consequences(report, finding);
    if !consequences.is_empty() {
        let line = |(number, finding): (usize, &Finding)| {
            format!("- finding {number}, {}: {}", word(finding.severity), escape(&finding.title))
        };
        let lines: Vec<String> = consequences.into_iter().map(line).collect();
        page.block(&format!("**This also explains**\n\n{}", lines.join("\n")));
    }
    if !finding.evidence.is_empty() {
        let row = |evidence: &crate::findings::Evidence| {
            format!("| {} | {} |", escape(&evidence.key), escape(&human(evidence.value, &evidence.unit)))
        };
        let rows: Vec<String> = finding.evidence.iter().map(row).collect();
        page.block(&format!("| evidence | |\n|---|---:|\n{}", rows.join("\n")));
    }
    for fix in &finding.fixes {
        page.block(&format!("**{}** {}", urgency(fix.when), escape(&fix.title)));
        let lines: Vec<String> = fix.command.lines().map(|line| super::text::clean(line, Style::file(false))).collect();
        page.block(&fence("sh", &lines));
    }
    page.block(&escape(&footer_facts(finding).join(" · ")));
}

/// A labelled paragraph; nothing when there is no text.
fn prose(label: &str, text: &str, page: &mut Page) {
    if !text.trim().is_empty() {
        page.block(&format!("**{label}.** {}", escape(text)));
    }
}

/// Steps of all findings; left out for a single finding, whose fixes already stand in that order.
fn order(report: &Report, page: &mut Page) {
    if report.recommended_order.is_empty() || report.findings.len() < 2 {
        return;
    }
    page.block("### Recommended order");
    let lines = report.recommended_order.iter().enumerate().map(|(index, step)| {
        let number = report.findings.iter().position(|finding| finding.id == step.finding).map_or(0, |index| index + 1);
        format!("{}. {}: {} (finding {number})", index + 1, urgency(step.when), escape(&step.title))
    });
    page.block(&lines.collect::<Vec<_>>().join("\n"));
}

fn rules(report: &Report, page: &mut Page) {
    let sections = [
        (RuleStatus::Failed, "Failed"),
        (RuleStatus::NotEvaluated, "Not evaluated"),
        (RuleStatus::Quiet, "Quiet"),
        (RuleStatus::Disabled, "Disabled"),
    ];
    for (status, heading) in sections {
        let entries = report.rules.iter().filter(|rule| rule.status == status).map(rule_entry).collect();
        list(heading, entries, page);
    }
}

/// Names and what is said of each; nothing where there are none.
fn list(heading: &str, entries: Vec<(String, String)>, page: &mut Page) {
    if !entries.is_empty() {
        page.block(&format!("### {heading}"));
        let lines: Vec<String> = entries.iter().map(|(name, text)| format!("- {}: {}", code(name), escape(text))).collect();
        page.block(&lines.join("\n"));
    }
}
