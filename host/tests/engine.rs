//! Whatever is put beside the rules, it is refused with one sentence.

use std::path::Path;

use kerno::engine::{Limits, LoadError, RuleSet};
use kerno::findings::RuleStatus;
use kerno_signals::Snapshot;

/// The reason with which the bytes of one file are refused.
fn refused(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("guest.wasm"), bytes).unwrap();
    let rules = RuleSet::load(&[], &[directory.path().to_owned()], &Limits::default()).unwrap();
    let reports = rules.judge(&snapshot()).unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].id.as_str(), reports[0].status), ("guest", RuleStatus::Failed));
    reports[0].reason.clone().unwrap()
}

fn hostile(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(name).with_extension("wat");
    wat::parse_file(path).unwrap()
}

fn snapshot() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin/scheduler-contention/fixtures/fires-hogs.json");
    let snapshot: Snapshot = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    postcard::to_stdvec(&snapshot).unwrap()
}

#[test]
fn what_is_no_component_is_told_apart() {
    assert!(refused(b"hello").contains("not WebAssembly"));
    assert!(refused(&hostile("core-module")).contains("core WebAssembly module"));
    let whole = hostile("other-world");
    let reason = refused(&whole[..whole.len() - 7]);
    assert!(reason.contains("truncated"), "{reason}");
}

#[test]
fn a_component_of_another_world_is_told_what_it_wants() {
    for (name, words) in [
        ("other-world", "does not export `kerno:rules/guest@1.0.0` but `greet`"),
        ("imports-unknown", "imports `evil:tools/shell@0.1.0`"),
        ("imports-wasi", "rules have no WASI"),
        ("version-two", "built for kerno:rules@2.0.0"),
        ("loops-on-start", "another world"),
    ] {
        let reason = refused(&hostile(name));
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

#[test]
fn too_much_memory_to_begin_with_is_refused() {
    let reason = refused(&hostile("huge-memory"));
    assert!(reason.contains("memory"), "{reason}");
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let missing = [std::path::PathBuf::from("/no/such/rules")];
    assert!(matches!(RuleSet::load(&[], &missing, &Limits::default()), Err(LoadError::Directory { .. })));
}

#[test]
fn a_rule_that_was_not_built_in_is_a_reported_fact() {
    let rules = RuleSet::load(&[("some-rule", None)], &[], &Limits::default()).unwrap();
    let reports = rules.judge(&snapshot()).unwrap();
    assert!(reports[0].reason.as_deref().unwrap().starts_with("not built in"));
}
