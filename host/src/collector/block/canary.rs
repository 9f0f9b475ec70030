//! Whether the block programs are alive: calls on no descriptor for the syncs, the kernel's own count of requests for the others.
//!
//! kerno reads and writes no disk of its own accord, so nothing is caused there: requests that `/proc/diskstats` counted must have
//! been seen.

use kerno_ebpf_common::block::Counters;

use crate::{
    collector::Proof,
    platform::{Root, block_device, diskstats},
};

/// So many requests must be missed: the two counts are not read at the same moment.
const SOME: u64 = 4;

/// What was counted at the last check.
#[derive(Default)]
pub struct Canary {
    before: Option<Counted>,
}

#[derive(Clone, Copy)]
struct Counted {
    /// By the kernel, on devices that take requests.
    by_kernel: u64,
    completed: u64,
    canaries: u64,
    /// Calls made after the check.
    calls: u64,
}

impl Canary {
    /// Compares with the last check, and makes the calls for the next one. `counters` were read just now.
    pub fn prove(&mut self, root: &Root, counters: &Counters, syncs: bool) -> Proof {
        let by_kernel = requests(root).unwrap_or(0);
        let calls = if syncs { call_on_no_descriptor() } else { 0 };
        let now = Counted { by_kernel, completed: counters.completed, canaries: counters.canaries, calls };
        let Some(before) = self.before.replace(now) else { return Proof::Pending };
        let (kernel, seen) = (now.by_kernel.saturating_sub(before.by_kernel), now.completed - before.completed);
        if kernel >= SOME && seen == 0 {
            return Proof::Blind(format!("block_rq_complete saw none of {kernel} requests that /proc/diskstats counted"));
        }
        let synced = now.canaries - before.canaries;
        if synced < before.calls {
            return Proof::Blind(format!("the programs of the fsync family saw {synced} of {} calls", before.calls));
        }
        Proof::Alive
    }
}

/// Requests that the kernel counted on devices with request queues.
fn requests(root: &Root) -> Option<u64> {
    let disks = diskstats::read(root).ok()?;
    let with_queue = disks.into_iter().filter(|(_, disk)| block_device::takes_requests(root, &disk.name));
    Some(with_queue.map(|(_, disk)| disk.read.count + disk.write.count + disk.discard.unwrap_or_default().count).sum())
}

/// Calls every member of the family on a descriptor that cannot be: it fails at once. Returns how many.
fn call_on_no_descriptor() -> u64 {
    // SAFETY: system calls with numbers only; each fails before it touches anything.
    unsafe {
        libc::fsync(-1);
        libc::fdatasync(-1);
        libc::syncfs(-1);
        libc::sync_file_range(-1, 0, 0, 0);
        libc::msync(std::ptr::null_mut(), 0, libc::MS_ASYNC | libc::MS_SYNC);
    }
    5
}
