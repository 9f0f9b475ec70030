//! Recorded windows that must fire, and that must stay quiet.

use kerno_rules_sdk::{
    Severity,
    testing::{Outcome, Window},
};
use slow_container_start::SlowContainerStart;

fn judge(window: &str) -> Outcome {
    Window::from_json(window).judge::<SlowContainerStart>()
}

#[test]
fn the_runtimes_time_is_told_as_such() {
    let outcome = judge(include_str!("../fixtures/fires-slow-mounts.json"));
    outcome.fires(Severity::Warning).mentions("container 3f4a3f4a3f4a took 6.4 s to execute its program").mentions("`server`");
    let finding = outcome.only_finding();
    let evidence: Vec<_> = finding.evidence.iter().map(|evidence| (evidence.key.as_str(), evidence.value)).collect();
    assert_eq!(evidence[0], ("until its first process", 0.03));
    assert!(evidence[3].0 == "from there until the first connection came" && (evidence[3].1 - 1.9).abs() < 1e-9, "{evidence:?}");
    assert!(finding.fixes.iter().any(|fix| fix.command.contains("crictl inspect 3f4a3f4a3f4a")), "{outcome:?}");
}

#[test]
fn the_programs_own_time_is_told_as_such() {
    judge(include_str!("../fixtures/fires-slow-program.json"))
        .fires(Severity::Warning)
        .mentions("took 15 s from its program's start until it listened")
        .mentions("`entrypoint.sh` itself was at work until `java` listened");
}

#[test]
fn a_stage_that_lasts_is_told_as_far_as_it_is() {
    judge(include_str!("../fixtures/fires-no-answer-yet.json"))
        .fires(Severity::Warning)
        .mentions("has not answered what it was first asked yet after 12 s");
    let outcome = judge(include_str!("../fixtures/fires-nothing-executed-yet.json"));
    outcome.fires(Severity::Warning).mentions("has not executed its program yet after 25 s");
    assert_eq!(outcome.only_finding().evidence.len(), 2, "{outcome:?}");
}

#[test]
fn just_under_every_threshold_is_quiet_and_just_over_one_is_not() {
    let window = Window::from_json(include_str!("../fixtures/quiet-just-under.json"));
    window.judge::<SlowContainerStart>().is_quiet().mentions("1 start of containers and services, none");
    for (parameter, under) in [("execute", 1.98), ("listen", 9.98), ("answer", 1.98)] {
        let outcome = window.clone().parameter(parameter, under).judge::<SlowContainerStart>();
        outcome.fires(Severity::Warning);
        assert_eq!(outcome.only_finding().signal.threshold.to_bits(), f64::to_bits(under), "{outcome:?}");
    }
}

#[test]
fn jobs_sessions_and_what_ended_are_no_faults() {
    judge(include_str!("../fixtures/quiet-jobs.json"))
        .is_quiet()
        .mentions("container 55bb55bb55bb does not listen yet after 24.8 s, which a job need not");
    judge(include_str!("../fixtures/quiet-nothing-started.json")).is_quiet().mentions("no container was started");
}

#[test]
fn no_answer_is_no_fault_of_who_ended_or_whose_connections_were_not_all_followed() {
    let changed = |change: fn(&mut kerno_rules_sdk::testing::snapshot::GroupStart)| {
        let mut window = Window::from_json(include_str!("../fixtures/fires-no-answer-yet.json"));
        change(&mut window.snapshot().families.start.as_mut().unwrap().groups[0]);
        window.judge::<SlowContainerStart>()
    };
    changed(|_| {}).fires(Severity::Warning);
    changed(|start| start.ended = true).is_quiet();
    // A probe that only connects.
    changed(|start| start.asked_ns = None).is_quiet();
    // One that speaks first.
    changed(|start| (start.asked_ns, start.answered_ns) = (None, Some(start.age_ns))).mentions("to answer");
    changed(|start| start.answer_unknown = true).is_quiet();
}

#[test]
fn what_was_not_seen_is_not_judged() {
    let mut window = Window::from_json(include_str!("../fixtures/fires-slow-mounts.json"));
    window.snapshot().families.start.as_mut().unwrap().untold = 10;
    window.judge::<SlowContainerStart>().is_not_evaluated().mentions("lost");
    window.snapshot().families.start = None;
    window.judge::<SlowContainerStart>().is_not_evaluated().mentions("start was not measured");
}
