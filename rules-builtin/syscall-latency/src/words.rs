//! Where the time of late calls went, and what that says.

use kerno_rules_sdk::prelude::*;

use crate::fault::Fault;

/// The parts of the judged time, seconds, and what is not judged.
#[derive(Default)]
pub(crate) struct Split {
    pub on_cpu: f64,
    pub uninterruptible: f64,
    pub interruptible: f64,
    pub waiting_for_cpu: f64,
}

impl Split {
    /// Of the late calls themselves where their processes are known, else of all calls of the name.
    pub fn of(fault: &Fault) -> Option<Self> {
        let mut split = Self::default();
        for caller in &fault.callers {
            split.add(&caller.parts, caller.judged);
        }
        if let (true, Some(time)) = (fault.callers.is_empty(), &fault.worst().time) {
            split.add(&time.parts, time.judged.mean * time.judged.count as f64);
        }
        (split.judged() > 0.0).then_some(split)
    }

    /// Of the sleep only what is left of the judged time is judged.
    fn add(&mut self, parts: &CallParts, judged: f64) {
        let on_cpu = parts.on_cpu.min(judged);
        let uninterruptible = parts.uninterruptible.min(judged - on_cpu);
        self.on_cpu += on_cpu;
        self.uninterruptible += uninterruptible;
        self.interruptible += judged - on_cpu - uninterruptible;
        self.waiting_for_cpu += parts.waiting_for_cpu;
    }

    pub fn judged(&self) -> f64 {
        self.on_cpu + self.uninterruptible + self.interruptible
    }
}

/// Why calls are late: from where their time went, and from the kernel function that one in flight sleeps in.
pub(crate) fn cause(fault: &Fault) -> String {
    let sleeps_in = fault.breaches.iter().flat_map(|breach| &breach.in_flight).find_map(|call| call.sleeps_in.as_deref());
    let whom = sleeps_in.map(|function| format!(" They sleep in {function}: {}.", waited_for(function))).unwrap_or_default();
    let Some(split) = Split::of(fault) else {
        return if whom.is_empty() {
            "They sleep in the kernel, and nothing wakes them.".to_owned()
        } else {
            whom.trim_start().to_owned()
        };
    };
    let share = |part: f64| percent(part / split.judged());
    let most = split.on_cpu.max(split.uninterruptible).max(split.interruptible);
    let main = if split.uninterruptible >= most {
        format!(
            "{} of their time is uninterruptible sleep in the kernel: a disk, a network file system, or a lock of the kernel.",
            share(split.uninterruptible)
        )
    } else if split.interruptible >= most {
        format!(
            "{} of their time is sleep until a server of a file system answers (FUSE, 9P, a network file system).",
            share(split.interruptible)
        )
    } else {
        format!(
            "{} of their time is spent on the CPU: the kernel itself works that long, on large buffers or mappings, or spins on a lock.",
            share(split.on_cpu)
        )
    };
    let queued = if split.waiting_for_cpu > split.judged() {
        format!(
            " Besides they waited {} for a CPU, which is not judged here: see scheduler-contention.",
            seconds(split.waiting_for_cpu)
        )
    } else {
        String::new()
    };
    main + &whom + &queued
}

/// What a sleep in this kernel function waits for.
fn waited_for(function: &str) -> &'static str {
    const KNOWN: &[(&str, &str)] = &[
        ("rpc_", "the server of an NFS mount does not answer"),
        ("nfs", "the server of an NFS mount does not answer"),
        ("cifs", "the server of an SMB mount does not answer"),
        ("smb", "the server of an SMB mount does not answer"),
        ("fuse_", "the server of a FUSE mount does not answer"),
        ("__fuse_", "the server of a FUSE mount does not answer"),
        ("request_wait_answer", "the server of a FUSE mount does not answer"),
        ("p9_", "the server of a 9P mount does not answer"),
        ("ceph", "the servers of a Ceph mount do not answer"),
        ("jbd2", "the journal of a file system is held up"),
        ("xlog", "the journal of a file system is held up"),
        ("xfs_", "XFS is held up"),
        ("btrfs", "Btrfs is held up"),
        ("percpu_rwsem_wait", "a file system is frozen, or all its writers are held up"),
        ("sb_", "a file system is frozen, or all its writers are held up"),
        ("io_schedule", "a block device does not answer"),
        ("blk_", "a block device does not answer"),
        ("folio_wait", "a block device or the server of a file system does not answer"),
        ("wait_on_page", "a block device or the server of a file system does not answer"),
        ("balance_dirty_pages", "writing is throttled until dirty pages are written out"),
        ("rwsem", "a lock of the kernel is held by another"),
        ("down_", "a lock of the kernel is held by another"),
        ("__mutex", "a lock of the kernel is held by another"),
        ("mem_cgroup", "memory of its control group is reclaimed first"),
    ];
    KNOWN.iter().find(|(prefix, _)| function.starts_with(prefix)).map_or("its name tells what they wait for", |(_, what)| what)
}
