//! How control groups start that were made in the window.

use serde::{Deserialize, Serialize};

use crate::Cgroup;

/// Control groups of the unified hierarchy that were made in the window and in which something ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Those that are told apart, in the order in which they were made.
    pub groups: Vec<GroupStart>,
    /// Control groups made, those in which nothing ran included.
    pub made: u64,
    /// Of them, those that there was no room for.
    pub untold: u64,
    /// Groups, programs and processes that the kernel skipped kerno's programs for; `None` when that cannot be read.
    pub missed: Option<u64>,
}

impl Start {
    /// Lost in any way that is known.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.untold + self.missed.unwrap_or(0)
    }
}

/// How one started. Times are nanoseconds since it was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupStart {
    /// The group.
    pub cgroup: Cgroup,
    /// How long it was there until the window ended, or its last process did.
    pub age_ns: u64,
    /// Whether its last process has ended.
    pub ended: bool,
    /// The first process was in it, or in a group below it.
    pub populated_ns: Option<u64>,
    /// A program was executed in it: the first one, or the first one in another mount namespace than that of who made the group.
    pub executed_ns: Option<u64>,
    /// Command name of that program.
    pub program: Option<String>,
    /// Whether it was in another mount namespace.
    pub own_mounts: bool,
    /// Its first TCP socket listened.
    pub listened_ns: Option<u64>,
    /// Command name of who listened.
    pub listener: Option<String>,
    /// Where; `None` when the kernel had yet to choose a port.
    pub port: Option<u16>,
    /// The first connection to it was there to be accepted.
    pub connected_ns: Option<u64>,
    /// The first data came on a connection that the other side began.
    pub asked_ns: Option<u64>,
    /// It first sent data on a connection that the other side began.
    pub answered_ns: Option<u64>,
    /// More connections waited than could be looked after, or they could not be looked at: that none was answered is not known.
    pub answer_unknown: bool,
    /// Groups that were made below it.
    pub below: u64,
}
