//! What the process that judges answers is shown to people: whoever took it over must not reach their terminals with it.

use crate::engine::{Bench, Described, Limits, NoComponent, printable};
use crate::findings::{Finding, RuleReport, id};

/// The report of a rule that is known: of that rule, with no more than a rule may say.
pub(super) fn report(mut report: RuleReport, of: &Described, limits: &Limits) -> RuleReport {
    (report.id, report.source) = (of.id.clone(), of.source.clone());
    report.version = of.about.as_ref().map(|about| about.version.clone());
    report.reason.iter_mut().for_each(clean);
    report.findings.truncate(limits.findings);
    report.findings.retain(|finding| {
        let numbers = [finding.signal.value, finding.signal.threshold, finding.confidence];
        numbers
            .iter()
            .chain(&finding.eta_seconds)
            .chain(finding.evidence.iter().map(|one| &one.value))
            .all(|number| number.is_finite())
    });
    report.findings.iter_mut().for_each(|finding| self::finding(finding, &of.id));
    report
}

fn finding(finding: &mut Finding, of: &str) {
    // What triage and the configuration say of it, no rule says.
    (finding.first_seen, finding.last_seen, finding.slo, finding.suppressed) = (None, None, None, None);
    finding.consequences.clear();
    of.clone_into(&mut finding.rule);
    let names = std::mem::take(&mut finding.entity.names);
    finding.entity.names = names.into_iter().map(|(key, value)| (printable(key), printable(value))).collect();
    finding.id = id(of, &finding.entity);
    let Finding { title, signal, cause, impact, evidence, fixes, collector, .. } = finding;
    [title, cause, impact, collector, &mut signal.name, &mut signal.unit].into_iter().for_each(clean);
    evidence.iter_mut().flat_map(|one| [&mut one.key, &mut one.unit]).for_each(clean);
    fixes.iter_mut().flat_map(|fix| [&mut fix.title, &mut fix.command]).for_each(clean);
}

pub(super) fn described(mut rule: Described) -> Described {
    let Described { id, source, component, about, reason, .. } = &mut rule;
    [id, source].into_iter().chain(reason).for_each(clean);
    component.iter_mut().for_each(|component| clean(&mut component.sha256));
    if let Some(about) = about {
        [&mut about.title, &mut about.version].into_iter().chain(&mut about.families).chain(&mut about.imports).for_each(clean);
        about.parameters.iter_mut().flat_map(|one| [&mut one.name, &mut one.description]).for_each(clean);
    }
    rule
}

pub(super) fn bench(mut bench: Bench) -> Bench {
    [&mut bench.id, &mut bench.source].into_iter().chain(&mut bench.reason).for_each(clean);
    bench
}

pub(super) fn no_component(mut error: NoComponent) -> NoComponent {
    [&mut error.why, &mut error.help].into_iter().for_each(clean);
    error
}

fn clean(text: &mut String) {
    *text = printable(std::mem::take(text));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::findings::{Entity, EntityKind, Evidence, Fix, RuleStatus, Severity, Signal, Urgency};

    fn evil() -> String {
        "a\u{1b}]0;b\u{7}".to_owned()
    }

    fn forged(value: f64) -> Finding {
        Finding {
            id: evil(),
            rule: evil(),
            severity: Severity::Warning,
            title: evil(),
            entity: Entity { kind: EntityKind::Node, names: BTreeMap::from([(evil(), evil())]) },
            signal: Signal { name: evil(), value, threshold: 1.0, unit: evil() },
            cause: evil(),
            impact: evil(),
            evidence: vec![Evidence { key: evil(), value: 1.0, unit: evil() }],
            fixes: vec![Fix { when: Urgency::Now, title: evil(), command: evil() }],
            eta_seconds: None,
            first_seen: Some(evil()),
            last_seen: Some(evil()),
            confidence: 1.0,
            consequences: vec![evil()],
            collector: evil(),
            coverage: None,
            slo: Some(evil()),
            suppressed: Some(evil()),
        }
    }

    #[test]
    fn nothing_comes_through_that_a_terminal_would_obey_or_that_no_rule_may_say() {
        let rule = Described {
            id: "mine".to_owned(),
            source: "mine.wasm".to_owned(),
            path: None,
            component: None,
            bundle: None,
            disabled: false,
            about: None,
            reason: None,
        };
        let one = RuleReport {
            id: evil(),
            version: Some(evil()),
            source: "builtin".to_owned(),
            status: RuleStatus::Fired,
            reason: Some(evil()),
            findings: vec![forged(f64::NAN), forged(2.0), forged(3.0), forged(4.0)],
        };
        let limits = Limits { findings: 3, ..Limits::default() };
        let shown = report(one, &rule, &limits);
        let text = serde_json::to_string(&shown).unwrap();
        assert!(!text.contains("\\u001b") && !text.contains("\\u0007"), "{text}");
        assert_eq!((shown.id.as_str(), shown.source.as_str(), shown.version), ("mine", "mine.wasm", None));
        assert_eq!(shown.findings.len(), 2, "neither the one that is no number nor the one too many");
        assert!(shown.findings.iter().all(|finding| finding.suppressed.is_none() && finding.consequences.is_empty()));
    }
}
