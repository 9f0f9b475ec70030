//! One window after the other: each has collectors of its own, with all that they need.

use std::io::{BufRead, BufReader};

use kerno::platform::capabilities::Capability;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::launch::{Launch, capabilities_of, distribution_defaults};

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_window_is_measured_by_ebpf_and_the_thread_that_measures_gives_up_what_it_needs_no_more() {
    distribution_defaults();
    // From 7.0 on nothing is missed with perf events alone.
    std::fs::write("/proc/sys/kernel/perf_event_paranoid", "2").unwrap();
    let mut kerno = Launch::least().start(&["doctor", "--continuous", "-d", "3s", "--interval", "8s", "-q", "-o", "json"]);
    let mut lines = BufReader::new(kerno.stdout.take().unwrap()).lines();
    for number in 1..=3 {
        let report: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let collectors = report["collectors"].as_array().unwrap();
        for collector in collectors {
            assert_eq!(collector["status"], "running", "window {number}: {collector:#}");
            assert_ne!(collector["coverage"], "fallback", "window {number}: {collector:#}");
        }
        assert_eq!(collectors.len(), 8);
        assert!(report["window"]["events"].as_u64().unwrap() > 100, "{report:#}");
        assert_eq!(report["rules_generation"], 1);
        let evaluated = report["rules"].as_array().unwrap().iter().filter(|rule| rule["status"] != "not_evaluated");
        assert_eq!(evaluated.count(), 12, "window {number}: {report:#}");
    }
    // The thread that waits for the next window keeps what starts it; those beside it have next to nothing.
    let all: u64 = Capability::LEAST.iter().fold(0, |mask, capability| mask | 1 << *capability as u64);
    let held = capabilities_of(kerno.id());
    assert_eq!(held.iter().filter(|held| **held == all).count(), 1, "{held:x?}");
    kill_process(Pid::from_child(&kerno), Signal::INT).unwrap();
    while lines.next().is_some() {}
    assert_eq!(kerno.wait().unwrap().code(), Some(0));
}
