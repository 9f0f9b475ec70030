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
    let most = split.on_cpu.max(split.uninterruptible).max(split.interruptible);
    let (part, what) = if split.uninterruptible >= most {
        (split.uninterruptible, "uninterruptible sleep in the kernel: a disk, a network file system, or a lock of the kernel")
    } else if split.interruptible >= most {
        (split.interruptible, "sleep until a server of a file system answers (FUSE, 9P, a network file system)")
    } else {
        (split.on_cpu, "spent on the CPU: the kernel itself works that long, on large buffers or mappings, or spins on a lock")
    };
    let queued = if split.waiting_for_cpu > split.judged() {
        " Besides they waited longer for a CPU, which is not judged here: see scheduler-contention."
    } else {
        ""
    };
    format!("{whom}{} of their time is {what}.{queued}", percent(part / split.judged()))
}

/// What a sleep in this kernel function waits for.
fn waited_for(function: &str) -> &'static str {
    const KNOWN: &[(&str, &str)] = &[
        ("rpc_", NFS),
        ("nfs", NFS),
        ("cifs", "the server of an SMB mount does not answer"),
        ("fuse_", FUSE),
        ("__fuse_", FUSE),
        ("request_wait_answer", FUSE),
        ("p9_", "the server of a 9P mount does not answer"),
        ("jbd2", JOURNAL),
        ("xlog", JOURNAL),
        ("percpu_rwsem_wait", "a file system is frozen, or all its writers are held up"),
        ("io_schedule", STORAGE),
        ("folio_wait", STORAGE),
        ("wait_on_page", STORAGE),
        ("balance_dirty_pages", "writers are throttled until dirty pages are written out"),
        ("rwsem", LOCK),
        ("down_", LOCK),
        ("__mutex", LOCK),
    ];
    const NFS: &str = "the server of an NFS mount does not answer";
    const FUSE: &str = "the server of a FUSE mount does not answer";
    const JOURNAL: &str = "the journal of a file system is held up";
    const STORAGE: &str = "a block device or the server of a file system does not answer";
    const LOCK: &str = "a lock of the kernel is held by another";
    KNOWN.iter().find(|(prefix, _)| function.starts_with(prefix)).map_or("its name tells what they wait for", |(_, what)| what)
}
