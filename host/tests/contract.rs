//! The contract with rules only grows: what was built for a version of it that was released runs on this kerno.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use std::fs;
use std::path::{Path, PathBuf};

use kerno::engine::{Limits, Runtime};
use kerno::findings::RuleStatus;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata, semver_check};
use wit_parser::{ManglingAndAbi, Resolve, WorldId};

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// Versions that were released, and where each lies.
fn released() -> Vec<(String, PathBuf)> {
    let directories = fs::read_dir(wit().join("released")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    let mut released: Vec<_> = directories.map(named).collect();
    released.sort();
    assert!(!released.is_empty(), "nothing was released");
    released
}

/// The world of a contract, its package known by another version: two that are compared cannot have the same.
fn world(resolve: &mut Resolve, directory: &Path, known_as: &str) -> WorldId {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "wit") {
            let text = fs::read_to_string(&entry).unwrap();
            let package = |line: &str| match line.strip_prefix("package kerno:rules@") {
                Some(_) => format!("package kerno:rules@{known_as};\n"),
                None => format!("{line}\n"),
            };
            fs::write(copy.path().join(entry.file_name().unwrap()), text.lines().map(package).collect::<String>()).unwrap();
        }
    }
    let (package, _) = resolve.push_dir(copy.path()).unwrap();
    resolve.select_world(&[package], Some("rule")).unwrap()
}

/// Whether what was built for `before` fits `now`.
fn check(before: &Path, now: &Path) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let (before, now) = (world(&mut resolve, before, "0.0.1"), world(&mut resolve, now, "0.0.2"));
    semver_check(resolve, before, now).map_err(|error| format!("{error:#}"))
}

#[test]
fn every_released_version_is_kept() {
    for (version, directory) in released() {
        check(&directory, &wit().join("v1")).unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}

/// What was released under a version is what is offered under it.
#[test]
fn a_contract_that_changed_has_another_version() {
    let types = fs::read_to_string(wit().join("v1/types.wit")).unwrap();
    let offered = types.lines().find_map(|line| line.strip_prefix("package kerno:rules@")?.strip_suffix(';')).unwrap();
    let kept = wit().join("released").join(offered);
    if !kept.exists() {
        return;
    }
    for entry in fs::read_dir(wit().join("v1")).unwrap().map(|entry| entry.unwrap().path()) {
        let copy = kept.join(entry.file_name().unwrap());
        assert_eq!(fs::read(&entry).unwrap(), fs::read(&copy).unwrap(), "{} is not {}", copy.display(), entry.display());
    }
}

#[test]
fn a_contract_that_lost_or_changed_something_is_found_out() {
    let changed = tempfile::tempdir().unwrap();
    for (from, to, is_kept) in [
        // Comments and new functions are no changes.
        ("interface log {", "interface log {\n    info: func(line: string);", true),
        ("debug: func(line: string);", "debug: func(line: string, level: u32);", false),
        ("window-seconds: func() -> f64;", "", false),
        ("record machine-info { name: string,", "record machine-info { name: string, more: bool,", false),
        ("enum coverage { full, partial, fallback }", "enum coverage { full, partial, fallback, none }", false),
    ] {
        for entry in fs::read_dir(wit().join("v1")).unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read_to_string(&entry).unwrap();
            fs::write(changed.path().join(entry.file_name().unwrap()), text.replace(from, to)).unwrap();
        }
        let result = check(&wit().join("v1"), changed.path());
        assert_eq!(result.is_ok(), is_kept, "{from}: {result:?}");
    }
}

/// Windows in which the rules that were kept with a version have something to say.
const WINDOWS: [(&str, &str); 2] = [
    ("1.0.0", "run-queue-budget/fixtures/fires-over-budget.json"),
    ("1.1.0", "slow-container-start/fixtures/fires-slow-mounts.json"),
];

fn window(version: &str) -> PathBuf {
    let (_, fixture) = WINDOWS.iter().find(|(of, _)| *of == version).unwrap();
    wit().join("../examples/rules").join(fixture)
}

/// Loads a component as a user's rule; the reason why not, or what it says of a window in which it has something to say.
fn judged(component: &[u8], window: &Path) -> Result<RuleStatus, String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("rule.wasm"), component).unwrap();
    let rules = Runtime::new(&Limits::default()).unwrap().load(&[], &[directory.path().to_owned()]).unwrap();
    let window: kerno_signals::Snapshot = serde_json::from_str(&fs::read_to_string(window).unwrap()).unwrap();
    let report = rules.judge(&postcard::to_allocvec(&window).unwrap()).unwrap().remove(0);
    if report.status == RuleStatus::Failed { Err(report.reason.unwrap()) } else { Ok(report.status) }
}

#[test]
fn a_rule_that_was_built_for_a_released_version_still_runs() {
    for (version, directory) in released() {
        let component = fs::read(directory.join("rule.wasm")).unwrap();
        assert_eq!(judged(&component, &window(&version)), Ok(RuleStatus::Fired), "{version}");
    }
}

#[test]
fn a_rule_may_import_all_of_a_released_version() {
    for (version, directory) in released() {
        let mut resolve = Resolve::default();
        let world = world(&mut resolve, &directory, &version);
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
        // It links, so that it is asked; it has no answer.
        let reason = judged(&component, &window(&version)).unwrap_err();
        assert!(reason.contains("when asked to describe itself: it trapped"), "{version}: {reason}");
    }
}
