//! What a rule returns, checked and turned into findings. A rule's mistake is its failure, never a broken report.

use kerno_signals::Coverage;

use super::Limits;
use super::bindings::exports::kerno::rules::guest as wit;
use super::bindings::kerno::rules::types;
use crate::findings::{self, Entity, EntityKind, Evidence, Finding, Fix, Severity, Signal, Urgency};

const LONGEST_TITLE: usize = 300;
/// Of a reason.
const LONGEST_TEXT: usize = 4096;
const MOST_ITEMS: usize = 64;
const UNITS: [&str; 4] = ["seconds", "bytes", "count", "ratio"];

/// Where findings come from.
pub(super) struct Origin<'a> {
    pub(super) rule: &'a str,
    pub(super) collector: &'a str,
    pub(super) coverage: Option<Coverage>,
    pub(super) limits: &'a Limits,
}

/// A reason, fit to be shown: one line of bounded length.
pub(super) fn sentence(text: String) -> String {
    printable(cut(text.trim().replace('\n', " "), LONGEST_TEXT))
}

/// Names of processes may hold control characters, which a terminal would obey.
#[must_use]
pub fn printable(text: String) -> String {
    // Of UTF-8 only these bytes are, or begin, a control character.
    let is_suspect = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    // Without a way out in the middle, for many bytes are looked at at once.
    if text.bytes().fold(false, |found, byte| found | is_suspect(byte)) {
        text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        text
    }
}

/// All findings of a verdict, or what is wrong with them.
pub(super) fn findings(all: Vec<wit::Finding>, origin: &Origin<'_>) -> Result<Vec<Finding>, String> {
    if all.is_empty() {
        return Err("it fired without a finding: return `quiet` with a reason instead".to_owned());
    }
    if all.len() > origin.limits.findings {
        return Err(format!(
            "it returned {} findings, at most {} are taken (rules.limits.findings): merge them",
            all.len(),
            origin.limits.findings
        ));
    }
    all.into_iter().map(|one| finding(one, origin).map_err(|reason| format!("it returned a finding that {reason}"))).collect()
}

fn finding(raw: wit::Finding, origin: &Origin<'_>) -> Result<Finding, String> {
    if raw.title.trim().is_empty() {
        return Err("has no title: give it one".to_owned());
    }
    if !(0.0..=1.0).contains(&raw.confidence) {
        return Err(format!("has a confidence of {}: it must be within 0 and 1", raw.confidence));
    }
    if raw.eta_seconds.is_some_and(|eta| !eta.is_finite() || eta < 0.0) {
        return Err("has an ETA that is no time: leave it out".to_owned());
    }
    if raw.evidence.len() > MOST_ITEMS || raw.fixes.len() > MOST_ITEMS || raw.entity.names.len() > MOST_ITEMS {
        return Err(format!("has more than {MOST_ITEMS} names, numbers or fixes: keep those that matter"));
    }
    if raw.entity.names.is_empty() {
        return Err("names nothing that it is about: give its entity a name".to_owned());
    }
    number("signal", raw.signal.value, &raw.signal.unit)?;
    number("threshold", raw.signal.threshold, &raw.signal.unit)?;
    for evidence in &raw.evidence {
        number("evidence", evidence.value, &evidence.unit)?;
    }
    // Names are as long as their givers like, and no rule can help it: what is too long is cut.
    let text = |text: String| printable(cut(text, origin.limits.text));
    let names = raw.entity.names.into_iter().map(|name| (text(name.key), text(name.value)));
    let entity = Entity { kind: kind(raw.entity.kind), names: names.collect() };
    let evidence = raw.evidence.into_iter().map(|one| Evidence { key: text(one.key), value: one.value, unit: one.unit });
    // Part of a command is another command.
    let fixes = raw.fixes.into_iter().filter(|fix| fix.command.len() <= origin.limits.text).map(|fix| Fix {
        when: urgency(fix.when),
        title: text(fix.title),
        command: text(fix.command),
    });
    Ok(Finding {
        id: findings::id(origin.rule, &entity),
        rule: origin.rule.to_owned(),
        severity: severity(raw.severity),
        title: printable(cut(raw.title, LONGEST_TITLE.min(origin.limits.text))),
        signal: Signal {
            name: text(raw.signal.name),
            value: raw.signal.value,
            threshold: raw.signal.threshold,
            unit: raw.signal.unit,
        },
        cause: text(raw.cause),
        impact: text(raw.impact),
        evidence: evidence.collect(),
        fixes: fixes.collect(),
        eta_seconds: raw.eta_seconds,
        first_seen: None,
        last_seen: None,
        confidence: raw.confidence,
        consequences: Vec::new(),
        collector: origin.collector.to_owned(),
        coverage: origin.coverage,
        slo: None,
        suppressed: None,
        entity,
    })
}

fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
    }
    text
}

fn number(what: &str, value: f64, unit: &str) -> Result<(), String> {
    if !value.is_finite() {
        return Err(format!("has {what} {value}: it must be a finite number"));
    }
    if !UNITS.contains(&unit) {
        let unit: String = printable(unit.chars().take(32).collect());
        return Err(format!("has {what} in `{unit}`: units are {}", UNITS.join(", ")));
    }
    Ok(())
}

pub(super) fn severity(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Info => Severity::Info,
        types::Severity::Warning => Severity::Warning,
        types::Severity::Critical => Severity::Critical,
    }
}

fn urgency(urgency: types::Urgency) -> Urgency {
    match urgency {
        types::Urgency::Now => Urgency::Now,
        types::Urgency::WithinFiveMinutes => Urgency::FiveMinutes,
        types::Urgency::Later => Urgency::Later,
    }
}

fn kind(kind: types::EntityKind) -> EntityKind {
    match kind {
        types::EntityKind::Node => EntityKind::Node,
        types::EntityKind::Pod => EntityKind::Pod,
        types::EntityKind::Container => EntityKind::Container,
        types::EntityKind::Unit => EntityKind::Unit,
        types::EntityKind::Cgroup => EntityKind::Cgroup,
        types::EntityKind::Process => EntityKind::Process,
        types::EntityKind::Device => EntityKind::Device,
        types::EntityKind::Mount => EntityKind::Mount,
        types::EntityKind::NetworkInterface => EntityKind::NetworkInterface,
        types::EntityKind::Remote => EntityKind::Remote,
    }
}
