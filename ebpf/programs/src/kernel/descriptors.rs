//! Descriptor tables, whose they are, and their limits.
use core::ptr::read_volatile;

use super::{Access, Probed, Task, fdtable_max_fds, files_fdt, task_files};

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
    pub fn leader(self) -> Self {
        // SAFETY: a task that a hook or a helper handed over; its leader is there as long as it is.
        Self(unsafe { Probed::read(self.0, task_group_leader()) })
    }

    /// When it started, nanoseconds since boot, time asleep included.
    #[inline(always)]
    #[must_use]
    pub fn start_ns(self) -> u64 {
        // SAFETY: as in `leader`.
        unsafe { Probed::read(self.0, task_start_boottime()) }
    }

    /// Soft limit of open descriptors (`RLIMIT_NOFILE`) of its process.
    #[inline(always)]
    #[must_use]
    pub fn descriptor_limit(self) -> u64 {
        /// Its number on x86-64 and arm64.
        const RLIMIT_NOFILE: u32 = 7;
        /// `struct rlimit`: the soft limit, then the hard one.
        const RLIMIT_SIZE: u32 = 16;
        // SAFETY: as in `leader`; a process's `signal_struct` is there as long as its tasks.
        unsafe {
            let signal: *const u8 = Probed::read(self.0, task_signal());
            Probed::read(signal, signal_rlim() + RLIMIT_NOFILE * RLIMIT_SIZE)
        }
    }

    /// Its descriptor table.
    #[inline(always)]
    #[must_use]
    pub fn descriptors(self) -> Descriptors {
        // SAFETY: as in `leader`.
        Descriptors(unsafe { Probed::read(self.0, task_files()) })
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

    /// Slots that it has, a multiple of 64.
    #[inline(always)]
    #[must_use]
    pub fn size(self) -> u32 {
        // SAFETY: probe reads; a table that goes away meanwhile reads as something else or as zero.
        unsafe { Probed::read(self.table(), fdtable_max_fds()) }
    }

    /// A bit for each slot, set while it is in use.
    #[inline(always)]
    #[must_use]
    pub fn bits(self) -> *const u8 {
        // SAFETY: as in `size`.
        unsafe { Probed::read(self.table(), fdtable_open_fds()) }
    }

    #[inline(always)]
    fn table(self) -> *const u8 {
        // SAFETY: as in `size`.
        unsafe { Probed::read(self.0, files_fdt()) }
    }
}
