//! What the process that judges answers is shown to people: whoever took it over must not reach their terminals with it.

use crate::engine::{Bench, Described, printable};
use crate::findings::{Finding, RuleReport};

pub(super) fn report(mut report: RuleReport) -> RuleReport {
    let RuleReport { id, version, source, reason, findings, .. } = &mut report;
    [id, source].into_iter().chain(version).chain(reason).for_each(clean);
    findings.iter_mut().for_each(finding);
    report
}

fn finding(finding: &mut Finding) {
    let Finding { id, rule, title, entity, signal, cause, impact, evidence, fixes, collector, .. } = finding;
    [id, rule, title, cause, impact, collector, &mut signal.name, &mut signal.unit].into_iter().for_each(clean);
    evidence.iter_mut().flat_map(|one| [&mut one.key, &mut one.unit]).for_each(clean);
    fixes.iter_mut().flat_map(|fix| [&mut fix.title, &mut fix.command]).for_each(clean);
    let names = std::mem::take(&mut entity.names);
    entity.names = names.into_iter().map(|(key, value)| (printable(key), printable(value))).collect();
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

fn clean(text: &mut String) {
    *text = printable(std::mem::take(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::RuleStatus;

    #[test]
    fn nothing_that_a_terminal_would_obey_comes_through() {
        let evil = || "a\u{1b}]0;b\u{7}".to_owned();
        let one = RuleReport {
            id: evil(),
            version: Some(evil()),
            source: evil(),
            status: RuleStatus::Failed,
            reason: Some(evil()),
            findings: Vec::new(),
        };
        let text = serde_json::to_string(&report(one)).unwrap();
        assert!(!text.contains("\\u001b") && !text.contains("\\u0007"), "{text}");
    }
}
