//! The hypervisor gives CPU time that this host wanted to others: everything here takes longer, and nothing here is the cause.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use kerno_rules_sdk::{Signal, prelude::*};

/// The rule.
pub struct StealTime;

export!(StealTime);

impl Rule for StealTime {
    fn describe() -> Description {
        Description::new("steal-time", "The hypervisor gives CPU time to others", env!("CARGO_PKG_VERSION"))
            .needs("cpu")
            .parameter("share_warning", Unit::Ratio, 0.10, "share of the CPU time wanted that is taken, a warning")
            .parameter("share_critical", Unit::Ratio, 0.25, "the same, critical")
            .parameter("min_wanted", Unit::Seconds, 1.0, "CPU time that the host must have wanted")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let Some(host) = signals.host_cpu() else {
            return Ok(Verdict::NotEvaluated("cpu was not measured".to_owned()));
        };
        // An idle host loses nothing: what counts is time that it had something to run.
        let wanted = host.busy + host.steal;
        let (warning, critical) = (signals.parameter("share_warning"), signals.parameter("share_critical"));
        if wanted < signals.parameter("min_wanted") {
            let needed = seconds(signals.parameter("min_wanted"));
            return Ok(Verdict::Quiet(format!("the host wanted {} of CPU time, {needed} needed", seconds(wanted))));
        }
        let share = host.steal / wanted;
        let (severity, threshold) = match share {
            share if share > critical => (Severity::Critical, critical),
            share if share > warning => (Severity::Warning, warning),
            _ => {
                return Ok(Verdict::Quiet(format!(
                    "{} of the CPU time wanted was taken, threshold {}",
                    percent(share),
                    percent(warning)
                )));
            }
        };
        let machine = signals.machine();
        let title = format!("The hypervisor takes {} of the CPU time that {} wants", percent(share), machine.name);
        let signal = Signal::new("steal share", share, threshold, Unit::Ratio);
        let mut finding = Finding::new(severity, title, Entity::node(&machine), signal)
            .cause("Other virtual machines use the CPUs that this one was promised, or its own CPU credit is used up.".to_owned())
            .impact(format!("Whatever runs takes {} times as long.", number(wanted / host.busy.max(0.001))))
            .evidence("CPU time that was taken", host.steal, Unit::Seconds)
            .evidence("CPU time that was used", host.busy, Unit::Seconds);
        if let Some(p99) = signals.host_delay().and_then(|delay| delay.p99) {
            finding = finding.evidence("run-queue delay p99", p99, Unit::Seconds);
        }
        Ok(Verdict::Fired(vec![finding.fix(Urgency::Now, "see how much is taken, CPU by CPU", "mpstat -P ALL 1 5").fix(
            Urgency::WithinFiveMinutes,
            "see which hypervisor it is; ask whoever runs it",
            "systemd-detect-virt",
        )]))
    }
}
