//! The configuration: what it changes in a report, what is wrong with it, and that it changes nothing unasked.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{assert_told, doctor, kerno, run, unprivileged, validate};

fn file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

fn fixture(name: &str) -> PathBuf {
    let (rule, file) = name.split_once('/').unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin");
    rules.join(rule).join("fixtures").join(file).with_extension("json")
}

fn config(arguments: &[&str], path: &Path) -> (Option<i32>, String, String) {
    let mut command = kerno();
    command.arg("config").args(arguments).arg(path);
    run(command)
}

/// The report of a recording under a configuration, in a form.
fn judged(window: &Path, text: &str, form: &str) -> (Option<i32>, String, String) {
    let (_directory, path) = file(text);
    let mut command = kerno();
    command.args(["doctor", "-o", form, "--replay"]).arg(window).arg("--config").arg(path);
    run(command)
}

fn report(window: &Path, text: &str) -> Value {
    let (code, stdout, stderr) = judged(window, text, "json");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    validate(&stdout)
}

fn status<'a>(report: &'a Value, rule: &str) -> &'a Value {
    &report["rules"].as_array().unwrap().iter().find(|one| one["id"] == rule).unwrap()["status"]
}

/// Whether the rules were built in; a test that needs them says that it was not run.
fn rules_are_built_in() -> bool {
    let all = kerno::artifacts::BUILT_IN_RULES.iter().all(|(_, component)| component.is_some());
    if !all {
        let _ = writeln!(std::io::stderr(), "SKIPPED: rules were not built in; run `cargo xtask build` first");
    }
    all
}

const SLO: &str = "slos:\n  - name: checkout latency\n    text: 99.9 % within 300 ms\n    selector: {rule: disk-*, device: '*'}\n  - \
                   name: uptime\n    selector: {device: '*'}\n  - name: other\n    selector: {unit: '*'}\n";

#[test]
fn a_finding_that_burns_an_objective_is_marked_in_every_form_and_keeps_its_place() {
    if !rules_are_built_in() {
        return;
    }
    let window = fixture("disk-io-bottleneck/fires-slow-disk");
    let (plain, marked) = (report(&window, ""), report(&window, SLO));
    let findings = marked["findings"].as_array().unwrap();
    let disk = findings.iter().find(|finding| finding["rule"] == "disk-io-bottleneck").unwrap();
    assert_eq!(disk["slo"], "checkout latency, uptime");
    let mut unmarked = marked.clone();
    for finding in unmarked["findings"].as_array_mut().unwrap() {
        finding["slo"] = Value::Null;
    }
    assert_eq!(unmarked, plain, "nothing but the mark has changed");
    for (form, told) in [
        ("pretty", "Burns   checkout latency (99.9 % within 300 ms); uptime"),
        ("plain", "Burns   checkout latency (99.9 % within 300 ms); uptime"),
        ("markdown", "**Burns.** checkout latency (99.9 % within 300 ms); uptime"),
    ] {
        let (code, stdout, _) = judged(&window, SLO, form);
        assert_eq!(code, Some(0));
        assert_eq!(stdout.matches(told).count(), findings.iter().filter(|one| one["slo"] == disk["slo"]).count(), "{stdout}");
        assert!(!judged(&window, "", form).1.contains("Burns"));
    }
}

#[test]
fn a_disabled_rule_is_listed_and_finds_nothing() {
    let window = fixture("disk-io-bottleneck/fires-slow-disk");
    let report = report(&window, "rules:\n  disabled: [disk-io-bottleneck]\n");
    assert_eq!(status(&report, "disk-io-bottleneck"), "disabled");
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["rule"] != "disk-io-bottleneck"));
    let rule = report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "disk-io-bottleneck").unwrap();
    assert_eq!(rule["reason"], "switched off by the configuration (rules.disabled)");
    let all: Vec<&str> = kerno::artifacts::BUILT_IN_RULES.iter().map(|(id, _)| *id).collect();
    let none = self::report(&window, &format!("rules:\n  disabled: [{}]\n", all.join(", ")));
    assert_eq!(none["verdict"], "insufficient_evidence", "nothing was judged");
}

#[test]
fn a_verdict_is_over_the_rules_that_are_enabled() {
    if !rules_are_built_in() {
        return;
    }
    let window = fixture("disk-io-bottleneck/quiet-fast");
    let unjudged: Vec<String> = report(&window, "")["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["status"] != "quiet")
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(!unjudged.is_empty(), "a fixture holds one family");
    assert_eq!(report(&window, "")["verdict"], "insufficient_evidence");
    assert_eq!(report(&window, &format!("rules:\n  disabled: [{}]\n", unjudged.join(", ")))["verdict"], "healthy");
}

#[test]
fn a_threshold_that_is_lowered_makes_a_quiet_window_fire() {
    if !rules_are_built_in() {
        return;
    }
    let window = fixture("disk-io-bottleneck/quiet-fast");
    assert_eq!(status(&report(&window, ""), "disk-io-bottleneck"), "quiet");
    for text in [
        "rules:\n  params:\n    disk-io-bottleneck:\n      fsync_p99_warning: 10us\n      min_samples: 1\n",
        "doctor:\n  thresholds:\n    disk_p99_warning_ns: 10000\nrules:\n  params:\n    disk-io-bottleneck:\n      min_samples: 1\n",
    ] {
        let report = report(&window, text);
        assert_eq!(status(&report, "disk-io-bottleneck"), "fired", "{text}");
        assert_eq!(report["findings"][0]["signal"]["threshold"], 10e-6);
    }
}

#[test]
fn what_lies_on_this_machine_has_no_say_in_a_replay() {
    let window = fixture("disk-io-bottleneck/fires-slow-disk");
    let text = "rules:\n  disabled: [disk-io-bottleneck]\n";
    let (directory, path) = file(text);
    fs::create_dir(directory.path().join("kerno")).unwrap();
    fs::write(directory.path().join("kerno/config.yaml"), "no: setting").unwrap();
    let replayed = |named: Option<&Path>, variable: Option<&Path>| {
        let mut command = kerno();
        command.args(["doctor", "-o", "json", "--replay"]).arg(&window);
        command.env("XDG_CONFIG_HOME", directory.path());
        named.map(|path| command.arg("--config").arg(path));
        variable.map(|path| command.env("KERNO_CONFIG", path));
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        stdout
    };
    let alone = replayed(None, None);
    assert_eq!(alone, replayed(None, Some(&path)), "KERNO_CONFIG is of this machine");
    let named = replayed(Some(&path), None);
    assert_ne!(alone, named);
    assert_eq!(status(&validate(&named), "disk-io-bottleneck"), "disabled");
}

#[test]
fn a_measurement_reads_the_first_file_that_is_there() {
    let (directory, path) = file("rules:\n  disabled: [fd-leak]\n");
    fs::create_dir(directory.path().join("kerno")).unwrap();
    fs::write(directory.path().join("kerno/config.yaml"), "doctor:\n  duration: 1s\nrules:\n  disabled: [oom-kill]\n").unwrap();
    let measured = |arguments: &[&str], variable: &str| {
        let mut command = kerno();
        command.args(["doctor", "-q", "-o", "json"]).args(arguments);
        command.env("XDG_CONFIG_HOME", directory.path()).env("KERNO_CONFIG", variable);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let report = validate(&stdout);
        assert!(report["window"]["duration_seconds"].as_f64().unwrap() < 10.0);
        ["fd-leak", "oom-kill"].map(|rule| status(&report, rule) == "disabled")
    };
    let path = path.to_str().unwrap();
    if !Path::new("/etc/kerno/config.yaml").exists() {
        assert_eq!(measured(&[], ""), [false, true], "the window's length is of the file as well");
    }
    assert_eq!(measured(&["-d", "1s"], path), [true, false]);
    assert_eq!(measured(&["-d", "1s", "--config", "/dev/null"], path), [false, false]);
}

#[test]
fn each_mistake_is_2_with_file_line_key_and_what_was_meant() {
    for (text, line, error, help) in [
        ("doctor:\n  duraton: 5s\n", 2, "doctor.duraton is no key", "did you mean duration?"),
        ("doctor:\n  duration: 5 apples\n", 2, "doctor.duration: \"5 apples\" is no duration", "doctor.duration: 30s"),
        ("rules:\n  params:\n    fd-leak:\n      growth_waning: 3\n", 4, "growth_waning is no parameter", "growth_warning"),
        ("rules:\n  disabled: [disk-bottleneck]\n", 2, "disk-bottleneck, which is the id of no rule", "disk-io-bottleneck"),
        (
            "slos:\n  - name: a\n    selector: {rule: oom-kil}\n",
            3,
            "oom-kil, which is the id of no rule",
            "did you mean oom-kill?",
        ),
        ("doctor:\n  duration: 5s\n  duration: 6s\n", 3, "duration is set twice, first in line 2", "keep one"),
        ("doctor: [\n", 0, "this is not YAML", "quote"),
    ] {
        let (_directory, path) = file(text);
        let place = if line == 0 { path.display().to_string() } else { format!("{}:{line}: ", path.display()) };
        let mut command = kerno();
        command.args(["doctor", "-d", "5m", "--config"]).arg(&path);
        for (code, stdout, stderr) in [run(command), config(&["validate"], &path), config(&["show", "--config"], &path)] {
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}: {stderr}");
            assert_told(&stderr, error, help);
            assert_told(&stderr, &place, help);
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once_but_never_a_flood() {
    let (_directory, path) = file("doctr:\nrule:\nslo:\n");
    let (code, _, stderr) = config(&["validate"], &path);
    assert_eq!(
        (code, stderr.matches("error: ").count(), stderr.matches("help: did you mean").count()),
        (Some(2), 3, 3),
        "{stderr}"
    );
    let many: String = (0..5_000).map(|number| format!("key{number}: 1\n")).collect();
    let (_directory, path) = file(many);
    let (_, _, stderr) = config(&["validate"], &path);
    assert_eq!(stderr.matches("error: ").count(), 21);
    assert!(stderr.contains("4980 more mistakes are not told"), "{stderr}");
}

#[test]
fn a_threshold_that_is_never_reached_is_refused() {
    for (parameters, error) in [
        ("{ use_warning: 900% }", "sets its parameter `use_warning` to 900%, but a share is never above 100%"),
        ("{ use_warning: 97% }", "`use_warning` and `use_critical` in the wrong order"),
    ] {
        let (_directory, path) = file(format!("rules:\n  params:\n    oom-imminent: {parameters}\n"));
        let (code, stdout, stderr) = config(&["validate", "--config"], &path);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert_told(&stderr, error, "change the file");
        assert_told(&stderr, &format!("{}:3: oom-imminent: ", path.display()), "change the file");
    }
}

#[test]
fn a_command_that_needs_another_names_its_own_help() {
    let mut command = kerno();
    command.arg("config");
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "kerno config needs a command", "kerno config --help lists them");
}

#[test]
fn what_has_no_use_yet_is_a_warning_each() {
    let (_directory, path) = file("log_level: debug\nprometheus:\n  addr: ':9090'\nai:\n  temperature: 0.2\n");
    let (code, stdout, stderr) = config(&["validate"], &path);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout, format!("{} is valid\n", path.display()));
    let expected: Vec<String> = [(1, "log_level"), (2, "prometheus"), (4, "ai")]
        .map(|(line, key)| format!("warning: {}:{line}: {key} is not used by this version", path.display()))
        .into();
    assert_eq!(stderr.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_no_file_of_settings_is_refused_with_a_sentence() {
    let (directory, path) = file("doctor:\n  duration: \u{e9}\n".replace('\u{e9}', "?").into_bytes());
    fs::write(&path, b"doctor:\n  duration: \xff\n").unwrap();
    let (_big_directory, big) = file(vec![b'#'; 10 << 20]);
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, error, help) in [
        (path.as_path(), "line 2 is not UTF-8", "save it as UTF-8"),
        (&big, "larger than 1 MiB", "a file of settings"),
        (Path::new("/dev/zero"), "no regular file", "name the file itself"),
        (directory.path(), "no regular file", "name the file itself"),
        (&pipe, "no regular file", "name the file itself"),
        (Path::new("/nonexistent/config.yaml"), "No such file", "that is there"),
        (Path::new("/etc/passwd/config.yaml"), "Not a directory", "that is there"),
    ] {
        let mut command = doctor(&["--config"]);
        command.arg(path);
        for (code, stdout, stderr) in [run(command), config(&["validate"], path)] {
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{}: {stderr}", path.display());
            assert_told(&stderr, error, help);
            assert_told(&stderr, path.to_str().unwrap(), help);
        }
    }
    fs::write(&path, "").unwrap();
    assert_eq!(config(&["validate"], &path).0, Some(0), "an empty file sets nothing");
}

#[test]
fn a_file_that_this_user_may_not_read_is_told() {
    let (directory, path) = file("");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let Some((code, stdout, stderr)) = unprivileged(&["doctor", "-d", "1s", "--config", path.to_str().unwrap()]) else { return };
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert_told(&stderr, "Permission denied", "that this user may read");
}

#[test]
fn what_is_shown_can_be_read_again_and_shows_the_same() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config.yaml");
    let (code, shown, stderr) = config(&["show", "--config"], &example);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(shown.contains("  duration: 30s\n") && shown.contains("  - name: \"checkout latency\"\n"), "{shown}");
    assert!(!shown.contains("# /"), "origins only when asked for: {shown}");
    let (_directory, path) = file(&shown);
    assert_eq!(config(&["validate"], &path).0, Some(0), "{shown}");
    let (_, again, _) = config(&["show", "--config"], &path);
    assert_eq!(again, shown);
}

#[test]
fn origins_name_the_line_or_the_default() {
    let text = "rules:\n  disabled: [oom-kill]\ndoctor:\n  thresholds:\n    disk_p99_warning_ns: 20000000\nslos:\n  - name: a\n    selector: {unit: \
                b}\n";
    let (_directory, path) = file(text);
    let mut command = kerno();
    command.args(["config", "show", "--origin"]).env("KERNO_CONFIG", &path).env("KERNO_NODE_NAME", "node-7");
    let (code, shown, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let path = path.display();
    let origin = |value: &str| {
        let line = shown.lines().find(|line| line.trim_start().starts_with(value)).unwrap_or_else(|| panic!("{value}: {shown}"));
        line.split_once("# ").map(|(_, origin)| origin.to_owned())
    };
    assert!(shown.starts_with(&format!("# file: {path}, named by KERNO_CONFIG\n# KERNO_NODE_NAME=node-7\n")), "{shown}");
    assert_eq!(origin("duration: 30s").as_deref(), Some("default"));
    assert_eq!(origin("dirs: []").as_deref(), Some("default"));
    assert_eq!(origin("- oom-kill"), Some(format!("{path}:2")));
    assert_eq!(origin("- name: a"), Some(format!("{path}:7")));
    if rules_are_built_in() {
        assert_eq!(origin("fsync_p99_warning: 20ms"), Some(format!("{path}:5 (doctor.thresholds.disk_p99_warning_ns)")));
        assert_eq!(origin("fsync_p99_critical: 200ms").as_deref(), Some("default"));
        assert!(origin("min_kills: 1").is_some(), "a rule that is switched off is shown all the same");
    }
}

#[test]
fn without_a_file_the_defaults_are_in_force() {
    if Path::new("/etc/kerno/config.yaml").exists() {
        return;
    }
    let mut command = kerno();
    command.args(["config", "validate"]);
    assert_eq!(run(command), (Some(0), "there is no configuration: the defaults are in force\n".to_owned(), String::new()));
    let mut command = kerno();
    command.args(["config", "show", "--origin"]);
    let (code, shown, _) = run(command);
    assert_eq!(code, Some(0));
    assert!(shown.starts_with("# file: none\n") && shown.contains("slos: []"), "{shown}");
}

#[test]
fn directories_of_rules_are_read_and_what_is_in_them_is_checked() {
    let (directory, path) = file("rules:\n  dirs: [mine]\n  disabled: [gone]\n");
    let (code, _, stderr) = config(&["validate"], &path);
    assert_eq!(code, Some(2));
    assert_told(
        &stderr,
        &format!("{}:2: rules.dirs: {}", path.display(), directory.path().join("mine").display()),
        "name a directory",
    );
    let mut command = doctor(&["--config"]);
    command.arg(&path);
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "rules.dirs: the rules directory", "give rules.dirs");

    fs::create_dir(directory.path().join("mine")).unwrap();
    fs::write(directory.path().join("mine/broken.wasm"), "no rule").unwrap();
    let (code, _, stderr) = config(&["validate"], &path);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "broken.wasm does not load", "mend the rule");
    let mut command = doctor(&["-q", "-o", "json", "--config"]);
    command.arg(&path);
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "`gone` may be the id of the one that did not load");
    assert_eq!(status(&validate(&stdout), "broken"), "failed");
}
