//! Which finding can be the cause of which other one, and on what condition: the table that `TRIAGE.md` shows.

use super::condition::Condition::{
    self, Any, Call, CauseIsHost, CauseTells, ConsequenceNames, ConsequenceTells, FactIsShared, GroupAround, GroupWithin,
    GroupsNested, HangIsShared, LimitAround, MinimumWithin, OnlyCause, OnlyCauseOfNobody, OtherCall, SameGroup, SharedProcess,
    SharedRemote,
};

/// One line of the table.
#[derive(Debug)]
pub(super) struct Link {
    /// Its name.
    pub(super) name: &'static str,
    /// The rule whose finding is the cause.
    pub(super) cause: &'static str,
    /// The rule whose finding follows from it.
    pub(super) consequence: &'static str,
    /// All must hold.
    pub(super) when: &'static [Condition],
    /// One clause for the report: how the one makes the other.
    pub(super) because: &'static str,
}

/// The calls that rule 1 measures as its fsync family.
const SYNCS: &[&str] = &["fsync", "fdatasync", "msync", "syncfs", "sync_file_range"];

/// Calls that change the memory map of a process, under the lock that its threads share.
const MAPS: &[&str] = &["mmap", "munmap", "mprotect", "pkey_mprotect", "mremap", "madvise", "brk"];

/// Calls that wait for a file system to read.
const READS: &[&str] = &[
    "read",
    "pread64",
    "readv",
    "preadv",
    "preadv2",
    "getdents",
    "getdents64",
    "open",
    "openat",
    "openat2",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "execve",
    "execveat",
    "readahead",
];

/// Calls that wait for a file system to write.
const WRITES: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "ftruncate",
    "truncate",
    "fallocate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
];

/// Calls whose EMFILE is a user's limit of instances, not a process's of descriptors.
const INSTANCES: &[&str] = &["inotify_init", "inotify_init1"];

/// How `oom-kill` counts kills that no control group's limit made.
const KILLED_FOR_THE_HOST: &str = "kills for lack of the host's memory";

/// How `memory-pressure` tells that tasks wait for memory.
const STALLED: &str = "share of the time that tasks waited for memory";

/// From rule to rule there is no way back: no finding explains itself.
pub(super) const LINKS: &[Link] = &[
    Link {
        name: "slow-disk-to-sync",
        cause: "disk-io-bottleneck",
        consequence: "syscall-latency",
        when: &[Call(SYNCS), HangIsShared, Any(&[SharedProcess, OnlyCause])],
        because: "whoever makes data durable waits for that storage",
    },
    Link {
        name: "slow-disk-to-read",
        cause: "disk-io-bottleneck",
        consequence: "syscall-latency",
        when: &[Call(READS), CauseTells("block read"), HangIsShared, Any(&[SharedProcess, OnlyCauseOfNobody])],
        because: "whoever reads from that device waits for it",
    },
    Link {
        name: "slow-disk-to-write",
        cause: "disk-io-bottleneck",
        consequence: "syscall-latency",
        when: &[Call(WRITES), HangIsShared, Any(&[SharedProcess, OnlyCauseOfNobody])],
        because: "whoever writes waits for that storage or for the journal on it",
    },
    Link {
        name: "growth-to-pressure",
        cause: "oom-imminent",
        consequence: "memory-pressure",
        when: &[GroupAround, FactIsShared],
        because: "it is the same memory, and it grows",
    },
    Link {
        name: "growth-to-kill",
        cause: "oom-imminent",
        consequence: "oom-kill",
        when: &[GroupsNested, LimitAround],
        because: "memory grew until its limit was met",
    },
    Link {
        name: "pressure-to-kill",
        cause: "memory-pressure",
        consequence: "oom-kill",
        when: &[GroupsNested, LimitAround],
        because: "the limit was met, and nothing more could be reclaimed",
    },
    Link {
        name: "host-growth-to-kill",
        cause: "oom-imminent",
        consequence: "oom-kill",
        when: &[CauseIsHost, ConsequenceTells(KILLED_FOR_THE_HOST)],
        because: "the host's memory grew until none was left",
    },
    Link {
        name: "host-pressure-to-kill",
        cause: "memory-pressure",
        consequence: "oom-kill",
        when: &[CauseIsHost, ConsequenceTells(KILLED_FOR_THE_HOST)],
        because: "the host had no memory left, and nothing more could be reclaimed",
    },
    Link {
        name: "pressure-to-calls",
        cause: "memory-pressure",
        consequence: "syscall-latency",
        when: &[GroupWithin, CauseTells(STALLED), OtherCall(SYNCS), HangIsShared],
        because: "calls that need memory wait until some is reclaimed",
    },
    Link {
        name: "quota-to-run-queue",
        cause: "cpu-throttling",
        consequence: "scheduler-contention",
        when: &[GroupWithin],
        because: "tasks that a quota holds back wait in the run queue",
    },
    Link {
        name: "quota-to-memory-map",
        cause: "cpu-throttling",
        consequence: "syscall-latency",
        when: &[GroupWithin, Call(MAPS), HangIsShared],
        because: "a thread that a quota holds back keeps the lock of its process's memory map, and the other threads wait for it",
    },
    Link {
        name: "loss-to-round-trip",
        cause: "tcp-retransmit-storm",
        consequence: "tcp-rtt-degradation",
        when: &[Any(&[SharedRemote, CauseIsHost]), MinimumWithin],
        because: "what is lost arrives only when it is sent again, and queues that drop are full",
    },
    Link {
        name: "loss-to-latency",
        cause: "tcp-retransmit-storm",
        consequence: "network-latency",
        when: &[Any(&[SharedRemote, CauseIsHost]), MinimumWithin],
        because: "what is lost arrives only when it is sent again",
    },
    Link {
        name: "round-trip-to-latency",
        cause: "tcp-rtt-degradation",
        consequence: "network-latency",
        when: &[Any(&[SharedRemote, SameGroup])],
        because: "it is the same path, judged by its median as well",
    },
    Link {
        name: "leak-to-errors",
        cause: "fd-leak",
        consequence: "syscall-error-rate",
        when: &[ConsequenceNames("EMFILE"), OtherCall(INSTANCES), SharedProcess],
        because: "a process that has no descriptor left can open nothing",
    },
    Link {
        name: "leak-to-full-table",
        cause: "fd-leak",
        consequence: "syscall-error-rate",
        when: &[ConsequenceNames("ENFILE"), CauseTells("files open on this host")],
        because: "the table that all processes share is full of its files",
    },
];
