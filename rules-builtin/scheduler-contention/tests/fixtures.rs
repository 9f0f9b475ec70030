//! Recorded windows that must fire, and that must stay quiet.

use kerno_rule_scheduler_contention::SchedulerContention as Contention;
use kerno_rules_sdk::testing::{Window, snapshot::Coverage};
use kerno_rules_sdk::{EntityKind, Severity};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn hogs_are_named_with_who_waits_and_who_runs() {
    let outcome = window("fires-hogs").judge::<Contention>();
    outcome.fires(Severity::Critical).mentions("stress-ng-cpu (pid 4121)").mentions("renice -n 10 -p 4121");
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
    missing.snapshot().sched = None;
    missing.judge::<Contention>().is_not_evaluated();
}
