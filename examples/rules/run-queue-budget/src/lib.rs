//! A rule of one's own: no systemd unit may wait longer for a CPU than its budget.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use kerno_rules_sdk::{Signal, prelude::*};

/// The rule.
pub struct RunQueueBudget;

export!(RunQueueBudget);

impl Rule for RunQueueBudget {
    fn describe() -> Description {
        Description::new("run-queue-budget", "A unit waits longer for a CPU than its budget", env!("CARGO_PKG_VERSION"))
            .needs("sched")
            .parameter("budget", Unit::Seconds, 0.002, "run-queue delay p99 that a systemd unit may have")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let budget = signals.parameter("budget");
        // Of the samples at most 5 % may be lost.
        if let Err(reason) = signals.percentiles_of("sched", 0.05) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let mut findings = Vec::new();
        // Groups with at least 100 waits and this p99, the worst ten.
        for group in signals.cgroups(100, budget, 10) {
            let (Some(unit), Some(p99)) = (&group.cgroup.unit, group.delay.p99) else { continue };
            let title = format!("{unit} waits {} for a CPU, budget {}", seconds(p99), seconds(budget));
            let signal = Signal::new("run-queue delay p99", p99, budget, Unit::Seconds);
            // Names are anybody's, and commands are pasted as root.
            let command = format!("systemctl set-property --runtime -- {} CPUWeight=500", shell_quote(unit));
            let finding = Finding::new(Severity::Warning, title, Entity::of_cgroup(&group.cgroup), signal)
                .cause(format!("Other tasks hold the CPUs when {unit} wants to run."))
                .impact(format!("{unit} answers late by as much."))
                .evidence("waits", group.delay.count as f64, Unit::Count)
                .fix(Urgency::Now, "give it a larger share", &command);
            findings.push(finding);
        }
        Ok(if findings.is_empty() {
            Verdict::Quiet(format!("no unit over {}", seconds(budget)))
        } else {
            Verdict::Fired(findings)
        })
    }
}
