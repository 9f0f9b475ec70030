//! `kerno predict` as a process: measured for a few seconds, recorded, replayed, interrupted, without rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use kerno_signals::{FdProcess, Snapshot, recording};
use serde_json::Value;

use super::{assert_told, kerno, run, signal, told, unprivileged, validate_against};

fn predict(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = kerno();
    command.arg("predict").args(arguments);
    run(command)
}

fn validate(outlook: &str) -> Value {
    validate_against(include_str!("../../schema/predict-1.json"), outlook)
}

/// Takes the fewest snapshots as fast as may be into a directory, and gives the outlook.
fn record(directory: &Path, form: &str) -> String {
    let (code, stdout, stderr) =
        predict(&["--snapshots", "4", "--interval", "1s", "-q", "-o", form, "--record", directory.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    stdout
}

fn files(directory: &Path) -> Vec<String> {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    paths.sort();
    paths
}

fn replay(files: &[String], arguments: &[&str]) -> (Option<i32>, String, String) {
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    predict(&[&["--replay"], files.as_slice(), arguments].concat())
}

#[test]
fn recorded_snapshots_give_the_same_outlook_byte_for_byte_in_any_order_and_without_root() {
    let directory = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let outlook = record(directory.path(), "json");
    let value = validate(&outlook);
    assert_eq!(value["window"]["snapshots"], 4);
    let seconds = value["window"]["duration_seconds"].as_f64().unwrap();
    assert!((4.0..20.0).contains(&seconds), "{seconds}");
    let mut files = files(directory.path());
    assert_eq!(files.len(), 4, "{files:?}");
    assert_eq!(replay(&files, &["-o", "json"]), (Some(0), outlook.clone(), String::new()));
    files.reverse();
    assert_eq!(replay(&files, &["-o", "json"]), (Some(0), outlook.clone(), String::new()));
    for form in ["pretty", "plain", "markdown"] {
        let (code, stdout, stderr) = replay(&files, &["-o", form]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.contains("kerno predict on ") && stdout.contains("4 snapshots in "), "{stdout}");
    }
    files.iter().for_each(|file| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap());
    let mut arguments = vec!["predict", "-o", "json", "--replay"];
    arguments.extend(files.iter().map(String::as_str));
    if let Some(told) = unprivileged(&arguments) {
        assert_eq!(told, (Some(0), outlook, String::new()), "without root");
    }
    // Each is a whole recording, of the time since the start.
    let mut doctor = kerno();
    doctor.args(["doctor", "-o", "json", "--replay", &files[0]]);
    assert_eq!(run(doctor).0, Some(0));
}

/// Recorded snapshots of this machine with a leak of so many descriptors in each put into them.
fn with_leak(directory: &Path, host: Option<&str>) -> Vec<String> {
    record(directory, "plain");
    let files = files(directory);
    for (number, file) in (1..).zip(&files) {
        let mut snapshot: Snapshot = recording::read(&fs::read(file).unwrap()).unwrap();
        let leak = FdProcess {
            pid: 4_194_000,
            comm: "leaky".to_owned(),
            cgroup: None,
            start_ns: 7,
            watched_ns: 1,
            first: 0,
            last: 0,
            peak: 0,
            limit: Some(1_024),
            hard_limit: None,
            trend: None,
            gained: vec![],
            shared_with: None,
            own: false,
        };
        // At exactly 20 a second.
        let last = 100 + snapshot.window.duration_ns / 50_000_000;
        let family = snapshot.families.fd.as_mut().unwrap();
        family.processes = vec![FdProcess { last, ..leak }];
        if let Some(host) = host.filter(|_| number == 1) {
            snapshot.host.name = host.to_owned();
        }
        fs::write(file, recording::write(&snapshot, recording::Form::Packed).unwrap()).unwrap();
    }
    files
}

#[test]
fn a_leak_is_predicted_to_its_limit_and_asked_for_as_an_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let files = with_leak(directory.path(), None);
    let (code, stdout, stderr) = replay(&files, &["-o", "json", "--exit-code"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""), "{stdout}");
    let outlook = validate(&stdout);
    assert_eq!(outlook["verdict"], "predictions");
    let leak = outlook["predictions"].as_array().unwrap().iter().find(|one| one["limit"]["kind"] == "descriptors").unwrap();
    assert_eq!(leak["entity"]["names"]["comm"], "leaky");
    assert!((leak["growth"]["per_second"].as_f64().unwrap() - 20.0).abs() < 0.5, "{leak}");
    let expected = (1_024.0 - leak["signal"]["value"].as_f64().unwrap()) / 20.0;
    assert!((leak["eta_seconds"].as_f64().unwrap() - expected).abs() < 2.0, "{leak}");
    let (code, stdout, _) = replay(&files, &["-o", "plain"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Open descriptors of leaky (pid 4194000) rises to its limit"), "{stdout}");
    // Of three nothing is predicted, and that is said.
    let (code, stdout, _) = replay(&files[1..], &["-o", "json", "--exit-code"]);
    assert_eq!(code, Some(3));
    let outlook = validate(&stdout);
    assert_eq!(outlook["verdict"], "insufficient_evidence");
    assert!(outlook["not_evaluated"][0]["reason"].as_str().unwrap().contains("3 of at least 4 snapshots"), "{stdout}");
}

#[test]
fn recordings_of_two_hosts_or_of_none_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let files = with_leak(directory.path(), Some("another"));
    let (code, stdout, stderr) = replay(&files, &[]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert_told(&stderr, "several hosts: ", "one host");
    let (code, _, stderr) = replay(&["/nonexistent".to_owned()], &[]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "/nonexistent cannot be replayed", "a file that");
    let (code, _, stderr) = predict(&["--replay", "x", "--interval", "1s"]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "cannot be used with", "kerno predict --help");
    let (code, _, stderr) = predict(&["--record", "/nonexistent/directory"]);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "no file can be made in /nonexistent/directory", "--record");
}

#[test]
fn an_interrupt_predicts_from_what_there_is() {
    let start = |interval: &str| {
        let mut command = kerno();
        command.args(["predict", "--interval", interval, "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = [0; 16];
        std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut line).unwrap();
        assert_eq!(&line, b"kerno: measuring");
        child
    };
    let child = start("2s");
    std::thread::sleep(std::time::Duration::from_millis(3_500));
    signal(&child, "-INT");
    let (code, stdout, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let outlook = validate(&stdout);
    assert!((1..4).contains(&outlook["window"]["snapshots"].as_u64().unwrap()), "{stdout}");
    assert_eq!(outlook["verdict"], "insufficient_evidence");
    let child = start("1m");
    signal(&child, "-TERM");
    let (code, stdout, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let outlook = validate(&stdout);
    assert_eq!((&outlook["window"]["snapshots"], &outlook["verdict"]), (&Value::from(1), &Value::from("insufficient_evidence")));
    assert!(outlook["window"]["duration_seconds"].as_f64().unwrap() < 60.0, "{stdout}");
}

#[test]
fn a_reader_that_went_away_is_no_error_and_without_rights_there_is_an_outlook() {
    let mut command = kerno();
    command.args(["predict", "--snapshots", "4", "--interval", "1s", "-q"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let Some((code, stdout, stderr)) =
        unprivileged(&["predict", "--snapshots", "4", "--interval", "1s", "-q", "-o", "json", "--exit-code"])
    else {
        return;
    };
    assert!(matches!(code, Some(1 | 3)), "what was not measured is never `no trend`: {code:?} {stderr}");
    let outlook = validate(&stdout);
    let unseen: Vec<_> = outlook["not_evaluated"].as_array().unwrap().iter().map(|one| one["signal"].as_str().unwrap()).collect();
    for signal in ["run-queue delay p99", "fsync p99", "block write p99"] {
        assert!(unseen.contains(&signal), "{signal} is missing in {unseen:?}");
    }
}
