//! Recorded windows that must fire, and that must stay quiet.

use connection_churn::ConnectionChurn;
use kerno_rules_sdk::{Severity, testing::Window};

#[test]
fn a_connection_for_each_request_is_told() {
    let window = Window::from_json(include_str!("../fixtures/fires-each-request.json"));
    window
        .judge::<ConnectionChurn>()
        .fires(Severity::Warning)
        .mentions("web.service has 400 new connections a second, 6 segments");
    window.clone().parameter("rate", 400.0).judge::<ConnectionChurn>().is_quiet();
    window.parameter("segments", 6.0).judge::<ConnectionChurn>().is_quiet();
}

#[test]
fn many_that_stay_or_carry_much_are_none() {
    for window in [include_str!("../fixtures/quiet-they-stay.json"), include_str!("../fixtures/quiet-they-carry-much.json")] {
        Window::from_json(window).judge::<ConnectionChurn>().is_quiet().mentions("threshold 100");
    }
}
