//! Kernel records of the sched collector.

use crate::{histogram::BUCKETS, syscall::Slot};

/// Rows of the table of control groups. Row [`OTHER`] takes the groups that found no free row.
pub const ROWS: u32 = 512;

/// The row of every group that found no free row.
pub const OTHER: u32 = 0;

/// Stands for no row.
pub const NO_ROW: u32 = u32::MAX;

/// CPUs share this many copies of the groups' histograms at most.
pub const MAX_SHARDS: u32 = 16;

/// A wait of at least this long makes its task one of the worst tasks, nanoseconds.
pub const LONG_WAIT_NS: u64 = 1_000_000;

/// A wait below this is nothing special, nanoseconds.
pub const EVERYDAY_NS: u64 = 1 << 18;

/// Entries of a CPU's cache of group rows; a power of two.
pub const CACHED_ROWS: usize = 16;

/// Tasks whose long waits are kept; the ones longest without one go first.
pub const TASKS: u32 = 2048;

/// Tasks whose move while asleep is remembered, where they can be; the ones moved longest ago go first.
pub const MOVED: u32 = 2048;

/// A task that neither asked to wait nor belongs to kerno.
pub const NORMAL: u32 = 0;
/// A task that asked to wait: a normal one with nice ≥ 10, `SCHED_BATCH` or `SCHED_IDLE`.
pub const BACKGROUND: u32 = 1;
/// A thread of kerno.
pub const OWN: u32 = 2;

/// A histogram of waits of one row and shard. Its count is the sum of its buckets.
pub type Counts = [u32; BUCKETS];

/// Waits of one class of tasks on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Waits {
    /// Sum of the waits, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Their distribution.
    pub counts: Counts,
}

/// Where a group's numbers are, as a CPU remembers it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CachedRow {
    /// Control group id; 0 when free.
    pub group: u64,
    /// Its row.
    pub row: u32,
    /// Keeps the size a multiple of eight.
    pub padding: u32,
}

/// What the program keeps for each CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Cpu {
    /// The system call in progress. First, with its places first of all, so that those are found without an addition.
    pub slot: Slot,
    /// When the running task was switched in, nanoseconds since boot; 0 before the first switch.
    pub switched_in: u64,
    /// What the running task had waited in all before it was switched in, nanoseconds.
    pub run_delay: u64,
    /// Address of the running task.
    pub task: u64,
    /// Address of its control groups, and [`Cpu::group`] of them; 0 when it is an idle task.
    pub groups: u64,
    /// Their group, as in [`Slot::group`], but for kerno's threads.
    pub group: u32,
    /// Thread id of the running task.
    pub tid: u32,
    /// Row in which its wait counts; [`NO_ROW`] if there is more to say of it than that.
    pub row: u32,
    /// Keeps the next field aligned.
    pub padding: u32,
    /// Switches seen.
    pub switches: u64,
    /// Switches whose task is not the one that was switched in: its wait is unknown.
    pub mismatched: u64,
    /// Waits counted in row [`OTHER`] because their group has no row.
    pub without_row: u64,
    /// Long waits whose task could not be kept.
    pub tasks_full: u64,
    /// Waits left out because the task slept for an unknown part of them.
    pub asleep: u64,
    /// Rows of the groups seen last.
    pub cached: [CachedRow; CACHED_ROWS],
    /// Waits of background tasks.
    pub background: Waits,
    /// Waits of kerno's threads.
    pub own: Waits,
}

/// Sums of one group on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct GroupTotals {
    /// Sum of the normal tasks' waits, nanoseconds.
    pub sum_ns: u64,
    /// The longest of them, nanoseconds.
    pub max_ns: u64,
    /// CPU time of all its tasks, nanoseconds.
    pub cpu_ns: u64,
    /// Waits of its background tasks.
    pub background_waits: u64,
}

/// Whose long waits.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskKey {
    /// Thread id.
    pub tid: u32,
    /// When the thread started, in units of 2²⁰ ns: a thread id may be given again.
    pub start: u32,
}

/// One task's long waits.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TaskWaits {
    /// Control group id.
    pub group: u64,
    /// Waits of at least [`LONG_WAIT_NS`].
    pub long_waits: u64,
    /// Their sum, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Process id.
    pub tgid: u32,
    /// [`NORMAL`], [`BACKGROUND`] or [`OWN`].
    pub class: u32,
    /// Command name, NUL-terminated.
    pub comm: [u8; 16],
}

const _: () = {
    assert!(size_of::<Waits>() == 16 + 4 * BUCKETS);
    assert!(size_of::<CachedRow>() == 16);
    assert!(size_of::<Cpu>() == 88 + 16 * CACHED_ROWS + 2 * size_of::<Waits>() + size_of::<Slot>());
    assert!(size_of::<GroupTotals>() == 32);
    assert!(size_of::<TaskKey>() == 8);
    assert!(size_of::<TaskWaits>() == 56);
};

#[cfg(feature = "user")]
mod pod {
    use super::{Cpu, GroupTotals, TaskKey, TaskWaits};

    // SAFETY: repr(C) of integers and arrays of integers without implicit padding (the sizes are asserted above), so every
    // bit pattern is a value.
    unsafe impl aya::Pod for Cpu {}
    // SAFETY: as above.
    unsafe impl aya::Pod for GroupTotals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for TaskKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for TaskWaits {}
}
