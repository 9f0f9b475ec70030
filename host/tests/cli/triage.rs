//! Two rules see one fault: windows put together from the rules' own fixtures, judged by the rules that ship.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::{kerno, run, validate};

/// A fixture (`rule/name`), words in it replaced.
fn fixture(name: &str, replaced: &[(&str, &str)]) -> Value {
    let (rule, file) = name.split_once('/').unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin");
    let mut text = std::fs::read_to_string(rules.join(rule).join("fixtures").join(file).with_extension("json")).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    serde_json::from_str(&text).unwrap()
}

/// The first window with the families that only the second has.
fn together(mut first: Value, second: &Value) -> Value {
    for (family, measured) in second["families"].as_object().unwrap() {
        if first["families"].get(family).is_none_or(Value::is_null) && !measured.is_null() {
            first["families"][family] = measured.clone();
            let report = second["collectors"].as_array().unwrap().iter().find(|collector| collector["name"] == family.as_str());
            first["collectors"].as_array_mut().unwrap().extend(report.cloned());
        }
    }
    first
}

/// Rules of findings and of what follows from each, ranked.
fn judged(window: &Value) -> Vec<(String, Vec<String>)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, window).unwrap();
    let mut command = kerno();
    command.args(["doctor", "-o", "json", "--replay"]).arg(file.path());
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report = validate(&stdout);
    let findings = report["findings"].as_array().unwrap();
    let rule = |finding: &Value| finding["rule"].as_str().unwrap().to_owned();
    let of = |id: &Value| rule(findings.iter().find(|finding| finding["id"] == *id).unwrap());
    findings.iter().map(|finding| (rule(finding), finding["consequences"].as_array().unwrap().iter().map(of).collect())).collect()
}

const POD: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice";
/// Makes the process that waits for calls the one that waits for the disk.
const PID: (&str, &str) = ("\"pid\": 71", "\"pid\": 4121");
/// Makes the process whose calls fail the one that leaks.
const LEAKY: (&str, &str) = ("\"pid\": 99", "\"pid\": 5120");
const SCOPE: &str = "cri-containerd-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";

#[test]
fn the_rules_that_ship_name_things_so_that_triage_knows_them() {
    if kerno::artifacts::BUILT_IN_RULES.iter().any(|(_, component)| component.is_none()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: rules were not built in; run `cargo xtask build` first");
        return;
    }
    let (outside, inside) = (format!("/kubepods.slice/{SCOPE}"), format!("{POD}/{SCOPE}"));
    let slow_disk = || fixture("disk-io-bottleneck/fires-slow-disk", &[]);
    let windows = vec![
        (slow_disk(), fixture("syscall-latency/fires-spread", &[("unlink", "fsync"), PID])),
        (slow_disk(), fixture("syscall-latency/fires-spread", &[PID])),
        (fixture("oom-imminent/fires-pod", &[]), fixture("oom-kill/fires-limit", &[("/system.slice/web.service", POD)])),
        (fixture("cpu-throttling/fires-bursts", &[]), fixture("scheduler-contention/fires-quota", &[(&outside, &inside)])),
        (
            fixture("fd-leak/fires-at-limit", &[]),
            fixture("syscall-error-rate/fires-emfile", &[LEAKY, ("/jobs/it's $(here)", &inside)]),
        ),
    ];
    let rules = |window: &Value| judged(window).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
    for (cause, consequence) in windows {
        let (first, second) = (rules(&cause).remove(0), rules(&consequence).remove(0));
        let judged = judged(&together(cause, &consequence));
        assert_eq!(judged[0].0, first, "the cause stands first: {judged:?}");
        assert!(judged[0].1.contains(&second), "{second} follows from {first}: {judged:?}");
    }
    for (of, why) in [("fires-hung", "a hang that no disk explains"), ("fires-spread", "calls of others, of a server's files")] {
        let apart = together(slow_disk(), &fixture(&format!("syscall-latency/{of}"), &[]));
        assert!(judged(&apart).iter().all(|(_, consequences)| consequences.is_empty()), "{why}");
    }
}
