//! Diagnostics on hosts made of a few files.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::*;
use crate::collector::hooks::{HOOKS, Kind};
use crate::platform::capabilities::{Capabilities, Capability};
use crate::platform::kernel::{Lockdown, Tracing};

const STATUS: &str = "Name:\tkerno\nCapEff:\t000000c000081004\nSeccomp:\t0\n";
const UNIFIED: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const CONTROLLERS: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t70\t1\nmemory\t0\t70\t1\n";

/// An ordinary host with Linux 6.12, and kerno with its five capabilities.
const ORDINARY: &[(&str, &str)] = &[
    ("proc/sys/kernel/hostname", "node-7\n"),
    ("proc/sys/kernel/osrelease", "6.12.48-amd64\n"),
    ("proc/sys/kernel/dmesg_restrict", "1\n"),
    ("proc/sys/kernel/perf_event_paranoid", "3\n"),
    ("proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
    ("proc/sys/net/core/bpf_jit_enable", "1\n"),
    ("proc/stat", "cpu0 1 2 3 4\ncpu1 1 2 3 4\n"),
    ("proc/meminfo", "MemTotal: 1024 kB\n"),
    ("proc/self/status", STATUS),
    ("proc/self/uid_map", "0 0 4294967295\n"),
    ("proc/self/mountinfo", UNIFIED),
    ("proc/cgroups", CONTROLLERS),
    ("proc/1/task/1/stat", "1 (init) S\n"),
    ("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
    ("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
    ("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpu io memory\n"),
    ("sys/kernel/tracing/events/header_page", ""),
];

/// A look at files that are there as long as it is.
struct Files {
    seen: Seen,
    _directory: tempfile::TempDir,
}

impl Deref for Files {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.seen
    }
}

impl DerefMut for Files {
    fn deref_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }
}

/// The ordinary host with some files other than its own; those without content are absent.
fn seen(changed: &[(&str, Option<&str>)]) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    };
    ORDINARY.iter().for_each(|(path, text)| write(path, text));
    for (path, text) in changed {
        match text {
            Some(text) => write(path, text),
            None => fs::remove_file(directory.path().join(path)).unwrap(),
        }
    }
    let root = Root::new(directory.path());
    let mut seen = Seen::read(root, None, None).unwrap();
    // Not files: the kernel's types, and this test's own limit.
    (seen.facts.btf, seen.facts.tracing, seen.facts.locked_memory) = (true, Tracing::Present, Some(64 << 10));
    Files { seen, _directory: directory }
}

fn item(seen: &Seen, id: &str) -> Item {
    let all: Vec<Item> = DIAGNOSTICS.iter().flat_map(|look| look(seen)).collect();
    all.iter().find(|item| item.id == id).unwrap_or_else(|| panic!("no {id}: {all:#?}")).clone()
}

fn expect(seen: &Seen, id: &str, status: Status, found: &str) -> Item {
    let item = item(seen, id);
    assert!(item.status == status && item.found.contains(found), "{item:#?}");
    let told = item.effect.is_some() && item.fix.is_some();
    assert_eq!(told, status == Status::Gap, "a gap says what is missing and what to do, nothing else does: {item:#?}");
    item
}

#[test]
fn an_ordinary_host_has_few_gaps() {
    let seen = seen(&[]);
    let all: Vec<Item> = DIAGNOSTICS.iter().flat_map(|look| look(&seen)).collect();
    let gaps: Vec<&str> = all.iter().filter(|item| item.status == Status::Gap).map(|item| item.id).collect();
    // The kernel's types are no file that a literal could stand for.
    assert_eq!(gaps, ["btf", "dmesg_restrict"], "{all:#?}");
    let mut ids: Vec<&str> = all.iter().map(|item| item.id).collect();
    let number = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), number, "ids are names");
}

#[test]
fn each_missing_capability_is_told_with_what_it_costs() {
    for (capability, id, effect) in [
        (Capability::Bpf, "cap_bpf", "no kernel program"),
        (Capability::Perfmon, "cap_perfmon", "no kernel program"),
        (Capability::SysPtrace, "cap_sys_ptrace", "other users' processes"),
        (Capability::DacReadSearch, "cap_dac_read_search", "only their owner"),
    ] {
        let mut seen = seen(&[]);
        let all = Capability::LEAST.into_iter().filter(|other| *other != capability);
        seen.facts.capabilities = Some(Capabilities(all.fold(0, |mask, other| mask | 1 << other as u64)));
        let item = expect(&seen, id, Status::Gap, "is not held");
        assert!(item.effect.unwrap().contains(effect) && item.fix.unwrap().contains("setcap cap_bpf,"), "{id}");
        seen.facts.capabilities = Some(Capabilities(1 << Capability::SysAdmin as u64));
        let expected = if effect.starts_with("no kernel") { Status::Ok } else { Status::Gap };
        expect(&seen, id, expected, "");
    }
    let mut seen = seen(&[]);
    seen.facts.capabilities = Some(Capabilities(0));
    expect(&seen, "cap_net_admin", Status::Ok, "no collector needs it");
    seen.facts.capabilities = None;
    expect(&seen, "capabilities", Status::Unknown, "");
}

#[test]
fn kernels_that_lack_something() {
    let mut seen = seen(&[("proc/sys/kernel/osrelease", Some("5.4.0\n"))]);
    expect(&seen, "kernel", Status::Gap, "Linux 5.4.0, 5.8 needed");
    (seen.facts.btf, seen.facts.tracing, seen.facts.lockdown) = (false, Tracing::Absent, Lockdown::Confidentiality);
    expect(&seen, "btf", Status::Gap, "does not describe");
    expect(&seen, "tracing", Status::Gap, "CONFIG_BPF_EVENTS");
    expect(&seen, "lockdown", Status::Gap, "confidentiality");
    (seen.facts.tracing, seen.facts.lockdown) = (Tracing::Unknown, Lockdown::Integrity);
    expect(&seen, "tracing", Status::Unknown, "");
    expect(&seen, "lockdown", Status::Ok, "integrity");
    seen.facts.release = String::new();
    expect(&seen, "kernel", Status::Unknown, "cannot be read");
}

#[test]
fn perf_events_matter_only_where_tracepoints_can_be_preempted() {
    let old = seen(&[]);
    expect(&old, "perf_event_paranoid", Status::Ok, "is 3, and perf events are not needed");
    let mut new = seen(&[("proc/sys/kernel/osrelease", Some("7.2.1\n"))]);
    let item = expect(&new, "perf_event_paranoid", Status::Gap, "is 3: perf events need CAP_SYS_ADMIN");
    assert_eq!(item.fix.as_deref(), Some("sysctl kernel.perf_event_paranoid=2"));
    new.facts.tracefs = false;
    expect(&new, "tracefs", Status::Gap, "not mounted");
    new.facts.capabilities = Some(Capabilities(1 << Capability::SysAdmin as u64));
    expect(&new, "perf_event_paranoid", Status::Ok, "is 3");
    let allowed = seen(&[("proc/sys/kernel/osrelease", Some("7.2.1\n")), ("proc/sys/kernel/perf_event_paranoid", Some("2\n"))]);
    expect(&allowed, "perf_event_paranoid", Status::Ok, "is 2");
}

#[test]
fn locked_memory_matters_before_5_11() {
    expect(&seen(&[]), "locked_memory", Status::Ok, "do not count");
    let mut old = seen(&[("proc/sys/kernel/osrelease", Some("5.10.0-33-amd64\n"))]);
    expect(&old, "locked_memory", Status::Gap, "limited to 64 KiB");
    old.facts.capabilities = Some(Capabilities(1 << Capability::SysResource as u64));
    expect(&old, "locked_memory", Status::Ok, "CAP_SYS_RESOURCE");
    (old.facts.capabilities, old.facts.locked_memory) = (Some(Capabilities(0)), None);
    expect(&old, "locked_memory", Status::Ok, "no limit");
    expect(&old, "unprivileged_bpf_disabled", Status::Ok, "CAP_BPF is kept");
    expect(&seen(&[]), "unprivileged_bpf_disabled", Status::Ok, "given up");
}

#[test]
fn the_log_and_settings_that_are_not_shown() {
    expect(&seen(&[]), "dmesg_restrict", Status::Gap, "lacks CAP_SYSLOG");
    expect(&seen(&[("proc/sys/kernel/dmesg_restrict", Some("0\n"))]), "dmesg_restrict", Status::Ok, "everyone");
    expect(&seen(&[("proc/sys/net/core/bpf_jit_enable", Some("0\n"))]), "bpf_jit", Status::Gap, "is off");
    expect(&seen(&[("proc/sys/net/core/bpf_jit_enable", None)]), "bpf_jit", Status::Gap, "no compiler");
    expect(&seen(&[("proc/sys/net/core/bpf_jit_enable", Some("?\n"))]), "bpf_jit", Status::Unknown, "root");
    expect(&seen(&[("proc/sys/kernel/perf_event_paranoid", None)]), "perf_event_paranoid", Status::Unknown, "cannot be read");
}

#[test]
fn containers() {
    let status = STATUS.replace("Seccomp:\t0", "Seccomp:\t2");
    let seen =
        seen(&[("proc/self/uid_map", Some("0 1000 1\n")), ("proc/self/status", Some(&status)), ("proc/1/task/1/stat", None)]);
    expect(&seen, "user_namespace", Status::Gap, "mean nothing");
    expect(&seen, "processes", Status::Gap, "hides");
    expect(&seen, "seccomp", Status::Unknown, "in force");
}

#[test]
fn control_groups_of_either_version_and_none() {
    let v2 = seen(&[]);
    expect(&v2, "cgroup_cpu", Status::Ok, "the cpu controller is in cgroup v2 at /sys/fs/cgroup");
    let off = seen(&[("sys/fs/cgroup/cgroup.controllers", Some("cpu io\n"))]);
    expect(&off, "cgroup_memory", Status::Gap, "the memory controller is switched off");
    let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let controllers = "cpu\t4\t1\t1\nmemory\t5\t1\t1\n";
    let hybrid = seen(&[("proc/self/mountinfo", Some(v1)), ("proc/cgroups", Some(controllers))]);
    expect(&hybrid, "cgroup_cpu", Status::Ok, "cgroup v1 at /sys/fs/cgroup/cpu,cpuacct");
    expect(&hybrid, "cgroup_memory", Status::Ok, "cgroup v1 at /sys/fs/cgroup/memory");
    expect(&seen(&[("proc/self/mountinfo", Some(""))]), "cgroup_cpu", Status::Gap, "hierarchy with the cpu controller expected");
    expect(&v2, "cgroup_tree", Status::Ok, "every control group");
    let namespace = v2.root.path("/proc/self/ns/cgroup");
    fs::create_dir_all(namespace.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("cgroup:[4026532190]", namespace).unwrap();
    let part = expect(
        &v2,
        "cgroup_tree",
        Status::Gap,
        "only kerno's own control group and those below it are visible at /sys/fs/cgroup",
    );
    assert!(part.fix.unwrap().contains("hostPath"));
    expect(&seen(&[("proc/pressure/memory", None)]), "psi", Status::Gap, "/proc/pressure/memory");
}

#[test]
fn hooks_tell_what_came_of_them() {
    let first = HOOKS[0];
    let attempt = |target: &str, error: Option<&str>| Attempt {
        object: first.collector,
        kind: first.kind,
        target: target.to_owned(),
        error: error.map(str::to_owned),
    };
    let told = hook::hooks(None, &[attempt(first.target, None), attempt("another", Some("refused"))]);
    assert_eq!((told.len(), told[0].attached, told[0].present), (HOOKS.len() + 1, Some(true), None));
    let last = told.last().unwrap();
    assert_eq!((last.target.as_str(), last.attached, last.reason.as_deref()), ("another", Some(false), Some("refused")));
    assert_eq!(Kind::Iterator.to_string(), "iter");
}

#[test]
fn ready_means_that_every_collector_measures_and_every_built_in_rule_has_what_it_needs() {
    let report = |name: &str, status, coverage| CollectorReport {
        name: name.to_owned(),
        status,
        coverage,
        source: String::new(),
        reason: None,
        fix: None,
        events: 0,
        lost: 0,
        blind_ratio: Default::default(),
    };
    let seen = seen(&[]);
    for (name, status, coverage, ready) in [
        ("block", CollectorStatus::Running, Some(Coverage::Full), true),
        // A rule that lacks a part of its family can never call it quiet.
        ("block", CollectorStatus::Degraded, Some(Coverage::Partial), false),
        ("sched", CollectorStatus::Degraded, Some(Coverage::Partial), false),
        ("syscall", CollectorStatus::Degraded, Some(Coverage::Partial), false),
        ("syscall", CollectorStatus::Degraded, Some(Coverage::Fallback), false),
        ("sched", CollectorStatus::Degraded, Some(Coverage::Fallback), false),
        ("block", CollectorStatus::Off, None, false),
    ] {
        let others =
            ["syscall", "sched", "block", "tcp", "oom", "fd", "memory", "cpu"].into_iter().filter(|other| *other != name);
        let mut reports: Vec<_> = others.map(|name| report(name, CollectorStatus::Running, Some(Coverage::Full))).collect();
        reports.push(report(name, status, coverage));
        let check = Check::new(&seen, &[], reports);
        assert_eq!(check.ready, ready, "{name} {status:?} {coverage:?}");
        assert_eq!(check.gaps(), 2 + usize::from(status != CollectorStatus::Running));
        let lacking: Vec<_> = check.rules.iter().filter(|rule| !rule.ready).flat_map(|rule| &rule.lacks).collect();
        assert_eq!(lacking.is_empty(), coverage == Some(Coverage::Full), "{lacking:?}");
    }
    assert!(!Check::new(&seen, &[], vec![]).ready, "nothing measures");
}
