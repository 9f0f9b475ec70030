//! Links hold where their condition does and nowhere else; the page shows the table; the order of what comes in changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::findings::{Entity, EntityKind, Evidence, Fix, Signal, Urgency, id, recommended_order, sample};

/// A finding of a rule about an entity; evidence by key, each with the value 1.
fn finding(rule: &str, severity: Severity, kind: EntityKind, names: &[(&str, &str)], signal: &str, keys: &[&str]) -> Finding {
    let names: BTreeMap<_, _> = names.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let entity = Entity { kind, names };
    let evidence = |key: &&str| Evidence { key: (*key).to_owned(), value: 1.0, unit: "count".to_owned() };
    Finding {
        id: id(rule, &entity),
        rule: rule.to_owned(),
        title: format!("{rule} {:?}", entity.names),
        signal: Signal { name: signal.to_owned(), value: 2.0, threshold: 1.0, unit: "seconds".to_owned() },
        evidence: keys.iter().map(evidence).collect(),
        entity,
        ..sample("", severity)
    }
}

use EntityKind::{Cgroup, Container, Device, Node, Process, Remote, Unit};
use Severity::{Critical, Info, Warning};

fn disk(keys: &[&str]) -> Finding {
    finding("disk-io-bottleneck", Critical, Device, &[("device", "sda"), ("mount", "/data")], "fsync p99", keys)
}

fn other_disk() -> Finding {
    finding("disk-io-bottleneck", Warning, Device, &[("device", "sdb")], "fsync p99", &["time x (pid 5) waited in fsync"])
}

/// As the rule names them: the group, and the processes among the numbers.
fn call(signal: &str, pid: &str) -> Finding {
    let names = [("unit", "db.service"), ("cgroup", "/system.slice/db.service")];
    finding("syscall-latency", Warning, Unit, &names, signal, &[&format!("longest call of postgres (pid {pid})")])
}

fn leak(keys: &[&str]) -> Finding {
    let names = [("pid", "7"), ("comm", "api"), ("cgroup", "/api")];
    finding("fd-leak", Warning, Process, &names, "descriptors gained a second", keys)
}

fn errors(error: &str, path: &str, keys: &[&str]) -> Finding {
    let names = [("cgroup", path), ("error", error)];
    finding("syscall-error-rate", Critical, Cgroup, &names, &format!("openat {error} share"), keys)
}

fn group(rule: &str, severity: Severity, path: &str) -> Finding {
    finding(rule, severity, Cgroup, &[("cgroup", path)], "ratio", &[])
}

fn stalled(path: &str) -> Finding {
    let keys = ["share of the time that tasks waited for memory"];
    finding("memory-pressure", Warning, Cgroup, &[("cgroup", path)], "memory used of the limit", &keys)
}

fn host(rule: &str, keys: &[&str]) -> Finding {
    finding(rule, Warning, Node, &[("node", "web-7")], "ratio", keys)
}

fn remote(rule: &str, address: &str) -> Finding {
    finding(rule, Warning, Remote, &[("remote", address)], "p50", &[])
}

/// A kill in a group by the limit of one.
fn killed(path: &str, limit: &str) -> Finding {
    finding("oom-kill", Critical, Cgroup, &[("cgroup", path)], "OOM kills", &[&format!("kills by the limit of {limit}")])
}

/// Round trips whose smallest takes so many seconds, of one that is allowed.
fn far(smallest: f64) -> Finding {
    let mut found = finding("tcp-rtt-degradation", Warning, Remote, &[("remote", "10.0.0.1")], "smoothed RTT p99", &[]);
    found.evidence.push(Evidence { key: "smallest round trip".into(), value: smallest, unit: "seconds".into() });
    found
}

/// Names of the links that join these findings.
fn linked(findings: &[&Finding]) -> Vec<&'static str> {
    let found: Vec<Finding> = findings.iter().map(|finding| (*finding).clone()).collect();
    triage(found).explained.iter().map(|explained| explained.link).collect()
}

#[test]
fn each_link_holds_on_its_condition() {
    let waits = ["time postgres (pid 7) waited in fsync", "time x (pid 8) waited in fsync"];
    let reads = ["block reads of sda"];
    let hung = ["fsyncs of /data in flight at the end"];
    let lost = ["segments to 10.0.0.1 sent again by curl (pid 3)"];
    let lossy_group = finding("tcp-retransmit-storm", Critical, Cgroup, &[("cgroup", "/a")], "lost segments", &lost);
    let cases: Vec<(&str, Vec<Finding>)> = vec![
        ("slow-disk-to-sync", vec![disk(&waits), other_disk(), call("fdatasync p99", "7")]),
        ("slow-disk-to-sync", vec![disk(&[]), call("fsync max", "7")]),
        ("slow-disk-to-sync", vec![disk(&hung), call("fsync in flight", "7")]),
        ("slow-disk-to-read", vec![disk(&reads), call("openat p99", "7")]),
        ("slow-disk-to-write", vec![disk(&[]), call("write p99", "7")]),
        ("growth-to-pressure", vec![group("oom-imminent", Warning, "/a"), group("memory-pressure", Warning, "/a")]),
        ("growth-to-pressure", vec![group("oom-imminent", Warning, "/a/b"), group("memory-pressure", Warning, "/a")]),
        ("growth-to-pressure", vec![host("oom-imminent", &[]), host("memory-pressure", &[])]),
        ("growth-to-kill", vec![group("oom-imminent", Warning, "/a"), killed("/a/b", "/a")]),
        ("growth-to-kill", vec![group("oom-imminent", Warning, "/a/b"), killed("/a/b", "/a")]),
        ("growth-to-kill", vec![group("oom-imminent", Warning, "/a"), group("oom-kill", Critical, "/a")]),
        ("pressure-to-kill", vec![group("memory-pressure", Warning, "/a/b"), group("oom-kill", Critical, "/a")]),
        ("pressure-to-kill", vec![host("memory-pressure", &[]), host("oom-kill", &[])]),
        ("pressure-to-calls", vec![stalled("/system.slice"), call("execve max", "7")]),
        ("quota-to-run-queue", vec![group("cpu-throttling", Warning, "/a"), group("scheduler-contention", Critical, "/a/b")]),
        ("quota-to-memory-map", vec![group("cpu-throttling", Critical, "/system.slice"), call("munmap p99", "7")]),
        ("loss-to-round-trip", vec![remote("tcp-retransmit-storm", "10.0.0.1"), remote("tcp-rtt-degradation", "10.0.0.1")]),
        ("loss-to-round-trip", vec![remote("tcp-retransmit-storm", "10.0.0.1"), far(1.0)]),
        ("growth-to-pressure", vec![group("oom-imminent", Warning, "/a"), group("memory-pressure", Info, "/a")]),
        ("loss-to-latency", vec![host("tcp-retransmit-storm", &[]), remote("network-latency", "10.0.0.1")]),
        ("loss-to-round-trip", vec![lossy_group, remote("tcp-rtt-degradation", "10.0.0.1")]),
        ("round-trip-to-latency", vec![host("tcp-rtt-degradation", &[]), host("network-latency", &[])]),
        ("leak-to-errors", vec![leak(&[]), errors("EMFILE", "/api", &["x (pid 7)"])]),
        ("leak-to-errors", vec![leak(&[]), errors("EMFILE", "/other", &["openat of api (pid 7) that failed with EMFILE"])]),
        ("leak-to-full-table", vec![leak(&["files open on this host"]), errors("ENFILE", "/other", &[])]),
        ("round-trip-to-latency", vec![remote("tcp-rtt-degradation", "fe80::1"), remote("network-latency", "fe80::1")]),
    ];
    let mut seen = BTreeSet::new();
    for (link, findings) in cases {
        assert_eq!(linked(&findings.iter().collect::<Vec<_>>()), [link]);
        seen.insert(link);
    }
    let killed = group("oom-kill", Critical, "/a");
    let killed = Finding {
        evidence: vec![Evidence { key: "kills for lack of the host's memory".into(), value: 2.0, unit: "count".into() }],
        ..killed
    };
    assert_eq!(linked(&[&host("oom-imminent", &[]), &killed]), ["host-growth-to-kill"]);
    assert_eq!(linked(&[&host("memory-pressure", &[]), &killed]), ["host-pressure-to-kill"]);
    seen.extend(["host-growth-to-kill", "host-pressure-to-kill"]);
    assert_eq!(seen.len(), LINKS.len(), "a link of the table has no test: {seen:?}");
}

#[test]
fn no_link_holds_by_half_of_its_condition() {
    let mut none = errors("ENFILE", "/other", &[]);
    none.entity.names.remove("error");
    none.signal.name = "openat share".to_owned();
    none.evidence = vec![Evidence { key: "openat that failed with ENFILE".into(), value: 0.0, unit: "count".into() }];
    let namespace = [("node", "web-7"), ("network_namespace", "4026531840")];
    let namespace = finding("tcp-retransmit-storm", Critical, Node, &namespace, "lost segments", &[]);
    let loopback = |rule, namespace| {
        finding(rule, Warning, Remote, &[("remote", "127.0.0.1"), ("network_namespace", namespace)], "p50", &[])
    };
    assert_eq!(linked(&[&loopback("tcp-rtt-degradation", "1"), &loopback("network-latency", "1")]), ["round-trip-to-latency"]);
    let mut instances = errors("EMFILE", "/api", &["inotify_init1 of api (pid 7) that failed with EMFILE"]);
    instances.signal.name = "inotify_init1 EMFILE share".to_owned();
    let unit = finding("scheduler-contention", Warning, Unit, &[("cgroup", "/ab"), ("unit", "x")], "p99", &[]);
    let cases: Vec<(&str, Vec<Finding>)> = vec![
        ("of two slow disks none names the caller", vec![disk(&[]), other_disk(), call("fsync p99", "7")]),
        ("a call that has nothing to do with a disk", vec![disk(&["time x (pid 7) waited in fsync"]), call("connect p99", "7")]),
        ("a disk whose reads are not slow", vec![disk(&[]), call("read p99", "7")]),
        ("a hang, and a disk with nothing under way", vec![disk(&[]), call("fsync in flight", "7")]),
        (
            "a disk that others wait for",
            vec![disk(&["block reads of sda", "time x (pid 8) waited in fsync"]), call("read p99", "7")],
        ),
        ("another group's memory", vec![group("oom-imminent", Warning, "/a"), group("oom-kill", Critical, "/ab")]),
        ("the host's memory, and a kill by a group's limit", vec![host("oom-imminent", &[]), group("oom-kill", Critical, "/a")]),
        ("a neighbour of the throttled group", vec![group("cpu-throttling", Warning, "/a"), unit]),
        ("a group above it", vec![group("cpu-throttling", Warning, "/a/b"), group("scheduler-contention", Warning, "/a")]),
        ("the group around grows, killed by its own limit", vec![group("oom-imminent", Warning, "/a"), killed("/a/b", "/a/b")]),
        (
            "the group around is short, killed by its own limit",
            vec![group("memory-pressure", Warning, "/a"), killed("/a/b", "/a/b")],
        ),
        (
            "the group around, and a limit that is not told",
            vec![group("oom-imminent", Warning, "/a"), group("oom-kill", Critical, "/a/b")],
        ),
        ("a path that is too long by itself", vec![remote("tcp-retransmit-storm", "10.0.0.1"), far(1.01)]),
        ("loss of the host, and a path that is too long by itself", vec![host("tcp-retransmit-storm", &[]), far(1.01)]),
        (
            "a fact of the group around what grows",
            vec![group("oom-imminent", Warning, "/a/b"), group("memory-pressure", Info, "/a")],
        ),
        ("a leak of another process of the group", vec![leak(&[]), errors("EMFILE", "/api", &["x (pid 8)"])]),
        ("errors of the group that no process is named for", vec![leak(&[]), errors("EMFILE", "/api", &[])]),
        ("a user's inotify instances", vec![leak(&[]), instances]),
        ("another remote", vec![remote("tcp-retransmit-storm", "10.0.0.1"), remote("tcp-rtt-degradation", "10.0.0.12")]),
        ("a loopback in another namespace", vec![loopback("tcp-rtt-degradation", "1"), loopback("network-latency", "2")]),
        ("one network namespace of many", vec![namespace, remote("network-latency", "10.0.0.1")]),
        (
            "the group around grows, not the one that stalls",
            vec![group("oom-imminent", Warning, "/a"), group("memory-pressure", Warning, "/a/b")],
        ),
        ("a leak elsewhere", vec![leak(&[]), errors("EMFILE", "/other", &["x (pid 70)"])]),
        ("a group that waits for no memory", vec![group("memory-pressure", Warning, "/system.slice"), call("execve max", "7")]),
        ("a neighbour of the group that waits for memory", vec![stalled("/user.slice"), call("execve max", "7")]),
        ("a sync, which waits for a disk", vec![stalled("/system.slice"), call("fsync p99", "7")]),
        ("a hang, which memory is not", vec![stalled("/system.slice"), call("read in flight", "7")]),
        (
            "a quota, and a call that takes no lock of it",
            vec![group("cpu-throttling", Critical, "/system.slice"), call("read p99", "7")],
        ),
        ("a quota of others", vec![group("cpu-throttling", Critical, "/user.slice"), call("munmap p99", "7")]),
        ("a hang, which a quota is not", vec![group("cpu-throttling", Critical, "/system.slice"), call("munmap in flight", "7")]),
        ("other errors", vec![leak(&[]), errors("EACCES", "/api", &[])]),
        ("a table that is not full", vec![leak(&[]), errors("ENFILE", "/api", &[])]),
        ("errors that were not there", vec![leak(&["files open on this host"]), none]),
        ("a fact is no cause", vec![group("memory-pressure", Info, "/a"), group("oom-kill", Critical, "/a")]),
        ("a user's rule", vec![group("my-throttling", Critical, "/a"), group("scheduler-contention", Critical, "/a")]),
    ];
    for (what, findings) in cases {
        assert_eq!(linked(&findings.iter().collect::<Vec<_>>()), Vec::<&str>::new(), "{what}");
    }
}

#[test]
fn a_cause_stands_above_what_follows_from_it_however_mild_it_is() {
    let quota = group("cpu-throttling", Warning, "/a");
    let waits = group("scheduler-contention", Critical, "/a/b");
    let kill = finding("oom-kill", Critical, Container, &[("container", "c")], "kills", &["x"]);
    let slow = call("connect p99", "3");
    let Triage { findings, explained } = triage(vec![slow.clone(), waits.clone(), quota.clone(), kill.clone()]);
    let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
    let place = |finding: &Finding| ids.iter().position(|id| *id == finding.id).unwrap();
    assert_eq!(place(&quota) + 1, place(&waits), "right above: {ids:?}");
    assert!(place(&kill) < 3 && place(&slow) == 3, "the rest by severity: {ids:?}");
    assert_eq!(findings[place(&quota)].consequences, std::slice::from_ref(&waits.id));
    let because = LINKS.iter().find(|link| link.name == "quota-to-run-queue").unwrap().because;
    assert_eq!(explained, [Explained { cause: quota.id, consequence: waits.id, link: "quota-to-run-queue", because }]);
}

#[test]
fn a_chain_stands_in_its_order_and_its_steps_too() {
    let step = |finding: Finding, command: &str| Finding {
        fixes: vec![Fix { when: Urgency::Now, title: command.to_owned(), command: command.to_owned() }],
        ..finding
    };
    let growth = step(group("oom-imminent", Warning, "/a"), "first");
    let pressure = step(group("memory-pressure", Warning, "/a"), "second");
    let kill = step(group("oom-kill", Critical, "/a"), "third");
    let Triage { findings, explained } = triage(vec![kill, pressure, growth]);
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["oom-imminent", "memory-pressure", "oom-kill"]);
    assert_eq!(findings[0].consequences, [findings[1].id.clone(), findings[2].id.clone()]);
    assert_eq!(explained.len(), 3);
    let steps: Vec<String> = recommended_order(&findings).into_iter().map(|step| step.title).collect();
    assert_eq!(steps, ["first", "second", "third"]);
}

#[test]
fn the_table_has_no_circle_and_only_built_in_rules() {
    let known = [
        "cpu-throttling",
        "disk-io-bottleneck",
        "fd-leak",
        "memory-pressure",
        "network-latency",
        "oom-imminent",
        "oom-kill",
        "scheduler-contention",
        "syscall-error-rate",
        "syscall-latency",
        "tcp-retransmit-storm",
        "tcp-rtt-degradation",
    ];
    let mut reached: BTreeSet<(&str, &str)> = LINKS.iter().map(|link| (link.cause, link.consequence)).collect();
    for _ in 0..known.len() {
        let longer: Vec<_> =
            reached.iter().flat_map(|(a, b)| reached.iter().filter(move |(c, _)| b == c).map(|(_, d)| (*a, *d))).collect();
        reached.extend(longer);
    }
    assert!(reached.iter().all(|(from, to)| from != to), "{reached:?}");
    for link in LINKS {
        assert!(known.contains(&link.cause) && known.contains(&link.consequence), "{link:?}");
        assert!(!link.when.is_empty(), "{link:?}");
    }
    let names: BTreeSet<&str> = LINKS.iter().map(|link| link.name).collect();
    assert_eq!(names.len(), LINKS.len());
}

/// `TRIAGE.md` shows the table, line by line.
#[test]
fn the_page_shows_the_table() {
    let page = include_str!("../TRIAGE.md");
    let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let rows = LINKS.iter().map(|link| {
        let when: Vec<String> = link.when.iter().map(ToString::to_string).collect();
        format!("| `{}` | `{}` | `{}` | {} | {} |", link.name, link.cause, link.consequence, when.join("; and "), link.because)
    });
    let rows: Vec<String> = rows.collect();
    assert_eq!(shown, rows, "the table of TRIAGE.md is:\n{}\n", rows.join("\n"));
}

/// Findings of built-in and other rules with entities, numbers and texts that meet and miss each other, many of them alike.
fn any_finding() -> impl Strategy<Value = Finding> {
    let rules: Vec<&str> = LINKS.iter().flat_map(|link| [link.cause, link.consequence]).chain(["own-rule"]).collect();
    let kinds = vec![Node, Container, Unit, Cgroup, Process, Device, Remote];
    let name = prop_oneof![
        Just(("cgroup", "/a")),
        Just(("cgroup", "/a/b")),
        Just(("pid", "7")),
        Just(("pid", "8")),
        Just(("remote", "10.0.0.1")),
        Just(("device", "sda")),
        Just(("unit", "\u{1b}x")),
    ];
    let signal = prop::sample::select(vec!["fsync p99", "read p99", "block read p99", "write p99", "ratio"]);
    let key = prop::sample::select(vec![
        "EMFILE",
        "block reads of sda",
        "x (pid 7)",
        "kills for lack of the host's memory",
        "10.0.0.1",
    ]);
    let number = prop_oneof![Just(0.0), Just(1.0), Just(f64::NAN), Just(f64::INFINITY), any::<f64>()];
    let severity = prop::sample::select(vec![Info, Warning, Critical]);
    let eta = prop::option::of(number.clone());
    (
        prop::sample::select(rules),
        severity,
        prop::sample::select(kinds),
        prop::collection::vec(name, 0..3),
        signal,
        prop::collection::vec((key, number.clone()), 0..3),
        number,
        eta,
    )
        .prop_map(|(rule, severity, kind, names, signal, keys, value, eta_seconds)| {
            let mut made = finding(rule, severity, kind, &names, signal, &[]);
            made.evidence =
                keys.into_iter().map(|(key, value)| Evidence { key: key.to_owned(), value, unit: "count".to_owned() }).collect();
            made.signal.value = value;
            made.eta_seconds = eta_seconds;
            made
        })
}

proptest! {
    #[test]
    fn the_order_in_which_findings_come_changes_nothing(
        (found, shuffled) in prop::collection::vec(any_finding(), 0..24)
            .prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
    ) {
        let (a, b) = (triage(found), triage(shuffled));
        // NaN is not equal to itself.
        prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }

    #[test]
    fn nothing_is_lost_and_every_cause_stands_above(found in prop::collection::vec(any_finding(), 0..24)) {
        let ids: BTreeSet<String> = found.iter().map(|finding| finding.id.clone()).collect();
        let Triage { findings, explained } = triage(found);
        prop_assert_eq!(findings.iter().map(|finding| finding.id.clone()).collect::<BTreeSet<_>>(), ids);
        let place = |id: &str| findings.iter().position(|finding| finding.id == id);
        for Explained { cause, consequence, .. } in &explained {
            prop_assert!(place(cause) < place(consequence));
        }
        prop_assert_eq!(findings.iter().map(|finding| finding.consequences.len()).sum::<usize>(), explained.len());
    }
}
