//! Rules in the place of built-in ones.

use super::refused::snapshot;
use super::*;
use kerno::engine::{Candidate, RuleSet};
use kerno::findings::BUILT_IN_SOURCE;

/// A built-in rule `healthy` that fires, and what a bundle has in its place.
fn rules(component: Vec<u8>, replaces: bool, settings: Settings) -> RuleSet {
    let mut rules = Runtime::new(&Limits::default()).unwrap().without_rules(settings, BTreeMap::new());
    rules.add(Candidate::built_in("healthy", Some(&components::rule("healthy"))));
    let directory = tempfile::tempdir().unwrap();
    let mut entry = entry("healthy", &component);
    entry.replaces = replaces;
    let manifest = Manifest { rules: vec![entry], ..manifest() };
    write(
        directory.path(),
        &Files::new(manifest.write().into_bytes(), None, BTreeMap::from([("healthy.wasm".to_owned(), component)])),
    );
    for candidate in find(&[directory.path()], &Policy::default()).candidates {
        rules.add(candidate);
    }
    rules
}

fn judged(rules: &RuleSet) -> Vec<RuleReport> {
    rules.judge_decoded(&std::sync::Arc::new(snapshot()))
}

/// A rule that calls itself `healthy`, whatever it does.
fn next(name: &str) -> Vec<u8> {
    let rule = components::hostile(&format!("rules/{name}"));
    let memory = "(import \"base\" \"memory\" (memory 1))";
    let module = "(core module $rule";
    let rule = if rule.contains(memory) { rule } else { rule.replacen(module, &format!("{module} {memory}"), 1) };
    let called = rule.replacen(memory, &format!("{memory} (data (i32.const 1024) \"healthy\")"), 1);
    wat::parse_str(components::hostile("rule").replace("(; rule ;)", &called)).unwrap()
}

#[test]
fn a_rule_of_a_bundle_that_says_so_takes_the_place_of_a_built_in_one() {
    let rules = rules(next("healthy"), true, Settings::default());
    let reports = judged(&rules);
    let [built_in, own] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((built_in.status, built_in.findings.len(), own.status), (RuleStatus::Disabled, 0, RuleStatus::Fired));
    assert_eq!(built_in.reason, Some(format!("replaced by {}", own.source)));
    assert_eq!(verdict(&reports), Verdict::Findings);
    let described = rules.described();
    assert!(described[0].disabled && described[0].reason == built_in.reason && !described[1].disabled, "{described:?}");
}

#[test]
fn without_leave_it_does_not() {
    let reports = judged(&rules(next("healthy"), false, Settings::default()));
    assert_eq!((reports[0].status, reports[1].status), (RuleStatus::Fired, RuleStatus::Failed));
    let reason = reports[1].reason.as_ref().unwrap();
    assert!(reason.contains("that of a built-in rule: give it another id, or name that id in rules.replaces"), "{reason}");
    // The administrator may give it.
    let settings = Settings { replaces: ["healthy".to_owned()].into(), ..Settings::default() };
    let reports = judged(&rules(next("healthy"), false, settings));
    assert_eq!((reports[0].status, reports[1].status), (RuleStatus::Disabled, RuleStatus::Fired));
}

/// Whatever the one in its place fails of, the built-in rule's word counts, and it is told.
#[test]
fn a_host_does_not_look_healthy_because_a_replacement_fails() {
    for (what, component) in [
        ("it does not load", b"no component".to_vec()),
        ("it traps", next("traps")),
        ("it never ends", next("loops")),
        ("it says nonsense", next("not-a-number")),
    ] {
        let reports = judged(&rules(component, true, Settings::default()));
        let [built_in, own] = reports.as_slice() else { panic!("{what}: {reports:?}") };
        assert_eq!((built_in.status, own.status), (RuleStatus::Fired, RuleStatus::Failed), "{what}: {reports:?}");
        assert_eq!((built_in.findings.len(), verdict(&reports)), (1, Verdict::Findings), "{what}");
        let reason = own.reason.as_ref().unwrap();
        assert!(reason.ends_with("; the built-in rule is used in its place"), "{what}: {reason}");
    }
}

/// A snapshot without what it needs: neither of the two says anything.
#[test]
fn where_neither_can_judge_it_is_told_so() {
    let rules = rules(next("healthy"), true, Settings::default());
    let described = rules.described();
    let mut reports = judged(&rules);
    reports[0].status = RuleStatus::NotEvaluated;
    reports[0].findings.clear();
    reports[1].status = RuleStatus::NotEvaluated;
    reports[1].findings.clear();
    kerno::engine::settle(&mut reports, &described, &Settings::default());
    assert_eq!(verdict(&reports), Verdict::InsufficientEvidence);
    // Where the built-in one alone cannot, the other one's word is enough.
    reports[0].status = RuleStatus::Failed;
    reports[1].status = RuleStatus::Quiet;
    kerno::engine::settle(&mut reports, &described, &Settings::default());
    assert_eq!((reports[0].status, verdict(&reports)), (RuleStatus::Disabled, Verdict::Healthy));
}

#[test]
fn what_is_switched_off_is_off_whoever_judges() {
    let off = BTreeMap::from([("healthy".to_owned(), "switched off by somebody".to_owned())]);
    let rules = rules(next("healthy"), true, Settings::default()).emptied(Settings::default(), off);
    let mut rules = rules;
    rules.add(Candidate::built_in("healthy", Some(&components::rule("healthy"))));
    let mut described = vec![rules.described()[0].clone()];
    tell_replaced(&mut described, &Settings::default());
    assert_eq!(described[0].reason.as_deref(), Some("switched off by somebody"));
    assert_eq!(described[0].source, BUILT_IN_SOURCE);
}

#[test]
fn two_cannot_take_one_place() {
    let mut rules = rules(next("healthy"), true, Settings::default());
    let directory = tempfile::tempdir().unwrap();
    let component = [next("healthy"), vec![0, 2, 1, b'y']].concat();
    let mut entry = entry("healthy", &component);
    entry.replaces = true;
    let manifest = Manifest { name: "other-rules".to_owned(), rules: vec![entry], ..manifest() };
    write(
        directory.path(),
        &Files::new(manifest.write().into_bytes(), None, BTreeMap::from([("healthy.wasm".to_owned(), component)])),
    );
    for candidate in find(&[directory.path()], &Policy::default()).candidates {
        rules.add(candidate);
    }
    let reports = judged(&rules);
    let statuses: Vec<_> = reports.iter().map(|report| report.status).collect();
    assert_eq!(statuses, [RuleStatus::Disabled, RuleStatus::Fired, RuleStatus::Failed]);
    assert!(reports[2].reason.as_ref().unwrap().contains("is already taken by"), "{reports:?}");
}
