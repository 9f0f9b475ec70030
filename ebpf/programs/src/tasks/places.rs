//! The kinds of calls that are made most often, summed in the CPU's own entry: no row is looked up, and no CPU is in another's way.
//!
//! A place is given once and never taken back, so user space may read places and rows in any order.
use kerno_ebpf::rows::unit_of;
use kerno_ebpf_common::{
    histogram::UNIT_SHIFT,
    sched::Cpu,
    syscall::{FIRST_GROUP, HISTOGRAMS, Place, UNITS, place_key, place_of},
};

#[inline(always)]
fn place(cpu: &mut Cpu, key: u64) -> &'static mut Place {
    // SAFETY: below the array's length; unchecked, because a check would leave a panic behind.
    unsafe { &mut *cpu.slot.places.as_mut_ptr().add(place_of(key)) }
}

/// Counts a call that took this long, if its kind has a place, and it was short.
#[inline(always)]
pub fn count(cpu: &mut Cpu, key: u64, on_cpu: u64) -> bool {
    let place = place(cpu, key);
    if place.key != key || on_cpu >= (UNITS as u64) << UNIT_SHIFT {
        return false;
    }
    let unit = unit_of(on_cpu);
    place.on_cpu += on_cpu;
    if on_cpu > place.max {
        place.max = on_cpu;
    }
    // SAFETY: inside the array; unchecked as above.
    unsafe { *place.counts.as_mut_ptr().add(unit as usize) += 1 };
    true
}

/// Gives the kind of calls with these rows its place, if that is free and its time is judged. kerno's own have none.
#[inline(always)]
pub fn give(cpu: &mut Cpu, key: u64, (row, histogram): (u32, u32)) {
    let place = place(cpu, key);
    if place.key == 0 && histogram < HISTOGRAMS && key >= place_key(FIRST_GROUP, 0) {
        place.row = row;
        place.histogram = histogram;
        place.key = key;
    }
}
