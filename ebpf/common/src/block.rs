//! Kernel records of the block collector.

use crate::histogram::BUCKETS;

/// Rows of the table of devices and operations. What finds no free row goes to row [`OTHER`].
pub const REQUEST_ROWS: u32 = 128;

/// Rows of the table of syncing processes. What finds no free row goes to row [`OTHER`].
pub const SYNC_ROWS: u32 = 512;

/// The row of everything that found no free row. Nothing is told of it: what it takes belongs to no device or process, so it is
/// counted as lost, by [`Counters::requests_without_row`] and [`Counters::syncs_without_row`].
pub const OTHER: u32 = 0;

/// CPUs share this many copies of the requests' histograms at most. Syncs are rare: all CPUs share one copy.
pub const MAX_REQUEST_SHARDS: u32 = 8;

/// Requests that can be between issue and completion at one time.
pub const IN_FLIGHT: u32 = 8_192;

/// Syncs that can be in progress at one time.
pub const SYNCING: u32 = 2_048;

/// A histogram of latencies of one row and shard. Its count is the sum of its buckets.
pub type Counts = [u32; BUCKETS];

/// A request between issue and completion, keyed by the request's address.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Issued {
    /// When it was first issued, nanoseconds since boot.
    pub at: u64,
    /// Bytes it moves.
    pub bytes: u32,
    /// What it is and where it goes.
    pub key: RequestKey,
    /// 1 when it waits to be issued again: the next issue continues it.
    pub requeued: u32,
}

/// Device and operation of a request.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey {
    /// Device number in the kernel's form (see [`major`] and [`minor`]).
    pub device: u32,
    /// `REQ_OP_*` of this kernel.
    pub operation: u32,
}

/// Sums of one device and operation on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RequestTotals {
    /// Sum of the latencies, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Bytes of the completed requests.
    pub bytes: u64,
    /// Requests that completed with an error.
    pub errors: u64,
}

/// Who syncs what.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyncKey {
    /// Control group id.
    pub group: u64,
    /// Process id.
    pub tgid: u32,
    /// `s_dev` of the file system, or the device itself when the file is a block device.
    pub device: u32,
    /// 1 when the file is a block device.
    pub raw: u32,
    /// When the process started, in units of 2²⁰ ns: a process id may be given again.
    pub start: u32,
}

/// A sync in progress, keyed by process and thread id.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Syncing {
    /// When the call began, nanoseconds since boot.
    pub at: u64,
    /// Who syncs what; the device is 0 while unknown.
    pub key: SyncKey,
    /// Which call: [`FSYNC`] …
    pub call: u32,
    /// How many `vfs_fsync_range` are on the stack of a synchronous write (overlayfs syncs the file below it).
    pub depth: u32,
}

/// Sums of one syncing process and file system on one CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SyncTotals {
    /// Sum of the latencies, nanoseconds.
    pub sum_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
    /// Calls that failed.
    pub errors: u64,
}

/// `fsync(2)`.
pub const FSYNC: u32 = 0;
/// `fdatasync(2)`.
pub const FDATASYNC: u32 = 1;
/// `syncfs(2)`.
pub const SYNCFS: u32 = 2;
/// `sync_file_range(2)`.
pub const SYNC_FILE_RANGE: u32 = 3;
/// `msync(2)`.
pub const MSYNC: u32 = 4;
/// The sync of a write to a file opened with `O_SYNC` or `O_DSYNC`, or one made by other kernel code for the task.
pub const WRITE: u32 = 5;

/// What the programs count on each CPU.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Counters {
    /// Requests issued.
    pub issued: u64,
    /// Requests completed whose issue was seen.
    pub completed: u64,
    /// Requests not followed because too many were in flight.
    pub in_flight_full: u64,
    /// Requests whose completion was missed: their address was issued again.
    pub completion_missed: u64,
    /// Completions lost to row [`OTHER`] because their device and operation have no row.
    pub requests_without_row: u64,
    /// Syncs completed.
    pub synced: u64,
    /// Syncs not followed because too many were in progress.
    pub syncing_full: u64,
    /// Syncs whose return was missed: the thread began another.
    pub return_missed: u64,
    /// Syncs lost to row [`OTHER`] because their process and file system have no row.
    pub syncs_without_row: u64,
    /// Calls that kerno made on no descriptor, to see that the programs run.
    pub canaries: u64,
}

/// Major number of a device number in the kernel's form.
#[must_use]
pub const fn major(device: u32) -> u32 {
    device >> 20
}

/// Minor number of a device number in the kernel's form.
#[must_use]
pub const fn minor(device: u32) -> u32 {
    device & 0xf_ffff
}

/// Device number in the kernel's form.
#[inline(always)]
#[must_use]
pub const fn device(major: u32, minor: u32) -> u32 {
    (major << 20) | (minor & 0xf_ffff)
}

const _: () = {
    assert!(size_of::<Issued>() == 24);
    assert!(size_of::<RequestKey>() == 8);
    assert!(size_of::<RequestTotals>() == 32);
    assert!(size_of::<SyncKey>() == 24);
    assert!(size_of::<Syncing>() == 40);
    assert!(size_of::<SyncTotals>() == 24);
    assert!(size_of::<Counters>() == 80);
};

#[cfg(feature = "user")]
mod pod {
    use super::{Counters, Issued, RequestKey, RequestTotals, SyncKey, SyncTotals, Syncing};

    // SAFETY: repr(C) of integers and records of integers without implicit padding (the sizes are asserted above), so every
    // bit pattern is a value.
    unsafe impl aya::Pod for Counters {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Issued {}
    // SAFETY: as above.
    unsafe impl aya::Pod for RequestKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for RequestTotals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SyncKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SyncTotals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Syncing {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_the_kernels() {
        assert_eq!(device(254, 3), 0x0fe0_0003);
        assert_eq!((major(0x0fe0_0003), minor(0x0fe0_0003)), (254, 3));
        assert_eq!((major(device(0, 47)), minor(device(0, 47))), (0, 47));
    }
}
