//! Run-queue delay: how long runnable tasks waited for a CPU.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Latency};

/// Run-queue delay over the window: wake-ups, new tasks and preempted tasks; the idle task never.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sched {
    /// All tasks of the host but background ones and kerno's own threads.
    pub host: Latency,
    /// Tasks that asked to wait: nice ≥ 10, `SCHED_BATCH`, `SCHED_IDLE`.
    pub background: Latency,
    /// kerno's own threads.
    pub own: Latency,
    /// Per control group, without background tasks and kerno's own threads.
    pub cgroups: Vec<CgroupDelay>,
    /// Tasks with the longest waits, worst maximum first.
    pub tasks: Vec<TaskDelay>,
    /// Processes that used the most CPU time, most first: who ran while others waited.
    pub runners: Vec<Runner>,
}

/// Run-queue delay inside one control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CgroupDelay {
    /// Which group.
    pub cgroup: Cgroup,
    /// Delay of its own tasks, children's not included.
    pub delay: Latency,
    /// Waits of its background tasks, not in `delay`.
    pub background_waits: u64,
    /// CPU time its tasks used, nanoseconds.
    pub cpu_ns: u64,
    /// Time its CPU quota or an ancestor's held its tasks back, nanoseconds, summed over CPUs. Source: `cpu.stat`. `None` when
    /// neither it nor an ancestor has a quota, or when that could not be read.
    pub throttled_ns: Option<u64>,
    /// True when it has the lowest CPU weight (`cpu.idle`, or the smallest `cpu.weight` or `cpu.shares`): it asked to wait.
    pub lowest_weight: bool,
}

/// One task's long waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDelay {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Command name of the thread.
    pub comm: String,
    /// Its control group's id.
    pub cgroup: u64,
    /// Waits of at least a millisecond.
    pub long_waits: u64,
    /// Their sum, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// It asked to wait (see [`Sched::background`]).
    pub background: bool,
    /// It belongs to kerno.
    pub own: bool,
}

/// CPU time of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runner {
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
    /// Path of its control group, when known.
    pub cgroup: Option<String>,
    /// CPU time in the window, nanoseconds, summed over its threads.
    pub cpu_ns: u64,
    /// It is kerno.
    pub own: bool,
}
