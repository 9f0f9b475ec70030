//! `kerno doctor --continuous`, as its users meet it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{components, kerno, run, validate};

/// Windows as short as they may be, without eBPF.
fn continuous(arguments: &[&str], runtime: &std::path::Path) -> Child {
    let mut command = kerno();
    command.args(["doctor", "--continuous", "-d", "1s", "-q", "--config", "/dev/null"]).args(arguments);
    command.env("KERNO_EBPF", "off").env("RUNTIME_DIRECTORY", runtime);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

fn rule<'a>(report: &'a Value, id: &str) -> Option<&'a Value> {
    report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id)
}

#[test]
fn each_window_is_a_line_and_a_rule_that_comes_is_judged_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let (rules, runtime) = (directory.path().join("rules"), directory.path().join("run"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("README"), "none yet").unwrap();
    let mut child = continuous(&["--interval", "1s", "-o", "json", "--rules", rules.to_str().unwrap()], &runtime);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { validate(&lines.next().unwrap().unwrap()) };
    let first = next();
    assert_eq!((first["rules_generation"].as_u64(), rule(&first, "healthy")), (Some(1), None));
    fs::write(rules.join("a.wasm"), components::rule("healthy")).unwrap();
    let begun = Instant::now();
    let second = loop {
        let report = next();
        if report["rules_generation"] == 2 {
            break report;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it was not loaded: {report:#}");
    };
    assert_eq!(rule(&second, "healthy").unwrap()["status"], "fired");
    let found = second["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "healthy").unwrap();
    assert!(second["changes"]["new"].as_array().unwrap().contains(&found["id"]), "{second:#}");
    let later = next();
    assert!(later["changes"]["still_there"].as_array().unwrap().contains(&found["id"]), "{later:#}");
    let since = later["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "healthy").unwrap();
    assert_eq!(since["first_seen"], second["window"]["start"]);

    let mut list = kerno();
    list.args(["rules", "list", "-o", "json", "--config", "/dev/null", "--dir", rules.to_str().unwrap()]);
    list.env("RUNTIME_DIRECTORY", &runtime);
    let told: Value = serde_json::from_str(&run(list).1).unwrap();
    let healthy = told.as_array().unwrap().iter().find(|rule| rule["id"] == "healthy").unwrap();
    assert_eq!(healthy["running"]["status"], "fired");
    assert!(healthy["running"]["evaluated"].as_str().is_some_and(|time| time.ends_with('Z')), "{healthy:#}");

    fs::remove_file(rules.join("a.wasm")).unwrap();
    let gone = loop {
        let report = next();
        if report["rules_generation"] == 3 {
            break report;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it was not unloaded: {report:#}");
    };
    assert_eq!(gone["changes"]["resolved"][0]["rule"], "healthy");
    interrupt(&child);
    while lines.next().is_some() {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!runtime.join("rules.json").exists(), "it runs no more, and says so");
}

#[test]
fn a_directory_that_goes_away_is_told_and_the_others_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let (rules, moved) = (directory.path().join("rules"), directory.path().join("moved"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("a.wasm"), components::rule("healthy")).unwrap();
    let config = directory.path().join("config.yaml");
    fs::write(&config, "rules: {dirs: [rules]}\n").unwrap();
    let list = || {
        let mut list = kerno();
        list.args(["rules", "list", "--config", config.to_str().unwrap()]);
        list.env("RUNTIME_DIRECTORY", directory.path());
        run(list)
    };
    let mut child = kerno();
    child.args([
        "doctor",
        "--continuous",
        "-d",
        "1s",
        "--interval",
        "1s",
        "-q",
        "-o",
        "json",
        "--config",
        config.to_str().unwrap(),
    ]);
    child.env("KERNO_EBPF", "off").env("RUNTIME_DIRECTORY", directory.path()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    fs::rename(&rules, &moved).unwrap();
    let is_kept = |report: &Value| {
        rule(report, "healthy").unwrap()["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("its last good version is in force"))
    };
    let report: Value = (0..60).map(|_| validate(&lines.next().unwrap().unwrap())).find(is_kept).unwrap();
    assert_eq!(rule(&report, "healthy").unwrap()["status"], "fired");
    let (code, told, warned) = list();
    assert_eq!(code, Some(0), "{warned}");
    assert!(warned.contains("rules is left out, it cannot be read"), "{warned}");
    assert!(told.contains("its last good version is in force") && told.contains("oom-kill"), "{told}");
    assert!(told.contains("rules: failed there: cannot read the rules in"), "what it does not use is told: {told}");
    interrupt(&child);
    while lines.next().is_some() {}
    child.wait().unwrap();
    // Nobody goes on with it now.
    let (code, told, error) = list();
    assert_eq!((code, told.as_str()), (Some(2), ""), "{error}");
}

#[test]
fn a_judge_that_ends_is_started_again_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = continuous(&["--interval", "1s", "-o", "json"], directory.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { validate(&lines.next().unwrap().unwrap()) };
    let first = next();
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let children = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default());
    let judge: i32 = children.collect::<String>().split_whitespace().next_back().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(judge).unwrap(), Signal::KILL).unwrap();
    let told = |report: &Value| report["judge_restarts"][0] == "ended (signal: 9 (SIGKILL))";
    let second = (0..5).map(|_| next()).find(told).expect("it is told");
    let statuses =
        |report: &Value| report["rules"].as_array().unwrap().iter().map(|rule| rule["status"].clone()).collect::<Vec<_>>();
    assert!(!statuses(&second).contains(&"failed".into()) && statuses(&second).len() == statuses(&first).len());
    interrupt(&child);
    child.wait().unwrap();
}

#[test]
fn it_ends_when_nobody_reads_and_between_two_windows() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = continuous(&["--interval", "1s", "-o", "plain"], directory.path());
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe is no error");
    let mut child = continuous(&["-o", "json"], directory.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for the next window");
    assert!(lines.next().is_none());
}

#[test]
fn what_cannot_be_asked_for_together_is_told() {
    for (arguments, told) in [
        (&["--interval", "60s"][..], "--continuous"),
        (&["--continuous", "--replay", "x"], "cannot be used with"),
        (&["--continuous", "--record", "x"], "cannot be used with"),
        (&["--continuous", "--interval", "soon"], "a number and a unit"),
        (&["--continuous", "-d", "10s", "--interval", "5s"], "give --interval 10s"),
    ] {
        let mut command = kerno();
        command.arg("doctor").args(arguments).args(["--config", "/dev/null"]);
        let (code, _, error) = run(command);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}
