//! Kernel records of the fd collector.

/// Descriptor table of one process, or of a thread that has another than its process.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// When the process started, nanoseconds since boot, time asleep included.
    pub start_ns: u64,
    /// Control group id.
    pub group: u64,
    /// Which table it is: the same number is the same table. No more than a name.
    pub table: u64,
    /// Soft limit of the process.
    pub limit: u64,
    /// Process id.
    pub tgid: u32,
    /// Thread id; the process id for the process itself.
    pub tid: u32,
    /// Slots in use.
    pub open: u32,
    /// 1 when the table was changed for another while it was read: `open` is not to be used.
    pub torn: u32,
    /// Command name.
    pub comm: [u8; 16],
}

/// What the program remembers from one call to the next.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Progress {
    /// Task whose table is too large for one call; 0 when there is none.
    pub task: u64,
    /// Words of the table that are counted.
    pub words: u32,
    /// Slots in use in them.
    pub open: u32,
    /// Table that the last record was of.
    pub table: u64,
    /// Process that the last record was of.
    pub tgid: u32,
    /// Tasks since the walk gave way to others.
    pub tasks: u32,
}

const _: () = {
    assert!(size_of::<Table>() == 64);
    assert!(size_of::<Progress>() == 32);
};

impl Table {
    /// The records in what the program wrote; bytes behind the last whole one are none.
    #[cfg(feature = "user")]
    pub fn all(written: &[u8]) -> impl Iterator<Item = Self> + '_ {
        written.chunks_exact(size_of::<Self>()).map(|bytes| {
            // SAFETY: as many bytes as the record has, any of which are a value of its integers; read unaligned.
            unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast()) }
        })
    }
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of integers without implicit padding (the size is asserted above), so every bit pattern is a value.
    unsafe impl aya::Pod for super::Progress {}
}
