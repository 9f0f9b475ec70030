//! Open file descriptors and their growth.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Trend};

/// Descriptors over the window, counted about once a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fd {
    /// Processes that run at the window's end: those that gained most, those nearest to their limit and those with most
    /// descriptors. The one that gained most comes first.
    pub processes: Vec<FdProcess>,
    /// Processes at the window's end that are not listed.
    pub others: u64,
    /// Of all processes.
    pub total: FdTotal,
    /// Processes at the last count whose descriptors could not be counted, as far as they are known: they are in nothing else here.
    #[serde(default)]
    pub unseen: u64,
    /// Of the whole system; `None` when it cannot be read.
    pub system: Option<FileTable>,
    /// How many times descriptors were counted, start and end included.
    pub readings: u32,
}

/// Descriptors of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FdProcess {
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
    /// Its control group; `None` when it cannot be read.
    pub cgroup: Option<Cgroup>,
    /// When it started, nanoseconds since boot: with the pid it names one process for ever.
    pub start_ns: u64,
    /// How long it was watched, nanoseconds: less than the window when it started later.
    pub watched_ns: u64,
    /// At the first count.
    pub first: u64,
    /// At the last count. Slots in use: one that an `open` or `accept` in progress has taken is in use.
    pub last: u64,
    /// The most at any count.
    pub peak: u64,
    /// Its soft limit (`RLIMIT_NOFILE`) at the last count; `None` when it cannot be read.
    pub limit: Option<u64>,
    /// Its hard limit, which the soft one may be raised to; `None` when it was not read, as of processes that gained nothing.
    #[serde(default)]
    pub hard_limit: Option<u64>,
    /// Its growth, fitted robustly; `None` when it was counted only once.
    pub trend: Option<Trend>,
    /// What it gained, net of what it closed, in each of five equal parts of the time it was watched, in order. Fewer parts when it
    /// was counted fewer than six times.
    pub gained: Vec<i64>,
    /// Older process that has the same table (`CLONE_FILES`): the descriptors are those of that one.
    pub shared_with: Option<u32>,
    /// It is kerno.
    pub own: bool,
}

impl FdProcess {
    /// Net gain over the time it was watched.
    #[must_use]
    pub fn growth(&self) -> i64 {
        self.last.cast_signed().saturating_sub(self.first.cast_signed())
    }

    /// In how many parts of the time it gained more than it closed.
    #[must_use]
    pub fn grew_in(&self) -> usize {
        self.gained.iter().filter(|gain| **gain > 0).count()
    }
}

/// Descriptors of all processes but kerno, whose own come and go with the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdTotal {
    /// Processes at the last count, kerno included.
    pub processes: u64,
    /// Descriptors at the first count; a table that processes share counts once.
    pub first: u64,
    /// The same at the last count.
    pub last: u64,
    /// Processes at the last count whose table belongs to an older process.
    pub sharing: u64,
}

/// The kernel's table of open files, which all descriptors of all processes point into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTable {
    /// Open files.
    pub open: u64,
    /// The most there may be (`fs.file-max`).
    pub max: u64,
}
