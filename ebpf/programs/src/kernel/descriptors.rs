//! Descriptor tables, whose they are, and their limits.
use core::ptr::read_volatile;

use super::{Access, Probed, Task, Typed, fdtable_max_fds, files_fdt, task_files};

globals! {
    /// `task_struct.group_leader`.
    TASK_GROUP_LEADER task_group_leader;
    /// `task_struct.signal`.
    TASK_SIGNAL task_signal;
    /// `task_struct.start_boottime`.
    TASK_START_BOOTTIME task_start_boottime;
    /// `signal_struct.rlim`.
    SIGNAL_RLIM signal_rlim;
    /// `fdtable.open_fds`.
    FDTABLE_OPEN_FDS fdtable_open_fds;
}

impl Task {
    /// First thread of its process.
    #[inline(always)]
    #[must_use]
    pub fn leader<A: Access>(self) -> Self {
        // SAFETY: a task that a hook or a helper handed over; its leader is there as long as it is.
        Self(unsafe { A::read(self.0, task_group_leader()) })
    }

    /// When it started, nanoseconds since boot, time asleep included.
    #[inline(always)]
    #[must_use]
    pub fn start_ns<A: Access>(self) -> u64 {
        // SAFETY: as in `leader`.
        unsafe { A::read(self.0, task_start_boottime()) }
    }

    /// Soft limit of open descriptors (`RLIMIT_NOFILE`) of its process. Only of a typed task.
    #[inline(always)]
    #[must_use]
    pub fn descriptor_limit(self) -> u64 {
        /// Its number on x86-64 and arm64.
        const RLIMIT_NOFILE: u32 = 7;
        /// `struct rlimit`: the soft limit, then the hard one.
        const RLIMIT_SIZE: u32 = 16;
        // SAFETY: as in `leader`; a process's `signal_struct` is there as long as its tasks. A probe read, because the verifier allows
        // no direct load of an array.
        unsafe {
            let signal: *const u8 = Typed::read(self.0, task_signal());
            Probed::read(signal, signal_rlim() + RLIMIT_NOFILE * RLIMIT_SIZE)
        }
    }

    /// Its descriptor table. Only of a typed task.
    #[inline(always)]
    #[must_use]
    pub fn descriptors(self) -> Descriptors {
        // SAFETY: as in `leader`.
        Descriptors(unsafe { Typed::read(self.0, task_files()) })
    }
}

/// A `files_struct`.
#[derive(Clone, Copy)]
pub struct Descriptors(*const u8);

impl Descriptors {
    /// Its address, which names it while it is there.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// There is none: the task has ended.
    #[inline(always)]
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0.is_null()
    }

    /// Whether it is the same table.
    #[inline(always)]
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        self.0 as u64 == other.0 as u64
    }

    /// Slots that it has, a multiple of 64, and where a bit for each of them is, set while it is in use.
    #[inline(always)]
    #[must_use]
    pub fn bits(self) -> (u32, *const u8) {
        // SAFETY: typed reads of a table that is not null; one that goes away meanwhile reads as something else or as zero.
        unsafe {
            let table: *const u8 = Typed::read(self.0, files_fdt());
            if table.is_null() {
                return (0, table);
            }
            (Typed::read(table, fdtable_max_fds()), Typed::read(table, fdtable_open_fds()))
        }
    }
}
