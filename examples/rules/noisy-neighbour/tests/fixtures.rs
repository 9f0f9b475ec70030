//! Recorded windows that must fire, and that must stay quiet.

use kerno_rules_sdk::{Severity, testing::Window};
use noisy_neighbour::NoisyNeighbour;

#[test]
fn the_one_that_holds_the_cpus_is_named_and_who_waits() {
    let window = Window::from_json(include_str!("../fixtures/fires-backup.json"));
    let outcome = window.judge::<NoisyNeighbour>();
    outcome.fires(Severity::Warning).mentions("backup.service makes nginx.service wait").mentions("CPUWeight=20");
    assert!(outcome.only_finding().entity.names.iter().any(|name| name.value == "backup.service"), "{outcome:?}");
    window.parameter("share", 0.8).judge::<NoisyNeighbour>().is_quiet();
}

#[test]
fn a_busy_group_that_nobody_waits_for_is_no_fault() {
    Window::from_json(include_str!("../fixtures/quiet-nobody-waits.json"))
        .judge::<NoisyNeighbour>()
        .is_quiet()
        .mentions("no other group waits 5 ms");
}

#[test]
fn waits_that_no_group_causes_are_another_rules_matter() {
    Window::from_json(include_str!("../fixtures/quiet-nobody-is-noisy.json"))
        .judge::<NoisyNeighbour>()
        .is_quiet()
        .mentions("no group uses 50 % of the CPUs");
}
