//! Recorded windows that must fire, and that must stay quiet.

use kerno_rules_sdk::{Severity, testing::Window};
use steal_time::StealTime;

#[test]
fn a_third_taken_is_critical_and_told_as_a_factor() {
    let window = Window::from_json(include_str!("../fixtures/fires-a-third.json"));
    window.judge::<StealTime>().fires(Severity::Critical).mentions("33.3 %").mentions("1.5 times as long");
    window.clone().parameter("share_critical", 0.4).judge::<StealTime>().fires(Severity::Warning);
    window.parameter("share_warning", 0.34).parameter("share_critical", 0.4).judge::<StealTime>().is_quiet();
}

#[test]
fn what_an_idle_host_did_not_want_was_not_taken() {
    Window::from_json(include_str!("../fixtures/quiet-hardly-any.json")).judge::<StealTime>().is_quiet().mentions("1.1 %");
    Window::from_json(include_str!("../fixtures/quiet-idle.json")).judge::<StealTime>().is_quiet().mentions("1 s needed");
}

#[test]
fn without_the_accounts_nothing_is_said() {
    let mut window = Window::from_json(include_str!("../fixtures/fires-a-third.json"));
    window.snapshot().families.cpu = None;
    window.judge::<StealTime>().is_not_evaluated();
}
