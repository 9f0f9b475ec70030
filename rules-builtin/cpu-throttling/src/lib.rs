//! `cpu-throttling`: a CPU quota holds a control group back, however idle it looks on average.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod throttle;

use kerno_rules_sdk::prelude::*;

use crate::throttle::{Share, Thresholds};

/// The rule.
pub struct CpuThrottling;

export!(CpuThrottling);

impl Rule for CpuThrottling {
    fn describe() -> Description {
        Description::new("cpu-throttling", "A CPU quota holds work back", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("cpu")
            .parameter(
                "periods_warning",
                Unit::Ratio,
                0.25,
                "share of its CPU periods above which a held-back group is a warning",
            )
            .parameter("periods_critical", Unit::Ratio, 0.50, "share of its CPU periods from which on it is critical")
            .parameter("time_warning", Unit::Ratio, 0.05, "share of the time of the CPUs it can use above which it is a warning")
            .parameter(
                "time_critical",
                Unit::Ratio,
                0.25,
                "share of the time of the CPUs it can use from which on it is critical",
            )
            .parameter("min_periods", Unit::Count, 50.0, "CPU periods of a group that are needed to judge it")
            .parameter("steal_share", Unit::Ratio, 0.10, "share of CPU time taken by the hypervisor from which on it is named")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(host)) = (signals.family("cpu"), signals.host_cpu()) else {
            return Ok(Verdict::NotEvaluated("cpu was not measured".to_owned()));
        };
        let thresholds = Thresholds::read(signals);
        let found = throttle::find(signals, &host, &thresholds);
        if found.is_empty() {
            return Ok(family.quiet_unless(signals.unseen_cpu(), why_quiet(signals, &host, &thresholds)));
        }
        Ok(Verdict::Fired(found.iter().map(|one| finding::of(signals, &family, &host, one, &thresholds)).collect()))
    }
}

fn why_quiet(signals: &Signals, host: &HostCpu, thresholds: &Thresholds) -> String {
    let worst = |min_periods| signals.throttled(min_periods, 0.0, 2).into_iter().find(|group| !group.own);
    if let Some(group) = worst(thresholds.min_periods)
        && let Some(share) = Share::of(&group, host)
    {
        return format!(
            "{} held back in {} of {}, threshold {}, and for {} of its time, threshold {}",
            group.cgroup.display_name(),
            percent(share.periods),
            counted(share.throttling.periods, "period"),
            percent(thresholds.periods_warning),
            percent(share.time),
            percent(thresholds.time_warning)
        );
    }
    match worst(1).and_then(|group| Some((group.throttling?.periods, group.cgroup.display_name()))) {
        Some((periods, name)) => format!("{name}: {}, {} needed", counted(periods, "period"), count(thresholds.min_periods)),
        None => "no control group has a CPU quota that was in force".to_owned(),
    }
}
