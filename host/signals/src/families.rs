//! The families of one window, each as it was measured or not at all.

use serde::{Deserialize, Serialize};

use crate::{Block, Cpu, Fd, Memory, Oom, Sched, Syscall, Tcp};

/// What was measured. A family is `None` when it was not; its collector's report says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Families {
    /// System calls.
    pub syscall: Option<Syscall>,
    /// Run-queue delay.
    pub sched: Option<Sched>,
    /// Block requests and the fsync family.
    pub block: Option<Block>,
    /// TCP connections.
    pub tcp: Option<Tcp>,
    /// Out-of-memory kills.
    pub oom: Option<Oom>,
    /// Open file descriptors.
    pub fd: Option<Fd>,
    /// Memory of the host and its control groups.
    pub memory: Option<Memory>,
    /// CPU quotas and usage.
    pub cpu: Option<Cpu>,
}

impl Families {
    /// Whether the family of this name was measured; `None` when there is no such family.
    #[must_use]
    pub fn has(&self, name: &str) -> Option<bool> {
        Some(match name {
            "syscall" => self.syscall.is_some(),
            "sched" => self.sched.is_some(),
            "block" => self.block.is_some(),
            "tcp" => self.tcp.is_some(),
            "oom" => self.oom.is_some(),
            "fd" => self.fd.is_some(),
            "memory" => self.memory.is_some(),
            "cpu" => self.cpu.is_some(),
            _ => return None,
        })
    }
}
