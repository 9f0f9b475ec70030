//! CPU time: who used it, which quota held whom back, what the hypervisor took.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Stall};

/// CPU time over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Time between the first and the last reading, nanoseconds: what every number below is to be divided by.
    pub duration_ns: u64,
    /// The whole host.
    pub host: HostCpu,
    /// Control groups but the root: the most throttled first, then the busiest.
    pub cgroups: Vec<CgroupCpu>,
    /// Groups that were read and are not in `cgroups`, which has the first ones of that order only.
    pub left_out: u64,
    /// Groups that ended in the window. They are told as far as they were last read, which is once in a while.
    pub vanished: u64,
    /// Why some groups, or quotas above those that are visible, were not seen.
    #[serde(default)]
    pub unseen: Option<String>,
}

/// CPU time of the host, summed over CPUs. Source: `/proc/stat`, in steps of 10 ms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCpu {
    /// Online CPUs.
    pub cpus: u32,
    /// Time in which they ran something of this host, nanoseconds.
    pub busy_ns: u64,
    /// Time in which they had nothing to run, nanoseconds.
    pub idle_ns: u64,
    /// Part of `idle_ns` in which a task of that CPU waited for a disk, nanoseconds. An estimate of the kernel's.
    pub io_wait_ns: u64,
    /// Time that the hypervisor gave to others while this host had something to run, nanoseconds.
    pub steal_ns: u64,
    /// Time that tasks waited for a CPU. `None` without PSI.
    pub stall: Option<Stall>,
}

/// One control group and all below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupCpu {
    /// Which group.
    pub cgroup: Cgroup,
    /// CPU time used, nanoseconds, summed over CPUs. `None` when it is not counted (v1 without cpuacct).
    pub usage_ns: Option<u64>,
    /// The group's own quota.
    pub quota: Option<Quota>,
    /// The smallest quota on the way up, its own included.
    pub limit: Option<CpuLimit>,
    /// What its own quota did; `None` when it has none.
    pub throttling: Option<Throttling>,
    /// CPUs that its cpuset lets it run on; `None` without one: all of the host's.
    pub cpuset_cpus: Option<u32>,
    /// Threads below it that were running, runnable or held back by the quota, on average over the ticks. Sampled for throttled
    /// groups only.
    pub runnable_threads: Option<f64>,
    /// `cpu.weight` (1–10,000, usually 100), on v1 `cpu.shares` (from 2, usually 1,024).
    pub weight: Option<u64>,
    /// It runs only where nothing else does (`cpu.idle`).
    pub idle: bool,
    /// Time that its tasks waited for a CPU, time held back by a quota included. `None` without PSI and on v1.
    pub stall: Option<Stall>,
    /// Nothing but kerno runs in it.
    #[serde(default)]
    pub own: bool,
}

/// CPU time that a group may use in each period, summed over CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// CPU time, nanoseconds.
    pub quota_ns: u64,
    /// Length of a period, nanoseconds.
    pub period_ns: u64,
    /// Unused quota that may be added to later periods, nanoseconds.
    pub burst_ns: u64,
}

impl Quota {
    /// The quota as a number of CPUs.
    #[must_use]
    pub fn cpus(&self) -> f64 {
        self.quota_ns as f64 / self.period_ns.max(1) as f64
    }
}

/// A quota and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuLimit {
    /// As a number of CPUs.
    pub cpus: f64,
    /// Path of the group that has it.
    pub path: String,
}

/// What a quota did in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which the group was active.
    pub periods: u64,
    /// Those in which it used its quota up and was held back.
    pub throttled_periods: u64,
    /// Time held back, nanoseconds, summed over CPUs: one thread throttled half of the time is half a second a second, eight
    /// threads on eight CPUs four.
    pub throttled_ns: u64,
}
