//! Tables whose keys are met in the kernel: a hash gives each key a row of the arrays that hold its numbers.
//!
//! User space fills the queue of free rows once; a row is never given back, so what it holds stays true for the whole window.
use core::{arch::asm, borrow::Borrow};

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    maps::{HashMap, Queue},
};
use kerno_ebpf_common::histogram::{BUCKETS, UNIT_SHIFT, bucket_of};

use crate::kernel::shards_are_shared;

/// The row of `key`, and whether this call gave it one; `None` when no row is left.
#[inline(always)]
pub fn row_of<K>(rows: &HashMap<K, u32>, free: &Queue<u32>, key: impl Borrow<K>) -> Option<(u32, bool)> {
    let key = key.borrow();
    if let Some(row) = rows.get_ptr(key) {
        // SAFETY: no entry is ever removed.
        return Some((unsafe { *row }, false));
    }
    let Ok(Some(row)) = free.pop() else { return None };
    if rows.insert(key, row, u64::from(BPF_NOEXIST)).is_ok() {
        return Some((row, true));
    }
    // Another CPU was first (or the hash is full): give the row back and take the other's.
    let _ = free.push(row, 0);
    // SAFETY: as above.
    rows.get_ptr(key).map(|row| (unsafe { *row }, false))
}

/// Units of the histograms in a duration.
///
/// Not left to the compiler, which would shift before the duration is checked: the verifier sees no bound of the units then.
#[inline(always)]
#[must_use]
pub fn unit_of(mut nanoseconds: u64) -> u64 {
    // SAFETY: a shift.
    unsafe { asm!("{n} >>= {shift}", n = inout(reg) nanoseconds, shift = const UNIT_SHIFT, options(pure, nomem, nostack)) };
    nanoseconds
}

/// Counts a duration in a histogram that other CPUs count in as well.
#[inline(always)]
pub fn count_shared(counts: *mut [u32; BUCKETS], nanoseconds: u64) {
    let bucket = bucket_of(nanoseconds);
    if bucket < BUCKETS as u64 {
        // SAFETY: inside the array, which lives in a map.
        unsafe {
            let count = counts.cast::<u32>().add(bucket as usize);
            asm!("lock *(u32 *)({count} + 0) += {one}", count = in(reg) count, one = in(reg) 1_u64, options(nostack));
        }
    }
}

/// Adds to a sum that another CPU or an interrupt may add to as well.
///
/// `core`'s atomics cannot add here: they want the old value, which kernels before 5.12 do not give.
///
/// # Safety
///
/// `sum` must point into a map's value.
#[inline(always)]
pub unsafe fn add_shared(sum: *mut u64, value: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("lock *(u64 *)({sum} + 0) += {value}", sum = in(reg) sum, value = in(reg) value, options(nostack)) };
}

/// Counts a duration in a histogram of this CPU alone.
#[inline(always)]
pub fn count_local(counts: &mut [u32; BUCKETS], nanoseconds: u64) {
    let bucket = bucket_of(nanoseconds);
    if bucket < BUCKETS as u64 {
        // SAFETY: inside the array; unchecked, because the check of an index would leave a panic behind.
        unsafe { *counts.as_mut_ptr().add(bucket as usize) += 1 };
    }
}

/// Counts a duration in a histogram of this CPU's shard.
///
/// # Safety
///
/// `counts` must point into a map's value.
#[inline(always)]
pub unsafe fn count(counts: *mut [u32; BUCKETS], nanoseconds: u64) {
    if shards_are_shared() != 0 {
        count_shared(counts, nanoseconds);
    } else {
        // SAFETY: the caller's; only this CPU writes its shard.
        count_local(unsafe { &mut *counts }, nanoseconds);
    }
}

/// Adds to a sum of this CPU's shard.
///
/// # Safety
///
/// `sum` must point into a map's value.
#[inline(always)]
pub unsafe fn add(sum: *mut u64, value: u64) {
    // SAFETY: the caller's; without other CPUs in the shard, this one alone writes it.
    unsafe {
        if shards_are_shared() != 0 {
            add_shared(sum, value);
        } else {
            *sum += value;
        }
    }
}
