//! Out-of-memory kills.

use serde::{Deserialize, Serialize};

use crate::Cgroup;

/// Kills of the kernel's out-of-memory killer in the window, and those before it. What user space kills for lack of memory
/// (systemd-oomd, earlyoom, kubelet evictions) is not among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Oom {
    /// Processes killed: those that were seen, and those that the kernel counted (`/proc/vmstat` `oom_kill`) and nobody saw.
    pub total: u64,
    /// The kills of which more is known, oldest first; the latest when there were too many to keep.
    pub kills: Vec<OomKill>,
    /// Kills per control group of the victims and limit, most first, those that are not in `kills` included.
    pub groups: Vec<OomGroup>,
    /// Kills of which not even the group is known: `total` less the sum of `groups`.
    pub unnamed: u64,
    /// What happened before the window; `None` when it cannot be known.
    pub before: Option<OomBefore>,
}

/// One victim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OomKill {
    /// When, nanoseconds since boot without time asleep (`CLOCK_MONOTONIC`).
    pub at_ns: u64,
    /// Kills of one number happened at once: all of a group with `memory.oom.group` die together.
    pub case: u64,
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
    /// Its control group; `None` when that is not known.
    pub cgroup: Option<Cgroup>,
    /// Whose memory was short.
    pub limit: OomLimit,
    /// What it had in memory; `None` when that is not known.
    pub memory: Option<OomMemory>,
    /// `/proc/<pid>/oom_score_adj`; `None` when that is not known.
    pub score_adj: Option<i32>,
    /// Its badness as the kernel ranked it: thousandths of the memory that it could have used, its adjustment included. `None` when
    /// it was not ranked but died with one that was, or when that is not known.
    pub score: Option<i64>,
    /// Who asked for the memory that was not there; `None` when that is not known.
    pub trigger: Option<OomTrigger>,
}

/// Memory of a victim, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomMemory {
    /// Anonymous.
    pub anon: u64,
    /// Mapped files.
    pub file: u64,
    /// Shared memory and tmpfs.
    pub shmem: u64,
}

impl OomMemory {
    /// Resident set.
    #[must_use]
    pub fn rss(self) -> u64 {
        self.anon.saturating_add(self.file).saturating_add(self.shmem)
    }
}

/// Whose memory was short.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OomLimit {
    /// The host's.
    Host,
    /// That of the memory nodes that a cpuset or a memory policy allows.
    Nodes,
    /// That of a control group: the victim's own or one above it.
    Cgroup(Cgroup),
    /// It is not known.
    Unknown,
}

/// The task that asked for memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomTrigger {
    /// Process id; `None` when it is not known.
    pub pid: Option<u32>,
    /// Command name.
    pub comm: String,
    /// Its control group; `None` when that is not known.
    pub cgroup: Option<Cgroup>,
}

/// Kills in one control group under one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomGroup {
    /// The victims' group; `None` for all groups beyond those that are kept apart.
    pub cgroup: Option<Cgroup>,
    /// The limit.
    pub limit: OomLimit,
    /// How many.
    pub kills: u64,
}

/// Kills before the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OomBefore {
    /// Since boot, by the kernel's own count. Of a group that died together it counts the first victim twice.
    pub since_boot: u64,
    /// Kills since the group was made, of groups that had any and are still there, most first (`memory.events`).
    pub groups: Vec<OomGroup>,
    /// The latest that the kernel's log still holds, oldest first.
    pub kills: Vec<OomKill>,
    /// Why the log could not be read, and `kills` is empty.
    pub log_refused: Option<String>,
}
