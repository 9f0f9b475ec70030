//! Whatever is put beside the rules is refused with one sentence, and its neighbours are judged all the same.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kerno::engine::{Limits, LoadError, Quantity, Runtime, Settings};
use kerno::findings::{RuleReport, RuleStatus, Severity};
use kerno_signals::Snapshot;

#[path = "hostile/components.rs"]
mod components;

use components::{hostile, rule};

fn limits() -> Limits {
    Limits::default()
}

/// A component that is no rule of this contract.
fn stranger(name: &str) -> Vec<u8> {
    wat::parse_str(hostile(name)).unwrap()
}

fn recorded() -> Snapshot {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin/scheduler-contention/fixtures/fires-hogs.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn snapshot() -> Vec<u8> {
    postcard::to_stdvec(&recorded()).unwrap()
}

/// Judges files that lie in one directory.
fn judged(built_in: &[(&str, Option<&[u8]>)], files: &[(&str, &[u8])]) -> Vec<RuleReport> {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let rules = Runtime::new(&limits()).unwrap().load(built_in, &[directory.path().to_owned()]).unwrap();
    rules.judge(&snapshot()).unwrap()
}

/// The sentence with which a guest is refused. It stands between two rules that must be judged whatever it does.
fn refused(bytes: &[u8]) -> String {
    let (before, after) = (rule("healthy"), rule("second"));
    let reports = judged(&[], &[("a.wasm", &before), ("guest.wasm", bytes), ("z.wasm", &after)]);
    let [first, guest, last] = reports.as_slice() else { panic!("{reports:#?}") };
    for (neighbour, id) in [(first, "healthy"), (last, "another")] {
        assert_eq!((neighbour.id.as_str(), neighbour.status, &neighbour.reason), (id, RuleStatus::Fired, &None));
        assert_eq!((neighbour.findings.len(), neighbour.findings[0].severity), (1, Severity::Warning));
    }
    assert_eq!((guest.status, guest.findings.len()), (RuleStatus::Failed, 0), "{guest:#?}");
    assert!(guest.source.ends_with("guest.wasm"), "{guest:#?}");
    let reason = guest.reason.clone().unwrap();
    assert!(reason.len() < 400 && !reason.chars().any(char::is_control), "not one sentence: {reason:?}");
    reason
}

#[test]
fn what_is_no_component_is_told_apart() {
    let whole = rule("healthy");
    for (bytes, words) in [
        (&b""[..], "it is empty: copy it again"),
        (b"hello", "not WebAssembly"),
        (&[0xa5; 5000], "not WebAssembly"),
        (&stranger("core-module"), "core WebAssembly module"),
        (&whole[..whole.len() - 7], "truncated"),
        (&whole[..whole.len() / 2], "truncated"),
        (&whole[..9], "truncated"),
        (&whole[..7], "truncated"),
        (&whole[..8], "another world"),
    ] {
        let reason = refused(bytes);
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let mut damaged = whole;
    damaged[40] ^= 0xff;
    assert!(refused(&damaged).contains("build it again"));
}

#[test]
fn a_component_of_another_world_is_told_what_it_wants() {
    for (name, words) in [
        ("other-world", "does not export `kerno:rules/guest@1.1.0` but `greet`"),
        ("imports-unknown", "imports `evil:tools/shell@0.1.0`"),
        ("imports-wasi", "rules have no WASI"),
        ("version-two", "built for kerno:rules@2.0.0"),
        (
            "version-newer",
            "built for kerno:rules@1.9.0, and this kerno offers kerno:rules@1.1.0, which does not have all that it uses",
        ),
        ("version-newer", "boot-seconds"),
        ("version-newer-interface", "imports `kerno:rules/numa@1.9.0-rc.1`"),
        ("version-newer-interface", "does not have: use a newer kerno"),
        ("other-types", "broke the contract with kerno (expected `record` found `u32`)"),
        ("huge-memory", "it needs more than the 16 MiB of memory"),
    ] {
        let reason = refused(&stranger(name));
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

#[test]
fn a_rule_that_misbehaves_is_stopped_and_told_why() {
    for (name, words) in [
        ("traps", "it trapped: unreachable code"),
        ("traps-describing", "when asked to describe itself: it trapped: unreachable code"),
        ("recurses", "call stack"),
        ("grows", "more than the 16 MiB of memory"),
        ("writes-outside", "out-of-bounds memory access"),
        ("answers-outside", "it broke the contract"),
        ("answers-nonsense", "it broke the contract"),
        ("million-findings", "it broke the contract"),
        ("hundred-thousand-findings", "it passed or returned more than 256 KiB"),
        ("many-findings", "it returned 65 findings, at most 64 are taken"),
        ("long-text", "it passed or returned more than 256 KiB"),
        ("shared-text", "it passed or returned more than 256 KiB"),
        ("not-a-number", "signal NaN"),
        ("not-utf8", "it broke the contract"),
        ("no-finding", "it fired without a finding"),
        ("reports-error", "it reported an error of its own (no \u{fffd}[31mthreshold)"),
        ("has-a-bad-id", "its id `Hostile` is not made of lower-case letters"),
        ("asks-while-describing", "it asks for signals while it describes itself"),
        ("undeclared-parameter", "it asks for the parameter `seconds`"),
        ("long-parameter", "it passed or returned more than 256 KiB"),
        ("divides-by-zero", "it trapped: wasm trap: integer divide by zero"),
        ("calls-nothing", "it trapped: wasm trap: uninitialized element"),
        ("calls-another-kind", "it trapped: wasm trap: indirect call type mismatch"),
        ("calls-beyond-its-table", "it trapped: wasm trap: undefined element"),
        ("grows-its-table", "it trapped: unreachable code"),
        ("copies-outside", "out-of-bounds memory access"),
        ("lays-data-outside", "when asked to describe itself: it trapped: out-of-bounds memory access"),
        ("lays-functions-outside", "when asked to describe itself: it trapped: wasm trap"),
        ("traps-starting", "when asked to describe itself: it trapped: unreachable code"),
        ("answers-at-the-end", "it broke the contract"),
        ("answers-below-zero", "it broke the contract"),
        ("answers-crookedly", "it broke the contract"),
        ("describes-outside", "when asked to describe itself: it broke the contract"),
        ("endless-seconds", "signal inf"),
        ("threshold-not-a-number", "threshold NaN"),
        ("unit-of-its-own", "in `furlongs`: units are seconds"),
        ("too-sure", "a confidence of 2"),
        ("time-gone-by", "an ETA that is no time"),
        ("about-nothing", "names nothing that it is about"),
        ("without-a-title", "has no title"),
        ("many-names", "more than 64 names, numbers or fixes"),
        ("logs-a-megabyte", "it passed or returned more than 256 KiB"),
        ("without-an-id", "its id `` is not made of lower-case letters"),
        ("version-with-a-colour", "its version is empty or not plain text"),
        ("family-of-blanks", "the name of a family or parameter is empty or not plain text"),
        ("many-families", "it declares more than 16 families or 64 parameters"),
        ("many-parameters", "it declares more than 16 families or 64 parameters"),
        ("default-not-a-number", "the default of its parameter `seconds` is no number"),
    ] {
        let reason = refused(&rule(name));
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

#[test]
fn a_title_that_is_too_long_is_cut() {
    let report = judged(&[], &[("long.wasm", &rule("long-title"))]).remove(0);
    let [finding] = report.findings.as_slice() else { panic!("{report:#?}") };
    assert!(finding.title.len() <= 303 && finding.title.ends_with('…'), "{}", finding.title);
}

#[test]
fn a_rule_that_never_ends_is_stopped_in_time() {
    for name in ["loops", "loops-describing", "loops-starting", "logs-endlessly"] {
        let begun = Instant::now();
        let reason = refused(&rule(name));
        assert!(reason.contains("it did not finish within 50 ms of CPU time"), "{name}: {reason}");
        assert!(
            begun.elapsed() >= limits().deadline && begun.elapsed() < Duration::from_secs(60),
            "{name}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn the_same_window_gives_the_same_answer_twice() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("counts.wasm"), rule("remembers")).unwrap();
    let rules = Runtime::new(&limits()).unwrap().load(&[], &[directory.path().to_owned()]).unwrap();
    let first = rules.judge(&snapshot()).unwrap();
    assert_eq!(first[0].status, RuleStatus::Fired, "{first:#?}");
    assert_eq!(rules.judge(&snapshot()).unwrap(), first);
}

#[test]
fn an_id_belongs_to_the_first_that_has_it() {
    let (healthy, thief) = (rule("healthy"), rule("takes-a-built-in-id"));
    let reports = judged(&[("scheduler-contention", None)], &[("a.wasm", &healthy), ("b.wasm", &healthy), ("c.wasm", &thief)]);
    let statuses: Vec<_> = reports.iter().map(|report| report.status).collect();
    assert_eq!(statuses, [RuleStatus::Failed, RuleStatus::Fired, RuleStatus::Failed, RuleStatus::Failed]);
    let reason = |index: usize| reports[index].reason.clone().unwrap();
    assert!(reason(0).starts_with("not built in"), "{}", reason(0));
    assert!(reason(2).contains("its id `healthy` is already taken by") && reason(2).contains("a.wasm"), "{}", reason(2));
    assert!(reason(3).contains("`scheduler-contention` is that of a built-in rule"), "{}", reason(3));
}

#[test]
fn what_cannot_be_read_is_told() {
    let big = vec![0; (1 << 20) + 1];
    assert!(refused(&big).contains("more than the 1024 KiB"));
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("a.wasm")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("b.wasm")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("c.wasm")).unwrap();
    fs::write(directory.path().join("notes.txt"), "no rule").unwrap();
    let reports = Runtime::new(&limits()).unwrap().load(&[], &[directory.path().to_owned()]).unwrap().judge(&snapshot()).unwrap();
    let reasons: Vec<_> = reports.iter().map(|report| report.reason.as_deref().unwrap()).collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].contains("no regular file") && reasons[1].contains("no regular file"), "{reasons:?}");
    assert!(reasons[2].contains("cannot be read"), "{reasons:?}");
}

#[test]
fn a_directory_that_cannot_be_listed_is_an_error() {
    let path = PathBuf::from("/no/such/rules");
    let error = Runtime::new(&limits()).unwrap().load(&[], std::slice::from_ref(&path)).err().unwrap();
    assert!(matches!(&error, LoadError::Directory { .. }));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_file_that_is_named_stands_for_itself_whatever_it_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rule.bin");
    fs::write(&path, rule("healthy")).unwrap();
    let rules = Runtime::new(&limits()).unwrap().load(&[], std::slice::from_ref(&path)).unwrap();
    let [described] = &rules.described()[..] else { panic!("not one rule") };
    assert_eq!((described.id.as_str(), described.source.as_str()), ("healthy", path.to_str().unwrap()));
    assert_eq!(described.component.as_ref().unwrap().size, rule("healthy").len() as u64);
    let about = described.about.as_ref().unwrap();
    assert!(about.imports.iter().all(|name| name.starts_with("kerno:rules/")), "{about:?}");
}

#[test]
fn a_family_that_was_not_measured_leaves_its_rules_unjudged() {
    let mut window = recorded();
    window.families.sched = None;
    window.collectors[0].reason = Some("no BTF".into());
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("needs.wasm"), rule("needs-sched")).unwrap();
    let rules = Runtime::new(&limits()).unwrap().load(&[], &[directory.path().to_owned()]).unwrap();
    let judge = |window: &Snapshot| rules.judge(&postcard::to_stdvec(window).unwrap()).unwrap().remove(0);
    let report = judge(&window);
    assert_eq!((report.status, report.reason.as_deref()), (RuleStatus::NotEvaluated, Some("sched was not measured: no BTF")));
    assert_eq!(judge(&recorded()).status, RuleStatus::Fired);
}

#[test]
fn what_is_set_of_a_rule_is_its_own_and_must_fit_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.wasm"), rule("healthy")).unwrap();
    fs::write(directory.path().join("b.wasm"), rule("second")).unwrap();
    let judged = |settings: &Settings| {
        let built_in: [(&str, Option<&[u8]>); 1] = [("oom-kill", None)];
        let rules = Runtime::new(&limits()).unwrap().load_with(&built_in, &[directory.path().to_owned()], settings).unwrap();
        let reports = rules.judge(&snapshot()).unwrap();
        let described: Vec<bool> = rules.described().iter().map(|rule| rule.about.is_some()).collect();
        (reports.into_iter().map(|report| (report.id, report.status, report.reason)).collect::<Vec<_>>(), described)
    };
    let off = Some("switched off by the configuration (rules.disabled)".to_owned());
    let disabled = Settings { disabled: ["oom-kill", "healthy"].map(str::to_owned).into(), ..Settings::default() };
    let (reports, described) = judged(&disabled);
    assert_eq!(reports[0], ("oom-kill".into(), RuleStatus::Disabled, off.clone()));
    assert_eq!(reports[1], ("healthy".into(), RuleStatus::Disabled, off));
    assert_eq!((reports[2].1, described), (RuleStatus::Fired, vec![false, true, true]));

    let set = [("budget".to_owned(), Quantity { value: 1.0, unit: None })].into();
    let (reports, _) = judged(&Settings { parameters: [("healthy".to_owned(), set)].into(), ..Settings::default() });
    assert_eq!((reports[1].1, reports[2].1), (RuleStatus::Failed, RuleStatus::Fired));
    let reason = reports[1].2.clone().unwrap();
    assert_eq!(reason, "the configuration sets its parameter `budget`, which it does not have: remove it from the configuration");
}

#[test]
fn bytes_that_are_no_snapshot_are_an_error() {
    let rules = Runtime::new(&limits()).unwrap().load(&[], &[]).unwrap();
    assert!(rules.judge(b"\xff\xff\xff").is_err());
}
