//! Checks of a host: their text against reviewed files, their JSON against the schema.

use std::path::Path;

use kerno::check::{Check, Collector, Group, Hook, Host, Item, Rule, Status};
use kerno::report::{Style, json, pretty_check};
use kerno_signals::{CollectorStatus, Coverage, Environment};
use serde_json::Value;

use crate::{golden, schema};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/check-1.json")).unwrap()
}

fn item(id: &'static str, group: Group, status: Status, found: &str, told: Option<(&str, &str)>) -> Item {
    let told = told.map(|(effect, fix)| (effect.to_owned(), fix.to_owned()));
    let (effect, fix) = told.unzip();
    Item { id, group, status, found: found.into(), effect, fix }
}

fn hook(collector: &str, kind: &str, target: &str, present: Option<bool>, attached: Option<bool>) -> Hook {
    let reason = (attached == Some(false)).then(|| "cannot attach program sys_enter".to_owned());
    Hook { collector: collector.into(), kind: kind.into(), target: target.into(), present, attached, reason }
}

fn collector(
    name: &str,
    status: CollectorStatus,
    coverage: Option<Coverage>,
    source: &str,
    why: Option<(&str, &str)>,
) -> Collector {
    let (reason, fix) = why.map(|(reason, fix)| (reason.to_owned(), fix.to_owned())).unzip();
    Collector { name: name.into(), status, coverage, source: (!source.is_empty()).then(|| source.into()), reason, fix }
}

fn rule(id: &str, lacks: &[&str]) -> Rule {
    Rule { id: id.into(), ready: lacks.is_empty(), lacks: lacks.iter().map(|family| (*family).to_owned()).collect() }
}

fn host(kernel: &str) -> Host {
    Host {
        name: "node-7".into(),
        kernel: kernel.into(),
        arch: "x86_64".into(),
        cpus: 8,
        environment: Environment::Kubernetes,
        cluster: Some("eu-1".into()),
    }
}

/// The unit's own capabilities on a new kernel with a distribution's settings.
fn ready() -> Check {
    let perf = (
        "system calls are seen by programs that can be preempted: beside CPU contention events are lost, and the collector is reported as degraded",
        "sysctl kernel.perf_event_paranoid=2",
    );
    Check {
        schema_version: 1,
        ready: true,
        host: host("7.2.1-amd64"),
        checks: vec![
            item("kernel", Group::Kernel, Status::Ok, "Linux 7.2.1-amd64", None),
            item("bpf_jit", Group::Kernel, Status::Unknown, "net.core.bpf_jit_enable may only be read by root", None),
            item("cap_bpf", Group::Privileges, Status::Ok, "CAP_BPF is held", None),
            item(
                "perf_event_paranoid",
                Group::Privileges,
                Status::Gap,
                "kernel.perf_event_paranoid is 3: perf events need CAP_SYS_ADMIN",
                Some(perf),
            ),
            item("cgroup_cpu", Group::Accounts, Status::Ok, "the cpu controller is in cgroup v2 at /sys/fs/cgroup", None),
        ],
        hooks: vec![
            hook("syscall", "raw_tp", "sys_enter", Some(true), Some(true)),
            hook("syscall", "tracepoint", "raw_syscalls/sys_enter", Some(true), Some(false)),
            hook("sched", "tp_btf", "sched_switch", Some(true), Some(true)),
            hook("sched", "tp_btf", "sched_migrate_task", Some(false), None),
        ],
        collectors: vec![
            collector(
                "syscall",
                CollectorStatus::Degraded,
                Some(Coverage::Partial),
                "eBPF",
                Some(("perf events are refused (kernel.perf_event_paranoid)", "sysctl kernel.perf_event_paranoid=2")),
            ),
            collector("sched", CollectorStatus::Running, Some(Coverage::Full), "eBPF", None),
        ],
        rules: vec![rule("scheduler-contention", &[])],
    }
}

/// A user without rights on a kernel without tracing; names try to forge lines.
fn not_ready() -> Check {
    let none =
        ("no kernel program runs: families are measured from files, without percentiles, or not at all", "run kerno as root");
    Check {
        schema_version: 1,
        ready: false,
        host: Host { name: "node\u{1b}[2J\nREADY".into(), cluster: None, cpus: 1, ..host("6.18.5") },
        checks: vec![
            item(
                "tracing",
                Group::Kernel,
                Status::Gap,
                "the kernel was built without tracing programs (CONFIG_BPF_EVENTS)",
                Some(none),
            ),
            item("cap_bpf", Group::Privileges, Status::Gap, "CAP_BPF is not held", Some(none)),
            item("psi", Group::Accounts, Status::Ok, "the kernel accounts stalls (/proc/pressure)", None),
        ],
        hooks: vec![
            hook("sched", "tp_btf", "sched_switch", None, None),
            hook("block", "fentry", "vfs_fsync_range", Some(true), None),
        ],
        collectors: vec![
            collector(
                "sched",
                CollectorStatus::Degraded,
                Some(Coverage::Fallback),
                "/proc/schedstat",
                Some(("kerno lacks CAP_BPF to load kernel programs", "run kerno as root")),
            ),
            collector(
                "oom",
                CollectorStatus::Off,
                None,
                "",
                Some(("kerno lacks CAP_BPF; instead of it, cannot read /proc/vmstat", "run kerno as root; then mount /proc")),
            ),
        ],
        rules: vec![rule("disk-io-bottleneck", &["block"]), rule("scheduler-contention", &["sched"])],
    }
}

fn all() -> [(&'static str, Check); 2] {
    [("check-ready", ready()), ("check-not-ready", not_ready())]
}

#[test]
fn checks_look_as_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("KERNO_BLESS").is_some();
    let mut different = Vec::new();
    for (name, check) in all() {
        for (form, style) in golden::styles() {
            let path = directory.join(format!("{name}-{form}.txt"));
            let text = pretty_check(&check, &style);
            if bless {
                std::fs::write(&path, &text).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                different.push(format!("{}:\n{text}", path.display()));
            }
        }
    }
    assert!(different.is_empty(), "checks differ (KERNO_BLESS=1 accepts them):\n{}", different.join("\n"));
}

#[test]
fn a_fix_is_told_once_and_partly_is_never_as_designed() {
    let text = pretty_check(&not_ready(), &Style::terminal(80, false));
    assert_eq!(text.matches("run kerno as root").count(), 1, "{text}");
    assert_eq!(text.matches("fix 1: as above").count(), 3, "{text}");
    assert!(text.contains("fix: mount /proc"), "a fix of one thing needs no number: {text}");
    assert!(text.contains("rules without all that they need: disk-io-bottleneck (block)"), "{text}");
    let text = pretty_check(&ready(), &Style::terminal(80, false));
    assert!(text.contains("READY  1 of 2 collectors measure as designed, 1 in part"), "{text}");
    assert!(text.contains("every built-in rule has all that it needs"), "{text}");
}

#[test]
fn checks_keep_to_the_width_and_plain_is_ascii() {
    for (name, check) in all() {
        for width in [40, 60, 80, 120] {
            for line in pretty_check(&check, &Style::terminal(width, false)).lines() {
                assert!(textwrap::core::display_width(line) <= width, "{name} at {width}: {line}");
            }
        }
        let plain = pretty_check(&check, &Style::file(true).plain());
        assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{name}:\n{plain}");
        assert!(!plain.lines().any(|line| line.starts_with("READY")) || check.ready, "a name forged a line: {plain}");
    }
}

#[test]
fn checks_are_valid_and_the_schema_can_refuse() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (name, check) in all() {
        let value: Value = serde_json::from_str(&json(&check).unwrap()).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        schema::compare(&schema(), &schema(), &value, name);
    }
    let valid: Value = serde_json::from_str(&json(&ready()).unwrap()).unwrap();
    for (pointer, wrong) in [
        ("/schema_version", Value::from(2)),
        ("/ready", Value::from("yes")),
        ("/checks/0/id", Value::from("The kernel")),
        ("/checks/0/status", Value::from("fine")),
        ("/checks/3/effect", Value::Null),
        ("/hooks/0/kind", Value::from("kprobe")),
        ("/collectors/0/coverage", Value::from("most")),
        ("/rules/0/ready", Value::Null),
    ] {
        let mut check = valid.clone();
        *check.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&check), "{pointer} was accepted");
    }
}
