//! Least privilege: what kerno can with exactly the five capabilities, what it says when one is missing, what it keeps.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use kerno::collector::{
    Collectors, Options,
    hooks::{HOOKS, Hook},
};
use kerno::platform::{btf::Btf, capabilities::Capability};
use serde_json::Value;

use crate::{
    child::Child,
    guest::sleep,
    launch::{Launch, collector, distribution_defaults},
};

const DOCTOR: [&str; 6] = ["doctor", "-d", "2s", "-q", "-o", "json"];
/// Starts the collectors as `doctor` does, and judges nothing, which takes a guest long.
const CHECK: [&str; 3] = ["check", "-o", "json"];

/// First two numbers of the kernel's version.
pub fn release() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(|character: char| !character.is_ascii_digit()).map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn collectors(report: &Value) -> &[Value] {
    report["collectors"].as_array().unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn five_capabilities_are_enough_for_every_collector() {
    distribution_defaults();
    let report = Launch::least().json(&DOCTOR);
    for collector in collectors(&report) {
        println!("measured: {} {} {} {}", collector["name"], collector["status"], collector["coverage"], collector["reason"]);
    }
    for collector in collectors(&report) {
        // Where perf events are refused, the one collector that wants them says so.
        if collector["name"] == "syscall" && release() >= (7, 0) {
            assert!(collector["reason"].as_str().unwrap().contains("kernel.perf_event_paranoid is 3"), "{collector}");
            assert_eq!((&collector["status"], &collector["coverage"]), (&"degraded".into(), &"partial".into()), "{collector}");
        } else {
            assert_eq!((&collector["status"], &collector["coverage"]), (&"running".into(), &"full".into()), "{collector}");
        }
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn with_perf_events_allowed_five_capabilities_leave_nothing_out() {
    distribution_defaults();
    fs::write("/proc/sys/kernel/perf_event_paranoid", "2").unwrap();
    for collector in collectors(&Launch::least().json(&DOCTOR)) {
        assert_eq!((&collector["status"], &collector["coverage"]), (&"running".into(), &"full".into()), "{collector}");
    }
}

/// Since 7.0 programs on typed tracepoints are preempted, and the kernel runs none for the events meanwhile. Where perf events are
/// refused the collector has no other: what it misses is in its losses.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_contention_takes_from_typed_tracepoints_is_told_and_with_perf_events_it_takes_nothing() {
    distribution_defaults();
    for paranoid in ["3", "2"] {
        fs::write("/proc/sys/kernel/perf_event_paranoid", paranoid).unwrap();
        let loops: Vec<_> = (0..4).map(|_| Child::start("loops", || calls_on_one_cpu(Duration::from_secs(15)))).collect();
        let report = Launch::least().json(&["doctor", "-d", "5s", "-q", "-o", "json"]);
        loops.into_iter().for_each(Child::wait);
        let syscall = collector(&report, "syscall");
        let (events, lost) = (syscall["events"].as_u64().unwrap(), syscall["lost"].as_u64().unwrap());
        println!("measured: paranoid {paranoid}: {lost} of {} calls lost, {}", events + lost, syscall["status"]);
        assert!(events > 100_000, "{syscall}");
        if release() < (7, 0) || paranoid == "2" {
            assert_eq!((lost, &syscall["coverage"]), (0, &"full".into()), "{syscall}");
        } else {
            assert_eq!((lost > 0, &syscall["coverage"]), (true, &"partial".into()), "{syscall}");
        }
    }
}

fn calls_on_one_cpu(time: Duration) {
    let begin = Instant::now();
    // SAFETY: calls with numbers and a set that lives.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        while begin.elapsed() < time {
            for _ in 0..1_000 {
                libc::getppid();
            }
        }
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_tracefs_every_collector_still_measures() {
    distribution_defaults();
    fs::write("/proc/sys/kernel/perf_event_paranoid", "2").unwrap();
    let unmounted = |path: &str| Command::new("/bin/busybox").args(["umount", path]).status().unwrap();
    // debugfs shows it a second time, mounting it by itself.
    unmounted("/sys/kernel/debug/tracing");
    unmounted("/sys/kernel/debug");
    assert!(unmounted("/sys/kernel/tracing").success());
    let check = Launch::least().json(&CHECK);
    let expected = if release() < (7, 0) { "ok" } else { "gap" };
    assert_eq!(check_item(&check, "tracefs")["status"], expected, "{check:#}");
    // From 7.0 on calls may be lost then, and rules that judge them need all.
    assert_eq!(check["ready"], release() < (7, 0), "{check:#}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_missing_capability_is_named() {
    distribution_defaults();
    for missing in [Capability::Bpf, Capability::Perfmon] {
        let rest: Vec<_> = Capability::LEAST.into_iter().filter(|capability| *capability != missing).collect();
        let report = Launch { capabilities: &rest, ..Launch::least() }.json(&CHECK);
        for name in ["sched", "block"] {
            let collector = collector(&report, name);
            let reason = collector["reason"].as_str().unwrap();
            assert!(reason.contains(&format!("kerno lacks {} to load", missing.name())), "{collector}");
            assert_eq!(collector["status"], "degraded", "{collector}");
        }
    }
}

fn permitted(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

/// Waits for the start to end: then kerno has given up the right to trace.
pub fn wait_until_attached(pid: u32) {
    let traces = || permitted(pid) & 1 << Capability::Perfmon as u64 != 0;
    // At first it is still this program, between fork and exec.
    sleep(500);
    let waited = (0..100).take_while(|_| traces()).map(|_| sleep(100)).count();
    assert!(waited < 100, "kerno still may trace after 10 s");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn what_is_not_needed_after_attaching_is_given_up() {
    distribution_defaults();
    let kerno = Launch::least().start(&["doctor", "-d", "4s", "-q", "-o", "json"]);
    wait_until_attached(kerno.id());
    let tasks = fs::read_dir(format!("/proc/{}/task", kerno.id())).unwrap();
    let tasks: Vec<PathBuf> = tasks.map(|task| task.unwrap().path().join("status")).collect();
    assert!(tasks.len() > 1, "the thread that listens to signals as well");
    let allowed = [Capability::SysPtrace, Capability::DacReadSearch, Capability::Bpf];
    let allowed = allowed.iter().fold(0, |mask, capability| mask | 1 << *capability as u64);
    let mut kept = 0;
    for task in tasks {
        let status = fs::read_to_string(&task).unwrap();
        let value = |line: &str| status.lines().find_map(|text| text.strip_prefix(line)).unwrap().trim().to_owned();
        let mask = |line: &str| u64::from_str_radix(&value(line), 16).unwrap();
        assert_eq!(value("NoNewPrivs:"), "1", "{status}");
        assert_eq!((mask("CapPrm:") & !allowed, mask("CapInh:"), mask("CapAmb:")), (0, 0, 0), "{status}");
        kept |= mask("CapPrm:");
    }
    let keeps_bpf = kept & 1 << Capability::Bpf as u64 != 0;
    println!("measured: CAP_BPF is {} after attaching", if keeps_bpf { "kept" } else { "given up" });
    assert_eq!(keeps_bpf, release() < (5, 19), "reading maps needs it before 5.19 only");
    let output = kerno.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for collector in collectors(&report) {
        assert_ne!(collector["status"], "off", "{collector}");
    }
    assert_eq!(collector(&report, "sched")["status"], "running", "{report}");
}

/// 64 KiB, the limit that Linux gives to users by itself.
const ORDINARY_LIMIT: u64 = 64 << 10;

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn before_5_11_a_small_limit_of_locked_memory_is_named() {
    distribution_defaults();
    let report = Launch { locked_memory: Some(ORDINARY_LIMIT), ..Launch::least() }.json(&CHECK);
    let sched = collector(&report, "sched");
    if release() >= (5, 11) {
        assert_eq!(sched["status"], "running", "maps are charged to the control group: {sched}");
        return;
    }
    assert!(sched["reason"].as_str().unwrap().contains("limit of locked memory (64 KiB) is too small"), "{sched}");
    assert!(sched["fix"].as_str().unwrap().contains("LimitMEMLOCK=infinity"), "{sched}");
    assert_eq!(sched["coverage"], "fallback", "{sched}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn with_the_right_to_lift_the_limit_kerno_lifts_it_and_gives_the_right_up() {
    distribution_defaults();
    let capabilities: Vec<_> = Capability::LEAST.into_iter().chain([Capability::SysResource]).collect();
    let launch = Launch { capabilities: &capabilities, locked_memory: Some(ORDINARY_LIMIT) };
    let kerno = launch.start(&["doctor", "-d", "4s", "-q", "-o", "json"]);
    wait_until_attached(kerno.id());
    assert_eq!(permitted(kerno.id()) & 1 << Capability::SysResource as u64, 0);
    let report: Value = serde_json::from_slice(&kerno.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(collector(&report, "sched")["status"], "running", "{report}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_attached_hook_is_listed_and_in_the_kernels_types() {
    let btf = Btf::vmlinux().unwrap();
    let collectors = Collectors::start(&Options::default());
    let attempts = collectors.attempts();
    assert!(attempts.iter().any(|attempt| attempt.target == "sched_switch"), "{attempts:#?}");
    for attempt in &attempts {
        let is_it = |hook: &&Hook| (hook.collector, hook.kind, hook.target) == (attempt.object, attempt.kind, &attempt.target);
        let Some(hook) = HOOKS.iter().find(is_it) else { panic!("{attempt:?} is not in the list of hooks") };
        assert_eq!((attempt.error.as_ref(), hook.is_in(&btf)), (None, true), "{attempt:?}");
    }
    drop(collectors);
}

fn check_item<'a>(check: &'a Value, id: &str) -> &'a Value {
    check["checks"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("no {id}: {check}"))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_check_with_the_five_capabilities_is_ready() {
    distribution_defaults();
    let check = Launch::least().json(&CHECK);
    for collector in collectors(&check) {
        println!("measured: {} {} {} {}", collector["name"], collector["status"], collector["coverage"], collector["reason"]);
    }
    assert_eq!(check["ready"], release() < (7, 0), "{check:#}");
    for capability in Capability::LEAST {
        assert_eq!(check_item(&check, &capability.name().to_lowercase())["status"], "ok", "{check:#}");
    }
    assert_eq!(check_item(&check, "dmesg_restrict")["status"], "gap", "{check:#}");
    let perf_events = if release() < (7, 0) { "ok" } else { "gap" };
    assert_eq!(check_item(&check, "perf_event_paranoid")["status"], perf_events, "{check:#}");
    let hooks = check["hooks"].as_array().unwrap();
    assert!(hooks.iter().any(|hook| hook["target"] == "sched_switch" && hook["attached"] == true), "{check:#}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_check_with_nothing_is_not_ready_and_names_the_two_that_matter_most() {
    distribution_defaults();
    let check = Launch { capabilities: &[], locked_memory: None }.json(&CHECK);
    assert_eq!(check["ready"], false, "{check:#}");
    for id in ["cap_bpf", "cap_perfmon", "cap_sys_ptrace", "cap_dac_read_search"] {
        assert_eq!(check_item(&check, id)["status"], "gap", "{check:#}");
    }
    let hooks = check["hooks"].as_array().unwrap();
    assert!(hooks.iter().any(|hook| hook["target"] == "sched_switch" && hook["present"] == true && hook["attached"].is_null()));
    let reason = collector(&check, "sched")["reason"].as_str().unwrap();
    assert!(reason.contains("kerno lacks CAP_BPF and CAP_PERFMON"), "{check:#}");
}
