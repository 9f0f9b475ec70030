//! What the cpu, cpuacct and cpuset controllers tell of one group.

use std::path::Path;

use super::{Error, Version, file};
use crate::platform::host::count_list;

/// Account of a group and all below it, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// CPU time used, nanoseconds. `None` on v1, where another controller counts it: [`usage_v1`].
    pub usage_ns: Option<u64>,
    /// What its own quota did; `None` for a group without the controller.
    pub throttling: Option<Throttling>,
}

/// What a quota did since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which the group was active, counted while it has a quota.
    pub periods: u64,
    /// Those in which it used its quota up.
    pub throttled_periods: u64,
    /// Time its tasks were held back, nanoseconds, summed over CPUs.
    pub throttled_ns: u64,
}

/// CPU time that a group may use in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// CPU time, nanoseconds.
    pub quota_ns: u64,
    /// Length of a period, nanoseconds.
    pub period_ns: u64,
    /// Unused quota of earlier periods that may be added, nanoseconds (since 5.14).
    pub burst_ns: u64,
}

/// Share of the CPU where groups compete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// `cpu.weight` (1–10,000, usually 100), or on v1 `cpu.shares` (from 2, usually 1,024).
    pub value: Option<u64>,
    /// It runs only where nothing else does (`cpu.idle`).
    pub idle: bool,
    /// There is no lower weight.
    pub lowest: bool,
}

/// Reads `cpu.stat`; `None` when the group is gone.
pub fn stat(directory: &Path, version: Version) -> Result<Option<Stat>, Error> {
    file::parse(directory, "cpu.stat", "lines such as `nr_periods 5`", |text| parse_stat(text, version))
}

/// CPU time that a v1 group used since it was made, nanoseconds, from its directory in the hierarchy of cpuacct.
pub fn usage_v1(directory: &Path) -> Result<Option<u64>, Error> {
    file::parse(directory, "cpuacct.usage", "a number", |text| text.trim().parse().ok())
}

/// The group's own quota; `None` without one.
pub fn quota(directory: &Path, version: Version) -> Result<Option<Quota>, Error> {
    let number = |name| file::parse(directory, name, "a number", |text| text.trim().parse::<i64>().ok());
    let microseconds = |value: i64| u64::try_from(value).ok().map(|us| us.saturating_mul(1_000));
    let (quota, burst) = match version {
        Version::V2 => (
            file::parse(directory, "cpu.max", "`max` or a number, and a number", parse_max)?.flatten(),
            number("cpu.max.burst")?.and_then(microseconds),
        ),
        Version::V1 => {
            let quota = number("cpu.cfs_quota_us")?.and_then(microseconds);
            let period = number("cpu.cfs_period_us")?.and_then(microseconds);
            (quota.zip(period), number("cpu.cfs_burst_us")?.and_then(microseconds))
        }
    };
    Ok(quota.filter(|(_, period)| *period > 0).map(|(quota_ns, period_ns)| Quota {
        quota_ns,
        period_ns,
        burst_ns: burst.unwrap_or(0),
    }))
}

/// The group's weight.
pub fn weight(directory: &Path, version: Version) -> Result<Weight, Error> {
    let (name, lowest) = match version {
        Version::V2 => ("cpu.weight", 1),
        Version::V1 => ("cpu.shares", 2),
    };
    let number = |name| file::parse(directory, name, "a number", |text| text.trim().parse::<u64>().ok());
    let idle = number("cpu.idle")? == Some(1);
    // Where `cpu.idle` is set, `cpu.weight` reads as 0.
    let value = number(name)?;
    Ok(Weight { value, idle, lowest: idle || value.is_some_and(|value| value <= lowest) })
}

/// CPUs that the group may run on; `None` without the cpuset controller.
pub fn cpus(directory: &Path, version: Version) -> Result<Option<u32>, Error> {
    let name = match version {
        Version::V2 => "cpuset.cpus.effective",
        Version::V1 => "cpuset.effective_cpus",
    };
    let Some(text) = file::read(directory, name)? else { return Ok(None) };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let what = "a list such as `0-3,8` expected".to_owned();
    count_list(&text).map(Some).ok_or_else(|| Error::Content { path: directory.join(name), what })
}

/// v2: `usage_usec … nr_periods … nr_throttled … throttled_usec`, the last three only with the controller. v1: the same three,
/// time in nanoseconds as `throttled_time`.
fn parse_stat(text: &str, version: Version) -> Option<Stat> {
    let throttled_ns = match version {
        Version::V2 => file::number(text, "throttled_usec").map(|us| us.saturating_mul(1_000)),
        Version::V1 => file::number(text, "throttled_time"),
    };
    let throttling = throttled_ns.and_then(|throttled_ns| {
        let (periods, throttled_periods) = (file::number(text, "nr_periods")?, file::number(text, "nr_throttled")?);
        Some(Throttling { periods, throttled_periods, throttled_ns })
    });
    let usage_ns = file::number(text, "usage_usec").map(|us| us.saturating_mul(1_000));
    // A kernel without CONFIG_CFS_BANDWIDTH has an empty file on v1.
    (version == Version::V1 || usage_ns.is_some()).then_some(Stat { usage_ns, throttling })
}

/// `max 100000` or `quota period`, microseconds. The outer `None` is a text that is not understood.
fn parse_max(text: &str) -> Option<Option<(u64, u64)>> {
    let (quota, period) = text.trim().split_once(' ')?;
    let period = period.parse::<u64>().ok()?.checked_mul(1_000)?;
    match quota {
        "max" => Some(None),
        quota => Some(Some((quota.parse::<u64>().ok()?.checked_mul(1_000)?, period))),
    }
}

#[cfg(test)]
mod tests;
