//! `kerno rules`: what is told of rules, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{assert_told, kerno, run};

fn rules(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = kerno();
    command.arg("rules").args(arguments);
    run(command)
}

fn json(arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = rules(&[arguments, &["--output", "json"]].concat());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&stdout).unwrap()
}

pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin/scheduler-contention/fixtures/fires-hogs.json")
}

#[test]
fn all_rules_are_listed_with_what_they_are() {
    let listed = json(&["list"]);
    let all = listed.as_array().unwrap();
    assert_eq!(all.len(), 12);
    for rule in all {
        let about = &rule["about"];
        assert_eq!((rule["source"].as_str(), rule["reason"].as_str()), (Some("builtin"), None), "{rule}");
        assert_eq!(rule["component"]["sha256"].as_str().unwrap().len(), 64);
        assert!(!about["families"].as_array().unwrap().is_empty(), "{rule}");
        assert!(about["imports"].as_array().unwrap().contains(&"kerno:rules/types@1.1.0".into()), "{rule}");
    }
    let (code, stdout, _) = rules(&["list"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 13));
    assert!(stdout.lines().all(|line| line.len() < 80), "{stdout}");
}

#[test]
fn one_rule_is_told_with_the_values_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    fs::write(&config, "rules:\n  disabled: [oom-imminent]\n  params:\n    oom-imminent: { use_warning: 80% }\n").unwrap();
    let (code, stdout, stderr) = rules(&["inspect", "oom-imminent", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("status      disabled\n") && stdout.contains("use_warning: 80%"), "{stdout}");
    assert_eq!(json(&["inspect", "oom-kill"])["about"]["severity"], "critical");
    let (code, _, stderr) = rules(&["inspect", "oom-kil"]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "there is no rule `oom-kil`", "did you mean oom-kill?");
}

#[test]
fn rules_are_held_to_the_limits_that_are_configured() {
    let directory = tempfile::tempdir().unwrap();
    let (config, snapshot) = (directory.path().join("config.yaml"), fixture());
    let (config, snapshot) = (config.to_str().unwrap(), snapshot.to_str().unwrap());
    let said = |name: &str, limits: &str| {
        fs::write(config, format!("rules:\n  limits: {{ {limits} }}\n")).unwrap();
        let file = directory.path().join(format!("{name}.wasm"));
        fs::write(&file, super::components::rule(name)).unwrap();
        let (_, stdout, stderr) = rules(&["test", file.to_str().unwrap(), "--snapshot", snapshot, "--config", config]);
        assert_eq!(stderr, "");
        stdout
    };
    assert!(said("loops", "deadline: 30ms").contains("did not finish within 30 ms of CPU time"));
    assert!(said("many-findings", "findings: 3").contains("at most 3 are taken (rules.limits.findings)"));
    assert!(said("hundred-thousand-findings", "result: 64KiB").contains("more than 64 KiB (rules.limits.result)"));
    let large = [super::components::rule("healthy"), custom(100 << 10)].concat();
    fs::write(directory.path().join("large.wasm"), large).unwrap();
    let of_large = |limits: &str| {
        fs::write(config, format!("rules:\n  limits: {{ {limits} }}\n")).unwrap();
        rules(&["verify", directory.path().join("large.wasm").to_str().unwrap(), "--config", config]).1
    };
    assert!(of_large("module: 64KiB").contains("more than the 64 KiB"));
    assert!(of_large("module: 256KiB").contains("loads as healthy"));
    let (_, shown, _) = rules(&["bench", "oom-kill", "--snapshot", snapshot, "--config", config]);
    assert!(shown.contains("256 KiB a file"), "{shown}");
}

/// A section that means nothing, of so many bytes.
fn custom(size: usize) -> Vec<u8> {
    let content = [&[1, b'x'][..], &vec![0; size]].concat();
    let mut section = vec![0];
    let mut length = content.len();
    while length >= 0x80 {
        section.push(length as u8 | 0x80);
        length >>= 7;
    }
    section.push(length as u8);
    [section, content].concat()
}

#[test]
fn a_file_is_verified_with_the_reason_why_it_would_not_load() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.wasm");
    fs::write(&file, "no component").unwrap();
    let path = file.to_str().unwrap();
    let (code, stdout, stderr) = rules(&["verify", path]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(stdout.starts_with(&format!("{path}: does not load: it is not WebAssembly")), "{stdout}");
    // In a directory that is given it is found once.
    let (_, again, _) = rules(&["verify", path, "--dir", directory.path().to_str().unwrap()]);
    assert_eq!(again, stdout);
    // Whichever way its path is written.
    let otherwise = format!("{}//mine.wasm", directory.path().display());
    let (code, again, stderr) = rules(&["verify", &otherwise, "--dir", directory.path().to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert_eq!(again.lines().count(), 1);
    assert!(again.starts_with(&format!("{otherwise}: does not load: it is not WebAssembly")), "{again}");
    let mut here = kerno();
    here.current_dir(directory.path()).args(["rules", "verify", "mine.wasm", "--dir", "."]);
    let (code, stdout, stderr) = run(here);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(stdout.starts_with("mine.wasm: does not load: it is not WebAssembly"), "{stdout}");
    let (code, _, stderr) = rules(&["verify", "/no/such.wasm"]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "/no/such.wasm cannot be read", "name a rule's component");
    // Beside one that is there, that one is verified all the same.
    let (code, stdout, stderr) = rules(&["verify", "/no/such.wasm", path]);
    assert_eq!(code, Some(2));
    assert!(stdout.starts_with(&format!("{path}: does not load: ")), "{stdout}");
    assert_told(&stderr, "/no/such.wasm cannot be read", "name a rule's component");
    let (_, _, stderr) = rules(&["verify", "/no/such.wasm", path, "--dir", "/no/where"]);
    assert!(stderr.contains("/no/such.wasm cannot be read") && stderr.contains("/no/where"), "{stderr}");
}

#[test]
fn a_rule_is_tested_on_a_recording() {
    let window = fixture();
    let window = window.to_str().unwrap();
    let report = json(&["test", "scheduler-contention", "--snapshot", window]);
    assert_eq!((report["status"].as_str(), report["findings"].as_array().map(Vec::len)), (Some("fired"), Some(1)));
    let (code, stdout, _) = rules(&["test", "scheduler-contention", "--snapshot", window]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("scheduler-contention: fired\n"), "{stdout}");
    assert!(stdout.contains("\n  fix ") && !stdout.contains("\\'"), "commands can be pasted: {stdout}");
    let (code, stdout, _) = rules(&["test", "oom-kill", "--snapshot", window]);
    assert_eq!((code, stdout.starts_with("oom-kill: not evaluated\n")), (Some(0), true), "{stdout}");
}

#[test]
fn what_a_rule_costs_is_measured_on_a_recording() {
    let window = fixture();
    let window = window.to_str().unwrap();
    let all = json(&["bench", "scheduler-contention", "oom-kill", "--snapshot", window]);
    let [of_kills, of_contention] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    let cost = &of_contention["cost"];
    assert_eq!((of_contention["id"].as_str(), cost["status"].as_str()), (Some("scheduler-contention"), Some("fired")));
    let number = |value: &Value| value.as_f64().unwrap();
    let (instance, whole) = (number(&cost["instantiate"]["min"]), number(&cost["evaluate"]["p50"]));
    assert!(0.0 < instance && instance < whole && whole <= number(&cost["evaluate"]["max"]), "{cost}");
    assert!(number(&cost["compile"]) > whole, "{cost}");
    let memory = cost["memory"].as_u64().unwrap();
    assert!(memory >= 64 << 10 && memory % (64 << 10) == 0, "{memory}");
    // What was not measured has no evaluation to measure.
    assert_eq!((of_kills["cost"]["status"].as_str(), of_kills["cost"]["memory"].as_u64()), (Some("not_evaluated"), Some(0)));
    assert!(of_kills["reason"].as_str().unwrap().starts_with("oom was not measured"), "{of_kills}");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.wasm");
    fs::write(&file, "no component").unwrap();
    let (code, stdout, _) = rules(&["bench", file.to_str().unwrap(), "--snapshot", window]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("\nmine: it is not WebAssembly") && stdout.contains("16 MiB of memory"), "{stdout}");
    let (code, _, stderr) = rules(&["bench", "oom-kil", "--snapshot", window]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "there is no rule `oom-kil`", "did you mean oom-kill?");
}
