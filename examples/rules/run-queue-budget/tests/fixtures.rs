//! Recorded windows that must fire, and that must stay quiet.

use kerno_rules_sdk::{Severity, testing::Window};
use run_queue_budget::RunQueueBudget;

#[test]
fn a_unit_over_its_budget_is_named() {
    let window = Window::from_json(include_str!("../fixtures/fires-over-budget.json"));
    window.judge::<RunQueueBudget>().fires(Severity::Warning).mentions("nginx.service");
    window.parameter("budget", 0.010).judge::<RunQueueBudget>().is_quiet();
}

#[test]
fn a_name_is_no_command() {
    let window = include_str!("../fixtures/fires-over-budget.json").replace("nginx.service", "a;reboot;b.service");
    Window::from_json(&window).judge::<RunQueueBudget>().mentions("-- 'a;reboot;b.service' CPUWeight");
}

#[test]
fn a_unit_within_its_budget_is_quiet() {
    Window::from_json(include_str!("../fixtures/quiet-within-budget.json")).judge::<RunQueueBudget>().is_quiet();
}
