//! kerno as a process: exit codes, streams, signals and bad input, on any host, with eBPF or without.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "cli/bundle.rs"]
mod bundle;
#[path = "hostile/components.rs"]
mod components;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/continuous.rs"]
mod continuous;
#[path = "cli/install.rs"]
mod install;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/predict.rs"]
mod predict;
#[path = "cli/recording.rs"]
mod recording;
#[path = "cli/rules.rs"]
mod rules;
#[path = "cli/triage.rs"]
mod triage;

fn kerno() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KERNO_")) {
        command.env_remove(name);
    }
    // The settings of whoever runs the tests are none of theirs.
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn doctor(arguments: &[&str]) -> Command {
    let mut command = kerno();
    command.args(["doctor", "--duration", "1s"]).args(arguments);
    command
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    told(&command.output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn validate(report: &str) -> Value {
    validate_against(include_str!("../schema/report-1.json"), report)
}

fn validate_against(schema: &str, report: &str) -> Value {
    let schema = serde_json::from_str(schema).unwrap();
    let report: Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {report}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    report
}

/// `error: …` and `help: …`, one line each, and nothing else.
fn assert_told(stderr: &str, error: &str, help: &str) {
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(
        matches!(lines.as_slice(), [first, second] if first.starts_with("error: ") && second.starts_with("help: ")),
        "{stderr}"
    );
    assert!(lines[0].contains(error), "{stderr}");
    assert!(lines[1].contains(help), "{stderr}");
}

#[test]
fn wrong_usage_is_two_lines_and_exit_code_2() {
    let cases: [(&[&str], &str, &str); 22] = [
        (&["config", "shwo"], "shwo", "show"),
        (&["config", "show", "--orgin"], "--orgin", "--origin"),
        (&["predict", "--snapshots", "3"], "one order in six", "--snapshots 4"),
        (&["predict", "--snapshots", "61"], "too many", "--snapshots 60"),
        (&["predict", "--interval", "10ms"], "too short", "--interval 1s"),
        (&["predict", "--interval", "1h"], "too long", "--interval 10m"),
        (&["predict", "--output", "jason"], "jason", "json"),
        (&["predict", "--replay"], "--replay", "kerno predict --help"),
        (&["check", "--output", "markdown"], "markdown", "kerno check --help"),
        (&["check", "--quiet"], "--quiet", "kerno check --help"),
        (&[], "no command", "kerno doctor"),
        (&["docter"], "docter", "doctor"),
        (&["chek"], "chek", "check"),
        (&["check", "--output", "jason"], "jason", "json"),
        (&["doctor", "--durration", "5s"], "--durration", "--duration"),
        (&["doctor", "--output", "jason"], "jason", "json"),
        (&["doctor", "--fail-on", "panic"], "panic", "kerno doctor --help"),
        (&["doctor", "--duration", "0s"], "too short", "--duration 1s"),
        (&["doctor", "--duration", "500ms"], "too short", "--duration 1s"),
        (&["doctor", "--duration", "1year"], "too long", "--duration 5m"),
        (&["doctor", "--duration", "-3"], "no duration", "30s"),
        (&["doctor", "--duration", "99999999999999999999999s"], "no duration", "30s"),
    ];
    for (arguments, error, help) in cases {
        let mut command = kerno();
        command.args(arguments);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        assert_told(&stderr, error, help);
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["doctor", "--help"],
        &["check", "--help"],
        &["config", "--help"],
        &["predict", "--help"],
        &["--version"],
        &["version"],
    ] {
        let mut command = kerno();
        command.args(arguments);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains("kerno") || stdout.contains("doctor"), "{stdout}");
    }
}

#[test]
fn a_wrong_environment_is_told() {
    for (name, value) in [("KERNO_EBPF", "maybe"), ("KERNO_LOG", "kerno=shout"), ("KERNO_LOG", "foo")] {
        let mut command = doctor(&[]);
        command.env(name, value);
        let (code, _, stderr) = run(command);
        assert_eq!(code, Some(2), "{stderr}");
        assert_told(&stderr, &format!("{name}={value}"), name);
        assert!(name != "KERNO_LOG" || stderr.contains("off, error, warn, info, debug or trace"), "{stderr}");
    }
}

#[test]
fn a_rules_directory_that_cannot_be_read_is_2_at_once() {
    let start = Instant::now();
    for path in ["/nonexistent/rules", "/etc/passwd"] {
        let mut command = kerno();
        command.args(["doctor", "--duration", "5m", "--rules", path]);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert_told(&stderr, path, "--rules");
    }
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn json_is_valid_and_alone_on_standard_output() {
    let mut command = doctor(&["--output", "json"]);
    command.env("KERNO_NODE_NAME", "node-7").env("KERNO_CLUSTER", "eu-1");
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(0), "{stderr}");
    let report = validate(&stdout);
    assert_eq!(report["host"]["name"], "node-7");
    assert_eq!(report["host"]["cluster"], "eu-1");
    let seconds = report["window"]["duration_seconds"].as_f64().unwrap();
    assert!((1.0..10.0).contains(&seconds), "{seconds}");
    let ids: Vec<&str> = report["rules"].as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert!(ids.contains(&"disk-io-bottleneck") && ids.contains(&"scheduler-contention"), "{ids:?}");
    let collectors: Vec<_> = report["collectors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(["sched", "block", "memory", "cpu"].iter().all(|name| collectors.contains(name)), "{collectors:?}");
    assert!(stderr.lines().next().is_some_and(|line| line.starts_with("kerno: measuring for 1 s")), "{stderr}");
}

/// kerno, as another user without any capability; `None` where kerno cannot be another user.
fn unprivileged(arguments: &[&str]) -> Option<(Option<i32>, String, String)> {
    // It already runs as one or may not change: the other tests cover that.
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].into_iter().find(|path| Path::new(path).exists())?;
    if !rustix::process::getuid().is_root() {
        return None;
    }
    // Another user may not be allowed to enter the directory that kerno was built in.
    let directory = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let binary = directory.path().join("kerno");
    std::fs::copy(env!("CARGO_BIN_EXE_kerno"), &binary).unwrap();
    let output = Command::new(setpriv)
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--"])
        .arg(&binary)
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), None);
    Some(told(&output))
}

fn check(arguments: &[&str]) -> Command {
    let mut command = kerno();
    command.arg("check").args(arguments);
    command
}

#[test]
fn a_check_is_json_alone_and_its_exit_code_says_ready() {
    let mut command = check(&["-o", "json"]);
    command.env("KERNO_NODE_NAME", "node-7").env("KERNO_CLUSTER", "eu-1");
    let (code, stdout, stderr) = run(command);
    let check = validate_against(include_str!("../schema/check-1.json"), &stdout);
    let ready = check["ready"].as_bool().unwrap();
    assert_eq!((code, stderr.as_str()), (Some(if ready { 0 } else { 3 }), ""));
    assert_eq!((&check["host"]["name"], &check["host"]["cluster"]), (&"node-7".into(), &"eu-1".into()));
    let measures = |collector: &Value| matches!(collector["coverage"].as_str(), Some("full" | "partial"));
    let rules = check["rules"].as_array().unwrap().iter().all(|rule| rule["ready"] == true);
    assert_eq!(check["collectors"].as_array().unwrap().iter().all(measures) && rules, ready);
}

#[test]
fn a_check_without_ebpf_is_not_ready_and_says_why() {
    let mut command = check(&["-o", "json"]);
    command.env("KERNO_EBPF", "off");
    let (code, stdout, _) = run(command);
    let check = validate_against(include_str!("../schema/check-1.json"), &stdout);
    assert_eq!((code, &check["ready"]), (Some(3), &false.into()));
    let sched = check["collectors"].as_array().unwrap().iter().find(|collector| collector["name"] == "sched").unwrap();
    assert_eq!((&sched["reason"], &sched["fix"]), (&"eBPF is switched off".into(), &"unset KERNO_EBPF".into()));
    assert!(check["hooks"].as_array().unwrap().iter().all(|hook| hook["attached"].is_null()), "{stdout}");
}

#[test]
fn a_check_for_people_respects_colour_and_plain() {
    let (_, stdout, _) = run(check(&[]));
    assert!(stdout.starts_with("kerno check on ") && !stdout.contains('\u{1b}'), "{stdout}");
    let (_, stdout, _) = run(check(&["--color", "always"]));
    assert!(stdout.contains('\u{1b}'), "{stdout}");
    let (_, stdout, _) = run(check(&["--color", "always", "-o", "plain"]));
    assert!(stdout.is_ascii() && !stdout.contains('\u{1b}'), "{stdout}");
}

#[test]
fn a_check_without_privileges_names_each_gap_with_its_fix() {
    let Some((code, stdout, stderr)) = unprivileged(&["check", "-o", "json"]) else { return };
    assert_eq!((code, stderr.as_str()), (Some(3), ""));
    let check = validate_against(include_str!("../schema/check-1.json"), &stdout);
    for id in ["cap_bpf", "cap_perfmon", "cap_sys_ptrace", "cap_dac_read_search"] {
        let item = check["checks"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
        assert_eq!(item["status"], "gap", "{item}");
        assert!(item["fix"].as_str().unwrap().contains("setcap"), "{item}");
    }
}

#[test]
fn quiet_leaves_standard_error_empty() {
    let (code, stdout, stderr) = run(doctor(&["--quiet"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("kerno doctor on "), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "colour in a pipe: {stdout}");
}

#[test]
fn colour_comes_when_it_is_asked_for_and_never_in_plain() {
    let (_, stdout, _) = run(doctor(&["-q", "--color", "always"]));
    assert!(stdout.contains('\u{1b}'), "{stdout}");
    let (_, stdout, _) = run(doctor(&["-q", "--color", "always", "-o", "plain"]));
    assert!(stdout.is_ascii() && !stdout.contains('\u{1b}'), "{stdout}");
    let mut command = doctor(&["-q"]);
    command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(!run(command).1.contains('\u{1b}'));
}

/// The collectors that use eBPF where they can; the others read files that anybody may read.
fn by_ebpf(report: &Value) -> impl Iterator<Item = &Value> {
    let collectors = report["collectors"].as_array().unwrap().iter();
    collectors.filter(|collector| !["memory", "cpu"].contains(&collector["name"].as_str().unwrap()))
}

#[test]
fn without_ebpf_the_report_says_so_and_exit_code_3_means_too_little_was_seen() {
    let mut command = doctor(&["-q", "-o", "json", "--exit-code"]);
    command.env("KERNO_EBPF", "off");
    let (code, stdout, stderr) = run(command);
    let report = validate(&stdout);
    let expected = match report["verdict"].as_str().unwrap() {
        "insufficient_evidence" => 3,
        "findings" if report["summary"]["critical"].as_u64().unwrap() > 0 => 1,
        "findings" => 0,
        other => panic!("{other} without eBPF: {stdout}"),
    };
    assert_eq!(code, Some(expected), "{stderr}");
    for collector in by_ebpf(&report) {
        assert_ne!(collector["status"], "running", "{collector}");
        assert_ne!(collector["coverage"], "full", "{collector}");
        assert!(collector["reason"].as_str().unwrap().contains("KERNO_EBPF"), "{collector}");
    }
}

#[test]
fn too_little_address_space_is_4_before_anything_is_measured() {
    let start = Instant::now();
    for (kib, error) in [(120_000, "cannot set up the runtime for rules: "), (330_000, "MiB more of address space")] {
        let limited = format!("ulimit -v {kib}; exec \"$0\" doctor -d 5m");
        let output = Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_kerno")]).output().unwrap();
        let (code, stdout, stderr) = told(&output);
        assert_eq!((code, stdout.as_str()), (Some(4), ""), "{kib}: {stderr}");
        assert_told(&stderr, error, "ulimit -v");
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = doctor(&["-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{stderr}");
}

#[test]
fn nobody_listening_on_standard_error_is_no_error() {
    let mut child = doctor(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).env("KERNO_LOG", "debug").spawn().unwrap();
    drop(child.stderr.take());
    let (code, stdout, _) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("kerno doctor on "), "{stdout}");
}

#[test]
fn a_full_disk_is_4_with_a_sentence() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, _, stderr) = told(&doctor(&["-q"]).stdout(full).output().unwrap());
    assert_eq!(code, Some(4), "{stderr}");
    assert_told(&stderr, "No space left on device", "standard output");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Starts a long window and waits until it measures.
fn measuring(arguments: &[&str]) -> Child {
    let mut command = kerno();
    command.args(["doctor", "--duration", "2m"]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 16];
    child.stderr.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"kerno: measuring");
    child
}

#[test]
fn an_interrupt_gives_the_report_of_what_was_measured() {
    for (name, wait) in [("-INT", 1_000), ("-TERM", 1_000), ("-INT", 0)] {
        let child = measuring(&["-o", "json"]);
        std::thread::sleep(Duration::from_millis(wait));
        signal(&child, name);
        let (code, stdout, stderr) = told(&child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{name}: {stderr}");
        let report = validate(&stdout);
        let seconds = report["window"]["duration_seconds"].as_f64().unwrap();
        assert!(seconds < 60.0 && seconds >= wait as f64 / 1e3, "{name} after {wait} ms: {seconds}");
        if seconds < 0.95 {
            assert_eq!(report["verdict"], "insufficient_evidence", "{name} after {wait} ms: {seconds}");
        }
    }
}

#[test]
fn standard_error_tells_progress_in_lines() {
    let child = measuring(&["-o", "json"]);
    std::thread::sleep(Duration::from_millis(11_000));
    signal(&child, "-INT");
    let (_, _, stderr) = told(&child.wait_with_output().unwrap());
    assert!(stderr.contains("kerno: 10 s of 2 min") || stderr.contains("kerno: 11 s of 2 min"), "{stderr}");
    assert!(stderr.ends_with("\nkerno: judging what was measured\n"), "{stderr}");
    assert!(!stderr.contains('\r') && !stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn a_broken_rule_is_reported_and_the_others_are_judged_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("empty.wasm", b""),
        ("text.wasm", b"not wasm at all"),
        ("module.wasm", b"\0asm\x01\0\0\0"),
        ("cut.wasm", b"\0asm\x0d\0\x01\0\x07"),
    ];
    for (name, bytes) in files {
        std::fs::File::create(directory.path().join(name)).unwrap().write_all(bytes).unwrap();
    }
    let path = directory.path().to_str().unwrap();
    let (code, stdout, stderr) = run(doctor(&["-q", "-o", "json", "--rules", path]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report = validate(&stdout);
    let rules = report["rules"].as_array().unwrap();
    for (name, _) in files {
        let stem = name.trim_end_matches(".wasm");
        let rule = rules.iter().find(|rule| rule["id"] == stem).unwrap_or_else(|| panic!("{stem} is missing: {rules:#?}"));
        assert_eq!(rule["status"], "failed", "{rule}");
        assert!(rule["source"].as_str().unwrap().ends_with(name), "{rule}");
        assert!(rule["reason"].as_str().is_some_and(|reason| reason.len() > 20), "{rule}");
    }
    let built_in = rules.iter().filter(|rule| rule["source"] == "builtin").count();
    assert_eq!(built_in, 12, "{rules:#?}");
}

#[test]
fn without_privileges_there_is_still_a_report() {
    let Some((code, stdout, stderr)) = unprivileged(&["doctor", "-d", "1s", "-q", "-o", "json"]) else { return };
    assert_eq!(code, Some(0), "{stderr}");
    let report = validate(&stdout);
    for collector in by_ebpf(&report) {
        assert_ne!(collector["status"], "running", "{collector}");
        assert!(collector["reason"].is_string(), "{collector}");
    }
}
