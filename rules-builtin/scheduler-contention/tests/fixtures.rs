//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_scheduler_contention::SchedulerContention as Contention;
use kerno_rules_sdk::testing::{
    Window,
    snapshot::{Cgroup, Coverage, Latency},
};
use kerno_rules_sdk::{EntityKind, Severity};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn hogs_are_named_with_who_waits_and_who_runs() {
    let outcome = window("fires-hogs").judge::<Contention>();
    outcome.fires(Severity::Critical).mentions("stress-ng-cpu (pid 4121)").mentions("renice -n 10 -p $(ls /proc/4121/task)");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Unit);
}

#[test]
fn groups_that_starve_together_are_one_finding_about_the_node() {
    let outcome = window("fires-everywhere").judge::<Contention>();
    outcome.fires(Severity::Warning).mentions("nginx.service").mentions("batch.service");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Node);
}

#[test]
fn a_quota_is_named_as_the_cause_and_the_host_is_not_blamed() {
    let outcome = window("fires-quota").judge::<Contention>();
    outcome.fires(Severity::Critical).mentions("uses up its CPU quota").does_not_mention("More tasks are ready");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Container);
}

#[test]
fn the_hypervisor_is_named_as_the_cause() {
    let _ = window("fires-steal")
        .judge::<Contention>()
        .fires(Severity::Warning)
        .mentions("31 %")
        .mentions("hypervisor")
        .only_finding();
}

#[test]
fn a_calm_host_is_quiet_with_numbers() {
    window("quiet-idle").judge::<Contention>().is_quiet().mentions("of 12,044 waits, threshold 5 ms");
}

#[test]
fn work_that_asked_to_wait_is_no_fault() {
    window("quiet-background").judge::<Contention>().is_quiet().mentions("lowest CPU weight");
}

#[test]
fn few_waits_are_not_judged() {
    let few = window("quiet-few");
    few.judge::<Contention>().is_quiet().mentions("60 waits, 100 needed");
    few.parameter("min_waits", 50.0).judge::<Contention>().fires(Severity::Critical).mentions("run-queue delay max");
}

const MS: u64 = 1_000_000;

/// A window with so many waits of so many nanoseconds each, on the host and in its one group.
fn waits(number: usize, each_ns: u64) -> Window {
    let mut window = window("quiet-few");
    let sched = window.snapshot().families.sched.as_mut().unwrap();
    sched.host = Latency::from_samples(vec![each_ns; number]);
    sched.cgroups[0].delay = sched.host.clone();
    window
}

/// The host's waits are fast, the group's not.
fn starved(number: usize, each_ns: u64) -> Window {
    let mut window = waits(number, each_ns);
    window.snapshot().families.sched.as_mut().unwrap().host = Latency::from_samples(vec![MS / 10; 100_000]);
    window
}

#[test]
fn the_thresholds_hold_at_their_edges_on_the_host_and_in_a_group() {
    for of in [waits, starved] {
        of(100, 5 * MS).judge::<Contention>().is_quiet().mentions("threshold 5 ms");
        // A histogram tells a duration by 3 %.
        of(100, 5 * MS + MS / 5).judge::<Contention>().fires(Severity::Warning);
        of(100, 20 * MS).judge::<Contention>().fires(Severity::Warning);
        of(100, 21 * MS).judge::<Contention>().fires(Severity::Critical);
        of(99, 90 * MS).judge::<Contention>().is_quiet();
    }
    waits(99, 90 * MS).judge::<Contention>().mentions("99 waits, 100 needed");
    waits(1, 90 * MS).judge::<Contention>().is_quiet().mentions("1 wait, 100 needed");
}

#[test]
fn a_quota_and_a_hypervisor_are_named_from_their_shares_on() {
    // 100 waits of 50 ms are 5 s: a quarter of them, or of the window of 30 s, is the quota's.
    let throttled = |nanoseconds| {
        let mut window = starved(100, 50 * MS);
        window.snapshot().families.sched.as_mut().unwrap().cgroups[0].throttled_ns = Some(nanoseconds);
        window.judge::<Contention>()
    };
    throttled(1_300 * MS).fires(Severity::Critical).mentions("uses up its CPU quota");
    throttled(1_200 * MS).fires(Severity::Critical).does_not_mention("uses up its CPU quota");
    let stolen = |share| {
        let mut window = waits(100, 50 * MS);
        window.snapshot().host.steal_ratio = Some(share);
        window.judge::<Contention>()
    };
    stolen(0.10).mentions("wait for the hypervisor");
    stolen(0.099).fires(Severity::Critical).does_not_mention("wait for the hypervisor");
}

#[test]
fn losses_and_averages_are_not_judged() {
    let mut lossy = window("fires-hogs");
    lossy.snapshot().collectors[0].lost = 1_000;
    lossy.judge::<Contention>().is_not_evaluated().mentions("incomplete (losses)");
    let mut averages = window("fires-hogs");
    averages.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    averages.snapshot().collectors[0].source = "/proc/schedstat".into();
    averages.judge::<Contention>().is_not_evaluated().mentions("/proc/schedstat").mentions("no percentiles");
    let mut missing = window("fires-hogs");
    missing.snapshot().families.sched = None;
    missing.judge::<Contention>().is_not_evaluated();
}

#[test]
fn losses_leave_findings_but_no_quiet() {
    let at = |name: &str, lost: u64| {
        let mut window = window(name);
        let report = &mut window.snapshot().collectors[0];
        (report.events, report.lost) = (100_000 - lost, lost);
        window.judge::<Contention>()
    };
    at("quiet-idle", 499).is_quiet();
    at("quiet-idle", 500).is_not_evaluated().mentions("incomplete: 500 of 100,000 events lost");
    let (sure, unsure) = (at("fires-hogs", 499), at("fires-hogs", 5_000));
    assert!(unsure.only_finding().confidence < sure.only_finding().confidence);
    at("fires-hogs", 5_001).is_not_evaluated();
}

#[test]
fn the_host_is_cleared_beside_a_quota_only_when_nothing_else_waits() {
    window("fires-quota").judge::<Contention>().mentions("CPUs are not the bottleneck");
    let mut both = window("fires-quota");
    let starved = window("fires-hogs").snapshot().families.sched.as_ref().unwrap().cgroups[0].clone();
    both.snapshot().families.sched.as_mut().unwrap().cgroups.push(starved);
    let outcome = both.judge::<Contention>();
    assert_eq!(outcome.findings().len(), 2);
    outcome.mentions("uses up its CPU quota").does_not_mention("not the bottleneck");
}

#[test]
fn many_groups_that_asked_to_wait_hide_none_that_starves() {
    let mut many = window("fires-hogs");
    let groups = &mut many.snapshot().families.sched.as_mut().unwrap().cgroups;
    let mut pod = groups[0].clone();
    pod.lowest_weight = true;
    pod.delay = Latency::from_samples([900_000_000; 200]);
    for id in 0..500 {
        pod.cgroup = Cgroup { id: 10_000 + id, path: Some(format!("/kubepods/besteffort/{id}")), ..Cgroup::default() };
        groups.push(pod.clone());
    }
    many.judge::<Contention>().fires(Severity::Critical).mentions("batch.service");
}

#[test]
fn idle_cpus_are_not_called_too_few_and_no_kernel_thread_is_blamed() {
    let outcome = window("fires-idle").judge::<Contention>();
    outcome
        .fires(Severity::Warning)
        .mentions("The number of CPUs does not explain it")
        .does_not_mention("More tasks are ready")
        .does_not_mention("renice");
    assert!(outcome.only_finding().confidence < 0.7);
    let mut busy_thread = window("fires-hogs");
    for runner in &mut busy_thread.snapshot().families.sched.as_mut().unwrap().runners {
        runner.cgroup = Some("/".into());
    }
    busy_thread.judge::<Contention>().fires(Severity::Critical).does_not_mention("renice").does_not_mention("cpu.weight");
}

#[test]
fn names_are_quoted_in_commands() {
    let mut hostile = window("fires-hogs");
    hostile.snapshot().families.sched.as_mut().unwrap().runners[0].cgroup = Some("/a;reboot".into());
    hostile.judge::<Contention>().mentions("echo 20 > '/sys/fs/cgroup/a;reboot/cpu.weight'");
}
