//! What a custom rule does: asks one family for its worst by one key and for one total, compares, formats. How many it asks for is a
//! parameter; with none it does nothing, so that what it costs is what any rule costs.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use kerno_rules_sdk::{Signal, prelude::*};

/// The rule.
pub struct TopOfFamily;

export!(TopOfFamily);

impl Rule for TopOfFamily {
    fn describe() -> Description {
        // Measurements give it other ids of the same length.
        Description::new("top-of-family-000", "A control group waits for a CPU", env!("CARGO_PKG_VERSION"))
            .needs("sched")
            .parameter("records", Unit::Count, 20.0, "control groups that are asked for")
            .parameter("delay", Unit::Seconds, 1e9, "run-queue delay p99 that is too long")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (records, delay) = (signals.parameter("records") as u32, signals.parameter("delay"));
        if records == 0 {
            return Ok(Verdict::Quiet("nothing was asked for".to_owned()));
        }
        let groups = signals.cgroups(0, 0.0, records);
        let waits = signals.host_delay().map_or(0, |delay| delay.count);
        let p99 = |group: &CgroupDelay| group.delay.p99.unwrap_or(group.delay.mean);
        let Some(worst) = groups.iter().max_by(|a, b| p99(a).total_cmp(&p99(b))) else {
            return Ok(Verdict::Quiet(format!("{waits} waits, none of them of a group")));
        };
        let (name, worst_p99) = (worst.cgroup.display_name(), p99(worst));
        if worst_p99 < delay {
            return Ok(Verdict::Quiet(format!("{waits} waits, the worst of {name}: {}", seconds(worst_p99))));
        }
        let signal = Signal::new("run-queue delay p99", worst_p99, delay, Unit::Seconds);
        let title = format!("{name} waits {} for a CPU", seconds(worst_p99));
        let mut finding = Finding::new(Severity::Warning, title, Entity::of_cgroup(&worst.cgroup), signal)
            .cause("Other tasks hold the CPUs.".to_owned())
            .impact(format!("{name} answers late."));
        for group in groups.iter().take(10) {
            finding = finding.evidence(&format!("p99 of {}", group.cgroup.display_name()), p99(group), Unit::Seconds);
        }
        Ok(Verdict::Fired(vec![finding]))
    }
}
