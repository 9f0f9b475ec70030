//! Outlooks built from constructed snapshots: their text against reviewed files, their JSON against the schema.

use std::path::Path;

use kerno::predict::{Thresholds, predict};
use kerno::report::{Outlook, json, markdown_outlook, pretty_outlook};
use kerno_signals::{
    Cgroup, CgroupMemory, CollectorReport, Coverage, Families, Fd, FdProcess, HostMemory, Latency, LimitKind, Memory,
    MemoryLimit, Sched, Snapshot,
};
use serde_json::Value;

use crate::{cases, golden, schema};

const MIB: u64 = 1 << 20;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/predict-1.json")).unwrap()
}

fn process(pid: u32, comm: &str, open: u64, limit: u64) -> FdProcess {
    FdProcess {
        pid,
        comm: comm.to_owned(),
        cgroup: None,
        start_ns: 7,
        watched_ns: 1,
        first: 0,
        last: open,
        peak: open,
        limit: Some(limit),
        hard_limit: None,
        trend: None,
        gained: vec![],
        shared_with: None,
        own: false,
    }
}

fn memory(path: &str, unit: Option<&str>, used: u64, limit: u64) -> Memory {
    let group = CgroupMemory {
        cgroup: Cgroup { id: 9, path: Some(path.to_owned()), unit: unit.map(str::to_owned), ..Cgroup::default() },
        working_set_bytes: used,
        limit: Some(MemoryLimit { bytes: limit, kind: LimitKind::Max, path: path.to_owned() }),
        ..CgroupMemory::default()
    };
    let host = HostMemory { total_bytes: 1 << 34, working_set_bytes: 1 << 32, ..HostMemory::default() };
    Memory { host, cgroups: vec![group], ..Memory::default() }
}

/// Snapshots of the cases' host at uneven times; each has the time that has passed.
fn snapshots(number: usize, families: impl Fn(f64) -> Families) -> Vec<Snapshot> {
    let at = |seconds: f64| {
        let template = cases::full().remove(0);
        let collector = |name: &str| CollectorReport { name: name.to_owned(), ..template.clone() };
        let mut snapshot = cases::snapshot(["sched", "block", "tcp", "fd", "memory"].map(collector).into());
        snapshot.window.duration_ns = (seconds * 1e9) as u64;
        snapshot.families = families(seconds);
        snapshot
    };
    [15.9, 27.3, 45.0, 61.2, 75.0].into_iter().take(number).map(at).collect()
}

fn outlook(snapshots: &[Snapshot]) -> Outlook {
    let thresholds = Thresholds::new(|_, name| {
        Some(match name {
            "p99_warning" => 0.005,
            "max_lost" => 0.05,
            "retransmit_ratio" => 0.02,
            "min_waits" | "min_segments" => 100.0,
            "min_samples" => 20.0,
            _ => 0.05,
        })
    });
    Outlook::new(snapshots, predict(snapshots, &thresholds)).unwrap()
}

/// A leak of descriptors, a group that fills up, and disks that nobody measured.
fn predictions() -> Outlook {
    let wobble = |seconds: f64| (seconds * 1.7).sin();
    outlook(&snapshots(5, |seconds| Families {
        fd: Some(Fd {
            processes: vec![process(4_121, "api-server", 120 + (seconds * 3.0) as u64, 1_024), process(1, "init", 40, 1_024)],
            ..Fd::default()
        }),
        memory: Some(memory(
            "/system.slice/api.service",
            Some("api.service"),
            300 * MIB + ((seconds + 0.3 * wobble(seconds)) * MIB as f64) as u64,
            512 * MIB,
        )),
        ..Families::default()
    }))
}

/// Everything was seen, and nothing grows.
fn no_trend() -> Outlook {
    let mut outlook = outlook(&snapshots(5, |_| Families {
        fd: Some(Fd { processes: vec![process(1, "init", 40, 1_024)], ..Fd::default() }),
        memory: Some(memory("/app", None, 300 * MIB, 512 * MIB)),
        sched: Some(Sched { host: Latency::from_samples([1_000; 500]), ..Sched::default() }),
        ..Families::default()
    }));
    outlook.not_evaluated.clear();
    outlook.verdict = kerno::report::OutlookVerdict::NoTrend;
    outlook
}

/// Ctrl-C after the second snapshot.
fn interrupted() -> Outlook {
    let mut two = snapshots(2, |_| Families::default());
    two[1].window.interrupted = true;
    outlook(&two)
}

/// A name that tries to forge lines.
fn hostile() -> Outlook {
    let name = "a\u{1b}[2J\nEND `x` | <b>";
    outlook(&snapshots(5, |seconds| Families {
        fd: Some(Fd { processes: vec![process(7, name, (seconds * 10.0) as u64, 1_024)], ..Fd::default() }),
        memory: Some(memory(&format!("/{}", "long-".repeat(60)), None, (seconds * MIB as f64) as u64, 512 * MIB)),
        ..Families::default()
    }))
}

fn all() -> Vec<(&'static str, Outlook)> {
    vec![("predictions", predictions()), ("no-trend", no_trend()), ("interrupted", interrupted()), ("hostile", hostile())]
}

#[test]
fn outlooks_look_as_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("KERNO_BLESS").is_some();
    let mut different = Vec::new();
    for (name, outlook) in all() {
        for (form, style) in golden::styles() {
            golden::compare(
                &directory.join(format!("predict-{name}-{form}.txt")),
                &pretty_outlook(&outlook, &style),
                bless,
                &mut different,
            );
        }
        golden::compare(&directory.join(format!("predict-{name}.md")), &markdown_outlook(&outlook), bless, &mut different);
    }
    assert!(different.is_empty(), "outlooks differ (KERNO_BLESS=1 accepts them):\n{}", different.join("\n"));
}

#[test]
fn what_is_predicted_is_what_grows() {
    let outlook = predictions();
    let brief: Vec<_> = outlook.predictions.iter().map(|one| (one.collector, one.eta_seconds.round(), one.coverage)).collect();
    assert_eq!(brief.len(), 2, "{brief:?}");
    // 1,024 less 345 at 3 a second; 512 MiB less 375 at 1 a second.
    assert!(brief[0].0 == "memory" && (brief[0].1 - 137.0).abs() < 10.0 && brief[0].2 == Some(Coverage::Full), "{brief:?}");
    assert!(brief[1].0 == "fd" && (brief[1].1 - 226.0).abs() < 10.0, "{brief:?}");
}

#[test]
fn every_outlook_is_valid_and_the_schema_has_its_keys() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, outlook) in all() {
        let value: Value = serde_json::from_str(&json(&outlook).unwrap()).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        schema::compare(&schema, &schema, &value, name);
    }
    let valid = serde_json::to_value(predictions()).unwrap();
    for (pointer, wrong) in [
        ("/verdict", Value::from("fine")),
        ("/predictions/0/id", Value::from("7")),
        ("/predictions/0/confidence", Value::from(1.5)),
        ("/predictions/0/eta_seconds", Value::Null),
        ("/predictions/0/limit/kind", Value::from("luck")),
    ] {
        let mut outlook = valid.clone();
        *outlook.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&outlook), "{pointer} was accepted");
    }
}

#[test]
fn lines_keep_to_the_width_names_to_their_line_and_commands_are_whole() {
    for (name, outlook) in all() {
        let commands: Vec<&str> = outlook.predictions.iter().map(|one| one.next.command.as_str()).collect();
        for width in [40, 60, 80, 120, 200] {
            let text = pretty_outlook(&outlook, &kerno::report::Style::terminal(width, false));
            for line in text.lines().filter(|line| !commands.contains(&line.trim())) {
                let columns = textwrap::core::display_width(line);
                assert!(columns <= width, "{name} at {width}: {columns} columns: {line}");
            }
            assert!(!text.contains('\u{1b}') && !text.contains("\nEND"), "{name}: {text}");
        }
        let plain = pretty_outlook(&outlook, &kerno::report::Style::file(true).plain());
        assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{name}:\n{plain}");
        assert!(!markdown_outlook(&outlook).contains("\nEND"), "{name}");
    }
}
