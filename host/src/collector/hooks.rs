//! Where kernel programs are attached: what the collectors want, whether this kernel has it, and what came of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{block, fd, oom, sched, syscall, tcp};
use crate::platform::btf::Btf;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tracepoint whose arguments BTF types.
    TypedTracepoint,
    /// A tracepoint's perf event.
    PerfTracepoint,
    /// The entry of a kernel function.
    Entry,
    /// The return of a kernel function.
    Exit,
    /// An iterator over objects of the kernel.
    Iterator,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TypedTracepoint => "tp_btf",
            Self::PerfTracepoint => "tracepoint",
            Self::Entry => "fentry",
            Self::Exit => "fexit",
            Self::Iterator => "iter",
        })
    }
}

/// A place that a collector attaches a program to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The collector's name.
    pub collector: &'static str,
    /// How.
    pub kind: Kind,
    /// Tracepoint, function or kind of object; of a perf event `category/name`.
    pub target: &'static str,
}

const fn hook(collector: &'static str, kind: Kind, target: &'static str) -> Hook {
    Hook { collector, kind, target }
}

/// The kernel's function behind a system call.
#[cfg(target_arch = "x86_64")]
macro_rules! system_call {
    ($name:literal) => {
        concat!("__x64_sys_", $name)
    };
}
/// The kernel's function behind a system call.
#[cfg(not(target_arch = "x86_64"))]
macro_rules! system_call {
    ($name:literal) => {
        concat!("__arm64_sys_", $name)
    };
}

/// All of them, of which a collector uses what suits the kernel. A guest test holds this list against what is attached.
pub const HOOKS: &[Hook] = &[
    hook(syscall::NAME, Kind::TypedTracepoint, "sys_enter"),
    hook(syscall::NAME, Kind::TypedTracepoint, "sys_exit"),
    hook(syscall::NAME, Kind::PerfTracepoint, "raw_syscalls/sys_enter"),
    hook(syscall::NAME, Kind::PerfTracepoint, "raw_syscalls/sys_exit"),
    hook(sched::NAME, Kind::TypedTracepoint, "sched_switch"),
    hook(sched::NAME, Kind::TypedTracepoint, "sched_migrate_task"),
    hook(block::NAME, Kind::TypedTracepoint, "block_rq_issue"),
    hook(block::NAME, Kind::TypedTracepoint, "block_rq_complete"),
    hook(block::NAME, Kind::TypedTracepoint, "block_rq_requeue"),
    hook(block::NAME, Kind::Exit, system_call!("fsync")),
    hook(block::NAME, Kind::Entry, system_call!("fsync")),
    hook(block::NAME, Kind::Exit, system_call!("fdatasync")),
    hook(block::NAME, Kind::Entry, system_call!("fdatasync")),
    hook(block::NAME, Kind::Exit, system_call!("syncfs")),
    hook(block::NAME, Kind::Entry, system_call!("syncfs")),
    hook(block::NAME, Kind::Exit, system_call!("sync_file_range")),
    hook(block::NAME, Kind::Entry, system_call!("sync_file_range")),
    hook(block::NAME, Kind::Exit, system_call!("msync")),
    hook(block::NAME, Kind::Entry, system_call!("msync")),
    hook(block::NAME, Kind::Exit, "vfs_fsync_range"),
    hook(block::NAME, Kind::Entry, "vfs_fsync_range"),
    hook(oom::NAME, Kind::TypedTracepoint, "mark_victim"),
    hook(oom::NAME, Kind::Entry, "mark_oom_victim"),
    hook(oom::NAME, Kind::Exit, "oom_kill_process"),
    hook(oom::NAME, Kind::Entry, "__oom_kill_process"),
    hook(oom::NAME, Kind::Entry, "oom_kill_process"),
    hook(fd::NAME, Kind::Iterator, "task"),
    hook(tcp::NAME, Kind::TypedTracepoint, "inet_sock_set_state"),
    hook(tcp::NAME, Kind::TypedTracepoint, "cgroup_mkdir"),
    hook(tcp::NAME, Kind::TypedTracepoint, "cgroup_notify_populated"),
    hook(tcp::NAME, Kind::TypedTracepoint, "sched_process_exec"),
    hook(tcp::NAME, Kind::Iterator, "task_file"),
    hook(tcp::NAME, Kind::Iterator, "task"),
];

impl Hook {
    /// Whether this kernel has it.
    #[must_use]
    pub fn is_in(&self, btf: &Btf) -> bool {
        match self.kind {
            Kind::TypedTracepoint => btf.tracepoint_arguments(self.target).is_some(),
            Kind::PerfTracepoint => {
                let name = self.target.rsplit('/').next().unwrap_or(self.target);
                btf.tracepoint_arguments(name).is_some()
            }
            Kind::Entry | Kind::Exit => btf.has_function(self.target),
            Kind::Iterator => btf.has_function(&format!("bpf_iter_{}", self.target)),
        }
    }
}

/// Whether programs on typed and raw tracepoints can be preempted, which skips the events of other tasks on that CPU meanwhile. They
/// can since tracepoints are guarded by SRCU-fast instead of by forbidding preemption (7.0, a46023d5616e).
#[must_use]
pub fn are_preemptible(btf: &Btf) -> bool {
    btf.has_function("init_srcu_struct_fast")
}

/// A program that was to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The object it is from, which has its collector's name.
    pub object: &'static str,
    /// How.
    pub kind: Kind,
    /// Where.
    pub target: String,
    /// Why it was not; `None` when it was.
    pub error: Option<String>,
}

/// What was attempted, shared by all objects that note it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Attempt>>>);

impl Journal {
    /// So far.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One more.
    pub(super) fn note(&self, attempt: Attempt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hook_is_listed_twice() {
        for (index, hook) in HOOKS.iter().enumerate() {
            assert!(!HOOKS[..index].contains(hook), "{hook:?}");
        }
    }
}
