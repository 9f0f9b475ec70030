//! System calls: counts, errors, and where their time went.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Latency};

/// System calls over the window. kerno's own are in none of the lists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Syscall {
    /// Every call that was made, most judged time first. Empty when only [`in_flight`](Self::in_flight) could be had.
    pub calls: Vec<Call>,
    /// The same by control group.
    pub cgroups: Vec<CgroupCall>,
    /// Processes with the longest calls, longest first: those with a judged time of a millisecond or more.
    pub processes: Vec<SlowProcess>,
    /// Calls that had not returned at the window's end and were not waiting by design, longest first.
    pub in_flight: Vec<CallInFlight>,
    /// How many there were, those that are too many for the list included.
    #[serde(default)]
    pub in_flight_total: u64,
    /// Successful calls that make descriptors. What comes by other ways (`fcntl(F_DUPFD)`, over a socket, through io_uring) is not
    /// among them.
    pub descriptors: Vec<DescriptorCalls>,
    /// Successful `close` and `close_range`: what `exit`, `exec` and `dup2` close is not among them.
    pub closes: u64,
    /// Calls that kerno made.
    pub own_calls: u64,
}

/// One system call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its number on this machine; `None` for the calls that have none of their own: see `name`.
    pub number: Option<u32>,
    /// Its name; `32-bit` for all calls of 32-bit programs, `unknown` for numbers that this machine does not have.
    pub name: String,
    /// How often it returned.
    pub count: u64,
    /// How often it returned an error.
    pub failed: u64,
    /// How often a signal interrupted it, to be made again or to fail with `EINTR`: not in `failed`.
    pub restarted: u64,
    /// The errors, most frequent first.
    pub errors: Vec<CallFailure>,
    /// Judged time: on the CPU, and asleep where that is not what the call is for. Of a control group: calls shorter than 1 ms are
    /// in the distribution at their mean.
    pub latency: Latency,
    /// Where the time of the calls went.
    pub parts: CallParts,
    /// Waiting is what it is for (`futex`, `epoll_wait` …): its sleep is neither judged nor in `parts`.
    pub waits_by_design: bool,
}

/// Where the time of calls went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallParts {
    /// On the CPU, nanoseconds, interrupts included.
    pub on_cpu_ns: u64,
    /// In uninterruptible sleep (disk, NFS, the kernel's locks), nanoseconds.
    pub uninterruptible_ns: u64,
    /// In interruptible sleep, nanoseconds.
    pub interruptible_ns: u64,
    /// Runnable, waiting for a CPU, nanoseconds. Never judged here.
    pub waiting_ns: u64,
}

/// How often a call returned one error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// The number, as `errno` has it.
    pub errno: u32,
    /// Its name (`ENOENT`); the number where it has none.
    pub name: String,
    /// How often.
    pub count: u64,
    /// A process that got more than half of them, if one did.
    pub caller: Option<Caller>,
}

/// A process that makes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Process id.
    pub pid: u32,
    /// Command name of the thread.
    pub comm: String,
}

/// One system call in one control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CgroupCall {
    /// Which group; children's calls are not included.
    pub cgroup: Cgroup,
    /// The call.
    pub call: Call,
}

/// A process's slow calls of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowProcess {
    /// Who.
    pub caller: Caller,
    /// Its control group.
    pub cgroup: Cgroup,
    /// Name of the call.
    pub name: String,
    /// How many had a judged time of a millisecond or more.
    pub count: u64,
    /// Their judged time, nanoseconds.
    pub judged_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Where the time of all of them went.
    pub parts: CallParts,
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallInFlight {
    /// Who; the process, not the thread.
    pub caller: Caller,
    /// Thread id.
    pub tid: u32,
    /// Its control group.
    pub cgroup: Cgroup,
    /// Name of the call.
    pub name: String,
    /// How long it has lasted, nanoseconds.
    pub age_ns: u64,
    /// The judged part of that, nanoseconds.
    pub judged_ns: u64,
    /// It began earlier than it could be seen: both times are at least what is told.
    pub at_least: bool,
    /// The kernel function that it sleeps in, where the kernel tells.
    pub sleeps_in: Option<String>,
}

/// Successful calls that make descriptors of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescriptorCalls {
    /// Which kind.
    pub kind: DescriptorKind,
    /// Descriptors made: `pipe` and `socketpair` make two a call.
    pub made: u64,
}

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptorKind {
    /// A file, by path or handle.
    Open,
    /// A socket made here.
    Socket,
    /// A connection accepted.
    Accept,
    /// A pipe's ends.
    Pipe,
    /// A copy of another.
    Dup,
    /// Events: `eventfd`.
    Event,
    /// Memory: `memfd`.
    Memory,
    /// `epoll`.
    Epoll,
    /// `timerfd`.
    Timer,
    /// `signalfd`.
    Signal,
    /// `inotify`, `fanotify`.
    Notify,
    /// `io_uring`.
    Ring,
    /// Everything else: pidfds, perf events, mounts …
    Other,
}
