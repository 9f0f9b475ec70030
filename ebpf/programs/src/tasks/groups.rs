//! Control groups: each has a row of its own as long as there are any.
use aya_ebpf::{
    macros::map,
    maps::{HashMap, Queue},
};
use kerno_ebpf::rows::row_of;
use kerno_ebpf_common::sched::{CACHED_ROWS, CachedRow, Cpu, ROWS};

#[map]
static GROUP_ROWS: HashMap<u64, u32> = HashMap::with_max_entries(ROWS, 0);
#[map]
static FREE_ROWS: Queue<u32> = Queue::with_max_entries(ROWS, 0);

/// Where this CPU's cache keeps the group's row.
#[inline(always)]
fn cached(cpu: &mut Cpu, group: u64) -> &'static mut CachedRow {
    // SAFETY: masked to the array's length, a power of two; unchecked, because a check would leave a panic behind.
    unsafe { &mut *cpu.cached.as_mut_ptr().add(group as usize & (CACHED_ROWS - 1)) }
}

/// The group's row, if this CPU's cache has it.
#[inline(always)]
pub fn cached_row(cpu: &mut Cpu, group: u64) -> Option<u32> {
    let cached = cached(cpu, group);
    if cached.group == group { Some(cached.row) } else { None }
}

/// The group's row, from this CPU's cache where it is there. "No row" is never cached.
#[inline(always)]
pub fn row(cpu: &mut Cpu, group: u64) -> Option<u32> {
    let cached = cached(cpu, group);
    if cached.group == group {
        return Some(cached.row);
    }
    let (row, _) = row_of(&GROUP_ROWS, &FREE_ROWS, group)?;
    *cached = CachedRow { group, row, padding: 0 };
    Some(row)
}
