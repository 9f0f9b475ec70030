//! `scheduler-contention`: runnable tasks wait too long for a CPU, on the host or in a control group.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod contention;
mod quota;
mod window;

use kerno_rules_sdk::prelude::*;

use crate::window::Window;

/// The rule.
pub struct SchedulerContention;

export!(SchedulerContention);

impl Rule for SchedulerContention {
    fn describe() -> Description {
        Description::new("scheduler-contention", "Tasks wait for a CPU", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("sched")
            .parameter("p99_warning", Unit::Seconds, 0.005, "run-queue delay p99 that is a warning")
            .parameter("p99_critical", Unit::Seconds, 0.020, "run-queue delay p99 that is critical")
            .parameter("min_waits", Unit::Count, 100.0, "waits of the host or of a group that are needed to judge it")
            .parameter(
                "max_lost",
                Unit::Ratio,
                0.05,
                "share of lost events above which nothing is judged (quiet needs less than 0.5 %)",
            )
            .parameter(
                "quota_share",
                Unit::Ratio,
                0.25,
                "share of a group's waiting, or of the window, that its CPU quota must cause to be named",
            )
            .parameter("steal_share", Unit::Ratio, 0.10, "share of CPU time taken by the hypervisor from which it is named")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let family = match signals.percentiles_of("sched", signals.parameter("max_lost")) {
            Ok(family) => family,
            Err(reason) => return Ok(Verdict::NotEvaluated(reason)),
        };
        let Some(host) = signals.host_delay() else {
            return Ok(Verdict::NotEvaluated("run-queue delay of the host was not measured".to_owned()));
        };
        if family.events == 0 {
            return Ok(Verdict::NotEvaluated(
                "no task was seen to wait or run in the whole window: the collector saw nothing".to_owned(),
            ));
        }
        let window = Window::read(signals, family, host);
        let contention = contention::find(&window);
        let quota = quota::find(&window, contention.is_some());
        let findings: Vec<_> = contention.into_iter().chain(quota).collect();
        Ok(if findings.is_empty() { window.family.quiet(window.why_quiet()) } else { Verdict::Fired(findings) })
    }
}
