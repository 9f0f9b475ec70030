//! Kernel records of the oom collector.

/// Levels of a control group's path that a record holds, from the group upwards. Deeper groups lose their upper levels, not their
/// own name.
pub const LEVELS: usize = 8;

/// Bytes of one level's name, the NUL included.
pub const NAME: usize = 128;

/// [`Kill::limit_level`] of a limit that is none of the levels held.
pub const NO_LEVEL: u32 = u32::MAX;

/// The kernel's out-of-memory killer at work: what is known before a victim dies. One at a time, whole machine (`oom_lock`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Case {
    /// Thread (upper half: process) that ran out of memory; 0 when the killer is not at work.
    pub task: u64,
    /// Number of this case, from 1.
    pub number: u64,
    /// Control group whose limit was hit, as its `kernfs_node`; 0 when it was no group's limit.
    pub limit_node: u64,
    /// Pages that the victims could have used: of the limit, or of the host.
    pub total_pages: u64,
    /// The chosen victim, as a `task_struct`.
    pub chosen: u64,
    /// Its badness in pages.
    pub points: i64,
    /// `enum oom_constraint`.
    pub constraint: u32,
    /// 1 while victims are killed; a task that is marked before has only been seen dying by itself.
    pub killing: u32,
    /// 1 when cases are told: a task that is marked outside of one is dying by itself. Set by user space.
    pub told: u32,
    /// Keeps the size a multiple of eight.
    pub padding: u32,
}

/// One victim.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// When, nanoseconds since boot without time asleep.
    pub at: u64,
    /// Number of the case; 0 when the case is not known.
    pub case: u64,
    /// Control group id of the victim.
    pub group: u64,
    /// Id of the control group whose limit was hit, in the hierarchy of the memory controller; 0 when it was no group's.
    pub limit: u64,
    /// Control group id of the task that ran out of memory.
    pub trigger_group: u64,
    /// Resident pages: files, anonymous memory, swapped, shared memory.
    pub pages: [i64; 4],
    /// Badness of the victim in pages; meant where `scored` is 1.
    pub points: i64,
    /// Pages that the victims could have used.
    pub total_pages: u64,
    /// Process id of the victim.
    pub tgid: u32,
    /// `oom_score_adj` of the victim.
    pub score_adjustment: i32,
    /// Process id of the task that ran out of memory.
    pub trigger: u32,
    /// `enum oom_constraint`.
    pub constraint: u32,
    /// 1 when `points` were given to this victim.
    pub scored: u32,
    /// Which level of `path` the limit is of, 0 for the victim's own group; [`NO_LEVEL`] when it is none of them.
    pub limit_level: u32,
    /// Levels in `path`.
    pub levels: u32,
    /// 1 when there are more levels above.
    pub deeper: u32,
    /// Command name of the victim.
    pub comm: [u8; 16],
    /// Command name of the task that ran out of memory.
    pub trigger_comm: [u8; 16],
    /// Names of the victim's group and the groups above it, without the root's, in the hierarchy of the memory controller.
    pub path: [[u8; NAME]; LEVELS],
}

/// What the programs count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cases.
    pub cases: u64,
    /// Victims killed.
    pub kills: u64,
    /// Victims killed whose record found no room.
    pub without_record: u64,
    /// Victims killed once more: of a group that dies together the chosen one comes first, and again with the others. The kernel
    /// counts it twice.
    pub again: u64,
    /// Tasks that were marked but not killed: they were dying by themselves.
    pub dying: u64,
}

const _: () = {
    assert!(size_of::<Case>() == 64);
    assert!(size_of::<Kill>() == 152 + LEVELS * NAME);
    assert!(size_of::<Counters>() == 40);
};

impl Kill {
    /// The record in a ring buffer's bytes; `None` when they are too few.
    #[cfg(feature = "user")]
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        // SAFETY: as many bytes as the record has, any of which are a value of its integers; read unaligned.
        (bytes.len() >= size_of::<Self>()).then(|| unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast()) })
    }
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of integers without implicit padding (the size is asserted above), so every bit pattern is a value.
    unsafe impl aya::Pod for super::Counters {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Case {}
}
