//! The families of one window, each as it was measured or not at all.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Block, Cpu, Fd, Memory, Oom, Sched, Start, Syscall, Tcp};

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
    /// How control groups start.
    pub start: Option<Start>,
    /// Why `start` was not measured although its collector, `tcp`, was running.
    pub no_start: Option<String>,
}

/// The collector that tells a family: its namesake, but for those that were added to the collectors there were.
#[must_use]
pub fn collector_of(family: &str) -> &str {
    if family == "start" { "tcp" } else { family }
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
            "start" => self.start.is_some(),
            _ => return None,
        })
    }

    /// Numbers of all processes that are named.
    #[must_use]
    pub fn pids(&self) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        if let Some(syscall) = &self.syscall {
            let calls = syscall.calls.iter().chain(syscall.cgroups.iter().map(|group| &group.call));
            all.extend(calls.flat_map(|call| &call.errors).filter_map(|failure| Some(failure.caller.as_ref()?.pid)));
            all.extend(syscall.processes.iter().map(|slow| slow.caller.pid));
            all.extend(syscall.in_flight.iter().map(|call| call.caller.pid));
        }
        if let Some(sched) = &self.sched {
            all.extend(sched.tasks.iter().map(|task| task.pid));
            all.extend(sched.runners.iter().map(|runner| runner.pid));
        }
        all.extend(self.block.iter().flat_map(|block| &block.syncs).flatten().map(|sync| sync.pid));
        if let Some(tcp) = &self.tcp {
            all.extend(tcp.flows.iter().filter_map(|flow| Some(flow.process.as_ref()?.pid)));
        }
        if let Some(oom) = &self.oom {
            all.extend(oom.kills.iter().map(|kill| kill.pid));
            all.extend(oom.kills.iter().filter_map(|kill| kill.trigger.as_ref()?.pid));
        }
        all.extend(self.fd.iter().flat_map(|fd| &fd.processes).map(|process| process.pid));
        all
    }
}
