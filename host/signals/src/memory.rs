//! Memory of the host and its control groups: what is used and cannot be reclaimed, against which limit, how it grows, who stalls.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Stall, Trend};

/// Memory at the window's end, and what happened to it over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Time between the first and the last reading, nanoseconds: what every count below is to be divided by.
    pub duration_ns: u64,
    /// The whole host.
    pub host: HostMemory,
    /// Control groups but the root: those that met a limit first, then the fullest.
    pub cgroups: Vec<CgroupMemory>,
    /// Groups that were read and are not in `cgroups`, which has the first ones of that order only.
    pub left_out: u64,
    /// Groups that ended in the window. They are told as they were last read, which is once in a while.
    pub vanished: u64,
    /// Why some groups, or limits above those that are visible, were not seen.
    #[serde(default)]
    pub unseen: Option<String>,
}

/// Memory of the host. Sources: `/proc/meminfo`, `/proc/vmstat`, `/proc/pressure/memory`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostMemory {
    /// All that the kernel has.
    pub total_bytes: u64,
    /// What it can still hand out without swapping, by its own estimate; what ZFS would give back; free pages that CPUs keep at hand.
    pub available_bytes: u64,
    /// The rest: what is used and cannot be reclaimed. tmpfs, shared memory and reserved huge pages are in it, page cache is not.
    pub working_set_bytes: u64,
    /// Anonymous memory of all processes.
    pub rss_bytes: u64,
    /// tmpfs and shared memory.
    pub shared_bytes: u64,
    /// Reserved for huge pages, used or not.
    pub huge_pages_bytes: u64,
    /// What ZFS' cache would give back. `None` without ZFS.
    pub zfs_reclaimable_bytes: Option<u64>,
    /// Size of the swap space.
    pub swap_total_bytes: u64,
    /// Used of it.
    pub swap_used_bytes: u64,
    /// Growth of the working set, bytes.
    pub growth: Option<Trend>,
    /// Time that tasks waited for memory. `None` without PSI.
    pub stall: Option<Stall>,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Anonymous pages that were swapped out and soon needed again. `None` before 5.9.
    pub refaults_anon: Option<u64>,
    /// Bytes read from swap.
    pub swapped_in_bytes: u64,
    /// Bytes written to swap.
    pub swapped_out_bytes: u64,
    /// Allocations that had to reclaim memory themselves.
    pub direct_reclaims: u64,
}

/// Memory of one control group and all below it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupMemory {
    /// Which group, by its number in the hierarchy of the other families; 0 when it is in another only (v1).
    pub cgroup: Cgroup,
    /// All that is charged to it, page cache included.
    pub current_bytes: u64,
    /// What of it cannot be reclaimed without swapping: all but page cache and reclaimable slab.
    pub working_set_bytes: u64,
    /// Anonymous memory.
    pub rss_bytes: u64,
    /// tmpfs and shared memory.
    pub shared_bytes: u64,
    /// The smallest limit on the way up, hard or soft.
    pub limit: Option<MemoryLimit>,
    /// The smallest hard limit on the way up: the one that kills.
    pub hard_limit: Option<MemoryLimit>,
    /// Swap used. `None` when it is not counted.
    pub swap_bytes: Option<u64>,
    /// Its own limit of swap. `None` without one.
    pub swap_limit_bytes: Option<u64>,
    /// Growth of the working set, bytes. `None` when it was read less than twice.
    pub growth: Option<Trend>,
    /// Time that its tasks waited for memory. `None` without PSI and on v1.
    pub stall: Option<Stall>,
    /// How often limits of its own were met, and those of groups below it.
    pub events: Option<MemoryEvents>,
    /// Page faults that waited for a disk. `None` when they are not counted.
    pub major_faults: Option<u64>,
    /// Anonymous pages that were swapped out and soon needed again. `None` before 5.9 and where v1 does not count them.
    pub refaults_anon: Option<u64>,
    /// Nothing but kerno runs in it.
    #[serde(default)]
    pub own: bool,
}

/// A limit of memory and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLimit {
    /// The limit.
    pub bytes: u64,
    /// What happens there.
    pub kind: LimitKind,
    /// Path of the group that has it.
    pub path: String,
}

/// What happens at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// `memory.high`: tasks are slowed down and made to reclaim.
    High,
    /// `memory.max`, `memory.limit_in_bytes`: reclaim, then a kill.
    Max,
}

/// How often the group's own limits were met in the window. Source: `memory.events.local`; before 5.2 `memory.events`, in which those
/// of the groups below are counted as well; on v1 `memory.failcnt` and `memory.oom_control`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEvents {
    /// `memory.high` was exceeded and tasks reclaimed for it. 0 on v1.
    pub high: u64,
    /// An allocation met the hard limit.
    pub max: u64,
    /// Reclaim was no help. On v1 it is not counted: as many as were killed.
    pub oom: u64,
    /// Processes of the group itself that were killed for lack of memory, whoever's limit it was.
    pub oom_kill: u64,
}
