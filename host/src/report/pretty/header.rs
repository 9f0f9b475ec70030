//! Which host, which window, from which sources, the verdict, and which finding explains which.

use kerno_signals::{CollectorStatus, Environment};

use super::Page;
use crate::findings::{RuleStatus, Severity, Verdict};
use crate::report::text::{self, columns};
use crate::report::{Host, Report, count, explained, human_seconds};

/// The command and its host.
pub(super) fn host_facts(command: &str, host: &Host) -> Vec<String> {
    let mut facts = vec![format!("kerno {command} on {}", host.name)];
    facts.extend(host.cluster.iter().map(|cluster| format!("cluster {cluster}")));
    facts.push(format!("Linux {}", host.kernel));
    facts.push(host.arch.clone());
    facts.push(if host.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", host.cpus) });
    facts.extend(match host.environment {
        Environment::Kubernetes => Some("Kubernetes".to_owned()),
        Environment::Systemd => Some("systemd".to_owned()),
        Environment::BareMetal => None,
    });
    facts
}

/// Host and window, facts joined by dots and wrapped between facts where possible.
pub(super) fn host(report: &Report, page: &mut Page) {
    let window = &report.window;
    facts_line(&host_facts("doctor", &report.host), true, page);

    let cut = if window.interrupted { " (interrupted)" } else { "" };
    let facts = [
        format!("{} from {}{cut}", human_seconds(window.duration_seconds), window.start.replace('T', " ").replace('Z', " UTC")),
        format!("{} events", count(window.events)),
    ];
    facts_line(&facts, false, page);
    let sources = report.collectors.iter().map(|collector| match collector.status {
        CollectorStatus::Off => format!("{} off", collector.name),
        CollectorStatus::Running | CollectorStatus::Degraded => format!("{} from {}", collector.name, collector.parts.source),
    });
    facts_line(&sources.collect::<Vec<_>>(), false, page);
}

/// Facts on as few lines as they fit; the first in bold when it is the title.
pub(super) fn facts_line(facts: &[String], title: bool, page: &mut Page) {
    let style = page.style;
    let dot = style.pick(" · ", " - ");
    let lines = text::facts(facts, style.width(), style);
    for (index, line) in lines.iter().enumerate() {
        match line.split_once(dot) {
            Some((first, rest)) if title && index == 0 => {
                let line = format!("{}{}", style.bold(first), style.dim(&format!("{dot}{rest}")));
                page.line(&line);
            }
            None if title && index == 0 => page.line(&style.bold(line)),
            _ => page.line(&style.dim(line)),
        }
    }
}

/// The verdict with what stands behind it.
pub(super) fn verdict(report: &Report, page: &mut Page) {
    page.gap();
    let style = page.style;
    let judged = report.rules.iter().filter(|rule| matches!(rule.status, RuleStatus::Quiet | RuleStatus::Fired)).count();
    let enabled = report.rules.iter().filter(|rule| rule.status != RuleStatus::Disabled).count();
    let (word, painted, text) = match report.verdict {
        Verdict::Findings => {
            let mut numbers = Vec::new();
            let (critical, warning, info) = (report.summary.critical, report.summary.warning, report.summary.info);
            for (number, name) in [(critical, "critical"), (warning, "warning"), (info, "info")] {
                if number > 0 {
                    numbers.push(format!("{number} {name}"));
                }
            }
            let worst = if critical > 0 { Severity::Critical } else { Severity::Warning };
            ("FINDINGS", style.severity("FINDINGS", worst), numbers.join(", "))
        }
        Verdict::Healthy => {
            let what =
                if enabled == 1 { "the one rule was judged".to_owned() } else { format!("{judged} of {enabled} rules judged") };
            let facts = match report.summary.info {
                0 => String::new(),
                1 => ", 1 fact worth knowing".to_owned(),
                number => format!(", {number} facts worth knowing"),
            };
            ("HEALTHY", style.good("HEALTHY"), format!("{what}, no threshold crossed{facts}"))
        }
        Verdict::InsufficientEvidence => {
            let text = format!("{judged} of {enabled} rules could be judged; this says nothing about the rest");
            ("INSUFFICIENT EVIDENCE", style.doubt("INSUFFICIENT EVIDENCE"), text)
        }
    };
    if word.len() + 2 + columns(&text) <= style.width() {
        page.line(&format!("{painted}  {text}"));
    } else {
        page.line(&painted);
        page.paragraph("", 0, &text);
    }
    if let Some(sentence) = explained::sentence(report) {
        let label = page.style.bold("TRIAGE");
        page.paragraph(&format!("{label}  "), 8, &sentence);
    }
    if report.hidden > 0 {
        page.paragraph("", 0, &format!("{} below critical not shown (--only-critical)", report.hidden));
    }
}
