//! What is told of findings from one window to the next.

use std::path::Path;

use kerno::findings::RuleStatus;
use kerno::report::{Changes, History, Past, Report, json, pretty_changes};
use serde_json::Value;

use crate::golden::{compare, styles};
use crate::{cases, schema};

/// Three windows: a host with findings, where then one is gone, the rule of another was not judged and rules were replaced, then all
/// is well.
fn windows() -> [Report; 3] {
    let mut history = History::default();
    let [mut first, mut second, mut third] = [cases::linked(), cases::linked(), cases::healthy()];
    (first.rules_generation, second.rules_generation, third.rules_generation) = (Some(1), Some(2), Some(2));
    second.window.start = "2026-11-21T04:15:00.000Z".to_owned();
    third.window.start = "2026-11-21T04:16:00.000Z".to_owned();
    second.findings.retain(|finding| !["oom-kill", "oom-imminent", "scheduler-contention"].contains(&finding.rule.as_str()));
    let unjudged = second.rules.iter_mut().find(|rule| rule.id == "oom-imminent").unwrap();
    (unjudged.status, unjudged.reason) = (RuleStatus::NotEvaluated, Some("memory was not measured".to_owned()));
    first.findings.retain(|finding| finding.rule != "syscall-latency");
    let source = "/etc/kerno/rules/oom-kill.wasm".to_owned();
    for report in [&mut first, &mut second, &mut third] {
        report.rules.iter_mut().filter(|rule| rule.id == "oom-kill").for_each(|rule| rule.source.clone_from(&source));
    }
    second.kept.insert(source, "its last good version is in force".to_owned());
    [&mut first, &mut second, &mut third].into_iter().for_each(|report| history.note(report));
    [first, second, third]
}

fn rules(past: &[Past]) -> Vec<&str> {
    past.iter().map(|past| past.rule.as_str()).collect()
}

#[test]
fn what_is_new_stays_goes_or_is_not_looked_for() {
    let [first, second, third] = windows();
    let of = |report: &Report| report.changes.clone().unwrap();
    assert_eq!((of(&first).new.len(), of(&first).still_there.len(), of(&first).rules.len()), (5, 0, 0));
    let changes = of(&second);
    assert_eq!((changes.new.len(), changes.still_there.len(), changes.rules.len()), (1, 2, 3));
    assert_eq!(
        (rules(&changes.resolved), rules(&changes.unknown)),
        (vec!["oom-kill", "scheduler-contention"], vec!["oom-imminent"])
    );
    let told = changes.rules.join("\n");
    for line in ["generation 2", "oom-imminent: not evaluated: memory was not measured", "oom-kill: its last good version"] {
        assert!(told.contains(line), "{told}");
    }
    let old = second.findings.iter().find(|finding| finding.rule == "disk-io-bottleneck").unwrap();
    assert_eq!(old.first_seen.as_deref(), Some(first.window.start.as_str()), "since the first window");
    assert_eq!(old.last_seen.as_deref(), Some("2026-11-21T04:15:30.002Z"), "to the end of this one");
    let gone = of(&third);
    assert_eq!((gone.new.len(), gone.still_there.len(), gone.unknown.len()), (0, 0, 0));
    assert_eq!(rules(&gone.resolved).len(), 4, "what was unknown is judged again: {gone:#?}");
    let mut history = History::default();
    let mut quiet = cases::healthy();
    history.note(&mut quiet);
    assert_eq!(quiet.changes, Some(Changes::default()));
}

#[test]
fn changes_look_as_reviewed_and_are_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("KERNO_BLESS").is_some();
    let (mut different, validator) = (Vec::new(), jsonschema::validator_for(&schema::schema()).unwrap());
    for (name, report) in ["first", "second", "third"].into_iter().zip(windows()) {
        for (form, style) in styles() {
            let path = directory.join(format!("changes-{name}-{form}.txt"));
            compare(&path, &pretty_changes(&report, &style), bless, &mut different);
        }
        let value: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert!(validator.is_valid(&value), "{name}");
        schema::compare(&schema::schema(), &schema::schema(), &value, name);
    }
    assert!(different.is_empty(), "reports differ (KERNO_BLESS=1 accepts them):\n{}", different.join("\n"));
}
