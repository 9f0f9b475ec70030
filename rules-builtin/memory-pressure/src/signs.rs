//! Signs that the kernel stalls or reclaims because memory is short.

use kerno_rules_sdk::prelude::*;

/// What decides.
pub(crate) struct Thresholds {
    pub used: f64,
    stall_share: f64,
    limit_events: f64,
    faults: f64,
    direct_reclaims: f64,
}

impl Thresholds {
    pub fn read(signals: &Signals) -> Self {
        Self {
            used: signals.parameter("use_threshold"),
            stall_share: signals.parameter("stall_share"),
            limit_events: signals.parameter("limit_events_per_second"),
            faults: signals.parameter("faults_per_second"),
            direct_reclaims: signals.parameter("direct_reclaims_per_second"),
        }
    }
}

/// Those that are past their threshold.
#[derive(Default)]
pub(crate) struct Signs {
    /// Share of the time that tasks waited for memory.
    pub stalled: Option<f64>,
    /// Times that the limit was met, when that was all the time. Once is no sign: page cache meets a limit, and gives way.
    pub met: Option<u64>,
    /// Page faults a second that waited for swap.
    pub faults: Option<f64>,
    /// Allocations a second that reclaimed memory themselves; looked at where stall time is not known.
    pub reclaims: Option<f64>,
}

impl Signs {
    pub fn any(&self) -> bool {
        self.stalled.is_some() || self.met.is_some() || self.faults.is_some() || self.reclaims.is_some()
    }

    pub fn of_host(host: &HostMemory, thresholds: &Thresholds) -> Self {
        let major = host.major_faults as f64;
        let reclaims = host.direct_reclaims as f64 / host.duration;
        let looked_at = host.stall_some.is_none() && reclaims.is_finite() && reclaims >= thresholds.direct_reclaims;
        Self {
            stalled: host.stall_some.filter(|share| *share >= thresholds.stall_share),
            met: None,
            faults: swapping(Some(major), host.refaults_anonymous, host.swap_used, host.duration, thresholds),
            reclaims: looked_at.then_some(reclaims),
        }
    }

    pub fn of_group(filled: &FilledLimit, duration: f64, thresholds: &Thresholds) -> Self {
        let group = &filled.group;
        let major = group.major_faults.map(|faults| faults as f64);
        let swap = group.swap.unwrap_or(0);
        let throttled = group.stall_some.is_none() && group.events.is_some_and(|events| events.high > 0);
        Self {
            stalled: group.stall_some.filter(|share| *share >= thresholds.stall_share),
            // Where stall time is not known: tasks above `memory.high` are made to wait, at `memory.max` page cache may give way.
            met: Some(met(group)).filter(|met| *met > 0 && (throttled || *met as f64 / duration >= thresholds.limit_events)),
            faults: swapping(major, group.refaults_anonymous, swap, duration, thresholds),
            reclaims: None,
        }
    }
}

/// Stall time alone misses swap thrash on some kernels. Major faults are also those of programs that start, so that memory that was
/// swapped out and soon needed again must agree; where that is not counted, swap must be in use.
fn swapping(major: Option<f64>, refaults: Option<u64>, swap: u64, duration: f64, thresholds: &Thresholds) -> Option<f64> {
    let faults = match refaults {
        Some(refaults) => major?.min(refaults as f64),
        None => major.filter(|_| swap > 0)?,
    };
    Some(faults / duration).filter(|rate| rate.is_finite() && *rate >= thresholds.faults)
}

/// How often its own limit was met.
pub(crate) fn met(group: &CgroupMemory) -> u64 {
    group.events.map_or(0, |events| events.high.saturating_add(events.max))
}
