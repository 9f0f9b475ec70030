//! `memory-pressure`: memory is nearly used up; whether the kernel already stalls or reclaims for it makes it a warning.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod pressure;
mod signs;

use kerno_rules_sdk::prelude::*;

use crate::signs::Thresholds;

/// The rule.
pub struct MemoryPressure;

export!(MemoryPressure);

impl Rule for MemoryPressure {
    fn describe() -> Description {
        Description::new("memory-pressure", "Memory is nearly used up", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Info)
            .needs("memory")
            .parameter("use_threshold", Unit::Ratio, 0.90, "share of the limit in use above which it is told")
            .parameter(
                "stall_share",
                Unit::Ratio,
                0.01,
                "share of the time that tasks wait for memory from which on it is a warning",
            )
            .parameter(
                "limit_events_per_second",
                Unit::Count,
                1.0,
                "times a second that a group meets its limit from which on it is a warning, whether or not tasks wait",
            )
            .parameter(
                "faults_per_second",
                Unit::Count,
                20.0,
                "major faults a second, of memory that was swapped out and soon needed again, from which on it is a warning",
            )
            .parameter(
                "direct_reclaims_per_second",
                Unit::Count,
                10.0,
                "allocations a second of the host that reclaim memory themselves from which on it is a warning, without PSI",
            )
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(host)) = (signals.family("memory"), signals.host_memory()) else {
            return Ok(Verdict::NotEvaluated("memory was not measured".to_owned()));
        };
        let thresholds = Thresholds::read(signals);
        let found = pressure::find(signals, &host, &thresholds);
        let quiet = |reason| family.quiet_unless(signals.unseen_memory(), reason);
        if found.is_empty() {
            return Ok(quiet(why_quiet(signals, &host, thresholds.used)));
        }
        let findings: Vec<Finding> = found.iter().map(|one| finding::of(signals, &family, &host, one, &thresholds)).collect();
        // Facts to state leave the host healthy: only what was seen whole is.
        if findings.iter().all(|finding| finding.severity == Severity::Info)
            && let Verdict::NotEvaluated(why) = quiet(findings[0].title.clone())
        {
            return Ok(Verdict::NotEvaluated(why));
        }
        Ok(Verdict::Fired(findings))
    }
}

fn why_quiet(signals: &Signals, host: &HostMemory, threshold: f64) -> String {
    let used = host.working_set as f64 / host.total.max(1) as f64;
    let mut reason = format!("host uses {} of {}", percent(used), bytes(host.total));
    if let Some(group) = signals.memory_groups(MemoryOrder::UseOfLimit, None, 0.0, 2).into_iter().find(|group| !group.own)
        && let Some(limit) = &group.limit
    {
        let share = percent(group.working_set as f64 / limit.bytes.max(1) as f64);
        reason += &format!(", {} {share} of its limit", group.cgroup.display_name());
    }
    reason + &format!(", threshold {}", percent(threshold))
}
