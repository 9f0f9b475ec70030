//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_cpu_throttling::CpuThrottling;
use kerno_rules_sdk::testing::snapshot::{CgroupCpu, Coverage, Throttling};
use kerno_rules_sdk::testing::{Outcome, Window};
use kerno_rules_sdk::{EntityKind, Severity};

const SECOND: u64 = 1_000_000_000;

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

/// The first group changed.
fn judge(name: &str, change: impl FnOnce(&mut CgroupCpu)) -> Outcome {
    let mut window = window(name);
    change(&mut window.snapshot().families.cpu.as_mut().unwrap().cgroups[0]);
    window.judge::<CpuThrottling>()
}

/// web.service with one runnable thread in a window of 30 s.
fn throttled(periods: u64, throttled_periods: u64, throttled_ns: u64) -> Outcome {
    judge("quiet-few", |web| web.throttling = Some(Throttling { periods, throttled_periods, throttled_ns }))
}

#[test]
fn bursts_that_averages_hide_are_told_beside_the_average() {
    let outcome = window("fires-bursts").judge::<CpuThrottling>();
    outcome.fires(Severity::Critical);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Container);
    assert_eq!(finding.title, "container 0123456789ab uses 40.8 % of its CPU quota, and is held back by it in 80 % of periods");
    assert!(finding.cause.contains("may use 200 ms of CPU time in each 100 ms"), "{}", finding.cause);
    assert_eq!((finding.signal.value, finding.signal.threshold), (0.8, 0.5));
    outcome.mentions("crictl inspect 0123456789ab").mentions("33.3 % of the time of the CPUs it can use (about 2)");
}

#[test]
fn held_back_time_is_held_against_the_cpus_that_the_group_can_use() {
    // One thread on 64 CPUs, whose threads were not counted.
    let outcome = window("fires-one-thread").judge::<CpuThrottling>();
    outcome.fires(Severity::Critical).mentions("(about 1)").mentions("systemctl set-property --runtime web.service CPUQuota=");
    assert_eq!(outcome.only_finding().title, "web.service is held back by its CPU quota in 99.7 % of periods");
    // Eight threads on four CPUs: as many as its cpuset has.
    let eight = |cpuset| {
        judge("fires-bursts", |app| {
            (app.runnable_threads, app.cpuset_cpus) = (Some(8.0), cpuset);
            app.throttling = Some(Throttling { periods: 300, throttled_periods: 200, throttled_ns: 12 * SECOND });
        })
    };
    eight(None).fires(Severity::Warning).mentions("10 % of the time of the CPUs it can use (about 4)");
    eight(Some(1)).fires(Severity::Critical).mentions("40 % of the time of the CPUs it can use (about 1)");
    // Where the quota is not known any more, the host's CPUs.
    let ended = judge("fires-one-thread", |web| (web.quota, web.limit) = (None, None));
    ended.is_quiet().mentions("for 1.17 % of its time");
}

#[test]
fn of_nested_quotas_the_one_that_holds_back_is_named_once() {
    let outcome = window("fires-nested").judge::<CpuThrottling>();
    outcome.fires(Severity::Warning).mentions("the hypervisor took 15 % of the CPU time");
    assert_eq!(outcome.only_finding().entity.names[0].value, "system.slice");
    outcome.mentions("CPU time used by web.service").does_not_mention("web.service was held back");
    // Both far past their thresholds: still one.
    let mut both = window("fires-nested");
    let groups = &mut both.snapshot().families.cpu.as_mut().unwrap().cgroups;
    groups[1].throttling.as_mut().unwrap().throttled_ns = 7 * SECOND;
    let outcome = both.judge::<CpuThrottling>();
    assert_eq!(outcome.only_finding().entity.names[0].value, "system.slice");
    outcome.mentions("time that web.service was held back by its own quota");
    let groups = &mut both.snapshot().families.cpu.as_mut().unwrap().cgroups;
    groups[1].throttling.as_mut().unwrap().throttled_ns = 13 * SECOND;
    groups[1].throttling.as_mut().unwrap().throttled_periods = 200;
    let outcome = both.judge::<CpuThrottling>();
    assert_eq!(outcome.only_finding().entity.names[0].value, "web.service");
    outcome.mentions("The quota of system.slice, above it, is smaller still");
}

#[test]
fn little_steal_is_not_named() {
    let mut window = window("fires-nested");
    window.snapshot().families.cpu.as_mut().unwrap().host.steal_ns = SECOND;
    window.judge::<CpuThrottling>().fires(Severity::Warning).does_not_mention("hypervisor");
}

#[test]
fn thresholds_are_sharp() {
    let (five, quarter) = (SECOND * 3 / 2, SECOND * 15 / 2);
    throttled(100, 25, 6 * SECOND).is_quiet();
    throttled(100, 26, five).is_quiet();
    throttled(100, 26, five + 1).fires(Severity::Warning);
    throttled(100, 49, quarter).fires(Severity::Warning);
    throttled(100, 50, quarter - 1).fires(Severity::Warning);
    throttled(100, 50, quarter).fires(Severity::Critical);
    window("quiet-rare")
        .judge::<CpuThrottling>()
        .is_quiet()
        .mentions("web.service held back in 12 % of 300 periods, threshold 25 %");
    window("quiet-short").judge::<CpuThrottling>().is_quiet().mentions("for 3 % of its time, threshold 5 %");
    window("quiet-short").parameter("time_warning", 0.02).judge::<CpuThrottling>().fires(Severity::Warning);
}

#[test]
fn few_periods_are_not_judged() {
    window("quiet-few").judge::<CpuThrottling>().is_quiet().mentions("web.service: 49 periods, 50 needed");
    throttled(50, 50, 4 * SECOND).fires(Severity::Warning);
    window("quiet-few").parameter("min_periods", 49.0).judge::<CpuThrottling>().fires(Severity::Warning);
}

#[test]
fn no_quota_is_quiet() {
    window("quiet-none").judge::<CpuThrottling>().is_quiet().mentions("no control group has a CPU quota");
    throttled(0, 0, 0).is_quiet().mentions("no control group has a CPU quota");
}

#[test]
fn kerno_does_not_accuse_itself() {
    judge("fires-one-thread", |web| web.own = true).is_quiet().does_not_mention("web.service");
}

#[test]
fn totals_are_judged_with_less_confidence_and_gaps_are_never_quiet() {
    let mut totals = window("fires-bursts");
    totals.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    assert!(totals.judge::<CpuThrottling>().only_finding().confidence < 0.5);
    let mut lossy = window("quiet-none");
    lossy.snapshot().collectors[0].lost = 9;
    lossy.judge::<CpuThrottling>().is_not_evaluated();
    let mut unseen = window("quiet-none");
    unseen.snapshot().families.cpu.as_mut().unwrap().unseen = Some("no hierarchy of control groups can be read".to_owned());
    unseen.judge::<CpuThrottling>().is_not_evaluated().mentions("no hierarchy of control groups can be read; of what was seen");
    let mut none = window("quiet-none");
    none.snapshot().families.cpu = None;
    none.judge::<CpuThrottling>().is_not_evaluated().mentions("cpu was not measured");
}

#[test]
fn names_are_quoted_in_commands() {
    let outcome = judge("fires-one-thread", |web| {
        (web.cgroup.unit, web.cgroup.path) = (None, Some("/a;reboot".to_owned()));
    });
    outcome.mentions("echo max > '/sys/fs/cgroup/a;reboot/cpu.max'").mentions("cd '/sys/fs/cgroup/a;reboot' 2>");
}
