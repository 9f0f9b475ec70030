//! `oom-imminent`: memory is nearly used up and still grows.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod limit;

use kerno_rules_sdk::prelude::*;

use crate::limit::{Course, Limit, Thresholds};

/// The rule.
pub struct OomImminent;

export!(OomImminent);

impl Rule for OomImminent {
    fn describe() -> Description {
        Description::new("oom-imminent", "Memory runs out soon", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("memory")
            .parameter("use_warning", Unit::Ratio, 0.90, "share of the limit in use above which growth is a warning")
            .parameter("use_critical", Unit::Ratio, 0.95, "share of the limit in use from which on growth is critical")
            .parameter("min_points", Unit::Count, 5.0, "readings that growth must be fitted to")
            .parameter(
                "min_growth",
                Unit::Bytes,
                16_384.0,
                "growth over the window that is less than the kernel's accounting is exact to, and none",
            )
            .parameter("eta_max", Unit::Seconds, 14_400.0, "time to the limit above which it is not near")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(host)) = (signals.family("memory"), signals.host_memory()) else {
            return Ok(Verdict::NotEvaluated("memory was not measured".to_owned()));
        };
        let thresholds = Thresholds::read(signals, &host);
        let over = limit::over(signals, &host, &thresholds);
        let found = limit::imminent(&over, &thresholds);
        if found.is_empty() {
            return Ok(family.quiet_unless(signals.unseen_memory(), why_quiet(signals, &host, &over, &thresholds)));
        }
        Ok(Verdict::Fired(found.iter().map(|one| finding::of(signals, &family, &host, one, &thresholds)).collect()))
    }
}

fn why_quiet(signals: &Signals, host: &HostMemory, over: &[Limit], thresholds: &Thresholds) -> String {
    let mut reason = format!("host uses {} of {}", percent(Limit::of_host(host).share()), bytes(host.total));
    if over.is_empty()
        && let Some(group) = signals.memory_groups(MemoryOrder::UseOfHardLimit, None, 0.0, 2).into_iter().find(|group| !group.own)
        && let Some(limit) = &group.hard_limit
    {
        let share = percent(group.working_set as f64 / limit.bytes.max(1) as f64);
        reason += &format!(", {} {share} of its limit", group.cgroup.display_name());
    }
    reason += &format!(", threshold {}", percent(thresholds.warning));
    for one in over.iter().take(3) {
        let (name, share) = (one.name(), percent(one.share()));
        let course = match one.course(thresholds) {
            Course::Unread(points) => {
                format!("growth of {}, {} needed", counted(points.into(), "reading"), count(thresholds.min_points as u64))
            }
            Course::Slow => format!("which grows, but is not full within {}", about(thresholds.eta_max)),
            Course::Steady | Course::Imminent { .. } => "which does not surely grow".to_owned(),
        };
        reason += &format!("; {name} uses {share}, {course}");
    }
    reason
}
