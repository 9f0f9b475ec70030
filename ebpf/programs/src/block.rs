//! The block object: latency of block requests, and the fsync family as its callers feel it.
#![no_std]
#![no_main]

#[path = "block/requests.rs"]
mod requests;
#[path = "block/syncs.rs"]
mod syncs;

use aya_ebpf::{helpers::bpf_get_smp_processor_id, macros::map, maps::Array};
use kerno_ebpf::kernel::silenced;
use kerno_ebpf_common::block::Counters;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

/// What was counted, by CPU; user space sizes it by the CPUs that can exist.
#[map]
static COUNTERS: Array<Counters> = Array::with_max_entries(1, 0);

/// This CPU's number and its counters; none in a program that a test has silenced.
#[inline(always)]
fn this_cpu() -> Option<(u32, &'static mut Counters)> {
    if silenced() != 0 {
        return None;
    }
    // SAFETY: a helper without arguments; no task moves to another CPU inside a program. Counters of a program that is interrupted
    // by another one on the same CPU may lose a count, never more.
    unsafe {
        let id = bpf_get_smp_processor_id();
        COUNTERS.get_ptr_mut(id).map(|counters| (id, &mut *counters))
    }
}
