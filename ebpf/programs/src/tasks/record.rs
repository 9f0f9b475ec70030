//! What is kept of a call that returned.
use core::ptr::read_volatile;

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::bpf_get_current_pid_tgid,
    macros::map,
    maps::{Array, HashMap, LruHashMap, Queue},
};
use kerno_ebpf::{
    kernel::{Probed, Task, Typed, current_is_typed, own_tgid},
    rows::{add, add_shared, count as count_in, count_shared, row_of},
};
use kerno_ebpf_common::{
    sched::{Cpu, OTHER as OTHER_ROW},
    syscall::{
        CACHED, CallTotals, Counts, ERRORS as ERRORS_KEPT, FIRST_GROUP, Failures, HISTOGRAMS, NO_GROUP, NUMBERS, OWN_GROUP,
        OWN_HISTOGRAM, PROCESSES as PROCESSES_KEPT, ProcessKey, ROWS, SLOW_HISTOGRAMS, SLOW_NS, SlowCalls, cached, cached_rows,
        error_key,
    },
};

use super::{groups, judge};

#[map]
static CALL_ROWS: HashMap<u32, u32> = HashMap::with_max_entries(ROWS - NUMBERS, 0);
#[map]
static CALL_FREE: Queue<u32> = Queue::with_max_entries(ROWS - NUMBERS, 0);
#[map]
static CALL_TOTALS: Array<CallTotals> = Array::with_max_entries(ROWS, 0);
#[map]
static NUMBER_ROWS: HashMap<u32, u32> = HashMap::with_max_entries(HISTOGRAMS, 0);
#[map]
static NUMBER_FREE: Queue<u32> = Queue::with_max_entries(HISTOGRAMS, 0);
#[map]
static NUMBER_HIST: Array<Counts> = Array::with_max_entries(HISTOGRAMS, 0);
#[map]
static SLOW_ROWS: HashMap<u32, u32> = HashMap::with_max_entries(SLOW_HISTOGRAMS, 0);
#[map]
static SLOW_FREE: Queue<u32> = Queue::with_max_entries(SLOW_HISTOGRAMS, 0);
#[map]
static SLOW_HIST: Array<Counts> = Array::with_max_entries(SLOW_HISTOGRAMS, 0);
#[map]
static FAILURES: HashMap<u32, Failures> = HashMap::with_max_entries(ERRORS_KEPT, 0);
#[map]
static PROCESSES: LruHashMap<ProcessKey, SlowCalls> = LruHashMap::with_max_entries(PROCESSES_KEPT, 0);

const LARGEST_ERRNO: i64 = 4095;

/// A call that returned.
#[derive(Default)]
pub struct Call {
    pub number: u32,
    pub result: i64,
    /// What it returned is one.
    pub is_result: bool,
    /// Its beginning, and so its times are known.
    pub begun: bool,
    /// Its time is judged.
    pub judged: bool,
    pub on_cpu: u64,
    pub uninterruptible: u64,
    pub interruptible: u64,
    pub waiting: u64,
    pub judged_sleep: u64,
}

/// Where this CPU's cache keeps the rows of a number in a group.
#[inline(always)]
fn place(cpu: &mut Cpu, group: u32, number: u32) -> *mut u64 {
    let index = number.wrapping_add(group.wrapping_mul(13)) as usize & (CACHED - 1);
    // SAFETY: masked to the array's length, a power of two; unchecked, because a check would leave a panic behind.
    unsafe { cpu.slot.cached.as_mut_ptr().add(index) }
}

/// Rows of the sums and of the histogram of a number in a group, if this CPU's cache has them.
#[inline(always)]
pub fn known_rows(cpu: &mut Cpu, group: u32, number: u32) -> Option<(u32, u32)> {
    // SAFETY: in this CPU's entry. Read at once: the program may be preempted where the kernel allows it.
    let word = unsafe { read_volatile(place(cpu, group, number)) };
    cached_rows(word, group, number)
}

/// Counts a short call whose rows are known. How many there were, in this CPU's copy.
#[inline(always)]
pub fn count_short(cpu: &mut Cpu, shard: u32, (row, histogram): (u32, u32), group: u32, on_cpu: u64) -> u64 {
    let mut calls = 0;
    cpu.slot.returned += 1;
    if group == OWN_GROUP {
        cpu.slot.own_returned += 1;
        cpu.slot.own_timed += 1;
    }
    if let Some(totals) = CALL_TOTALS.get_ptr_mut(shard * ROWS + row) {
        // SAFETY: a map's value.
        unsafe {
            add(&raw mut (*totals).calls, 1);
            add(&raw mut (*totals).on_cpu, on_cpu);
            calls = (*totals).calls;
            if histogram >= HISTOGRAMS {
                add(&raw mut (*totals).untimed, 1);
                return calls;
            }
            // CPUs of one shard may overwrite each other's; the histogram still has the call.
            if on_cpu > (*totals).max {
                (*totals).max = on_cpu;
            }
        }
    }
    if let Some(counts) = NUMBER_HIST.get_ptr_mut(shard * HISTOGRAMS + histogram) {
        // SAFETY: a map's value.
        unsafe { count_in(counts, on_cpu) };
    }
    calls
}

/// Counts a call.
#[inline(always)]
pub fn count(cpu: &mut Cpu, shard: u32, call: &Call) {
    let group = group_of(cpu);
    cpu.slot.returned += 1;
    if group == OWN_GROUP {
        cpu.slot.own_returned += 1;
        cpu.slot.own_timed += u64::from(call.begun);
    }
    let (row, histogram) = rows_of(cpu, group, call);
    let Some(totals) = CALL_TOTALS.get_ptr_mut(shard * ROWS + row) else { return };
    let judged = call.on_cpu + call.judged_sleep;
    // SAFETY: a map's value.
    unsafe {
        add(&raw mut (*totals).calls, 1);
        add(&raw mut (*totals).on_cpu, call.on_cpu);
        add(&raw mut (*totals).uninterruptible, call.uninterruptible);
        add(&raw mut (*totals).interruptible, call.interruptible);
        add(&raw mut (*totals).waiting, call.waiting);
    }
    if call.is_result && call.result < 0 && call.result >= -LARGEST_ERRNO {
        if judge::is_restart(call.result) {
            // SAFETY: a map's value.
            unsafe { add(&raw mut (*totals).restarted, 1) };
        } else {
            // SAFETY: a map's value.
            unsafe { add(&raw mut (*totals).failed, 1) };
            failed(cpu, row, call.result.unsigned_abs() as u32);
        }
    }
    if !call.begun || !call.judged {
        // SAFETY: a map's value.
        unsafe { add(&raw mut (*totals).untimed, 1) };
        return;
    }
    // SAFETY: a map's value.
    unsafe {
        add(&raw mut (*totals).judged_sleep, call.judged_sleep);
        if judged > (*totals).max {
            (*totals).max = judged;
        }
    }
    if let Some(counts) = NUMBER_HIST.get_ptr_mut(shard * HISTOGRAMS + histogram) {
        // SAFETY: a map's value.
        unsafe { count_in(counts, judged) };
    }
    if judged >= SLOW_NS {
        slow(cpu, row, call, judged);
    }
}

/// The running task's group: one that moves itself without a sleep is known by the old one until it gets a CPU again.
#[inline(always)]
fn group_of(cpu: &mut Cpu) -> u32 {
    let known = cpu.slot.group;
    if known != NO_GROUP {
        return known;
    }
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let group = if tgid == own_tgid() { OWN_GROUP } else { known_group(cpu).unwrap_or(OTHER_ROW + FIRST_GROUP) };
    cpu.slot.group = group;
    group
}

/// The group of the running task's control group, if there is a row left for that.
#[inline(always)]
fn known_group(cpu: &mut Cpu) -> Option<u32> {
    let groups =
        if current_is_typed() != 0 { Task::current_typed().groups::<Typed>() } else { Task::current().groups::<Probed>() };
    // Those that it had when it got the CPU: it has them still.
    if groups.address() == cpu.groups && cpu.group != NO_GROUP {
        return Some(cpu.group);
    }
    let id = if current_is_typed() != 0 { groups.id::<Typed>() } else { groups.id::<Probed>() };
    groups::row(cpu, id).map(|row| row + FIRST_GROUP)
}

/// Rows of the sums and of the number's histogram, from this CPU's cache where they are there.
#[inline(always)]
fn rows_of(cpu: &mut Cpu, group: u32, call: &Call) -> (u32, u32) {
    if let Some(known) = known_rows(cpu, group, call.number) {
        return known;
    }
    let key = (group << 16) | call.number;
    let row = if group == OTHER_ROW + FIRST_GROUP { None } else { row_of(&CALL_ROWS, &CALL_FREE, key) };
    let row = row.map_or_else(
        || {
            cpu.slot.rows_full += 1;
            call.number
        },
        |(row, _)| row,
    );
    let histogram = if !call.judged {
        HISTOGRAMS
    } else if group == OWN_GROUP {
        OWN_HISTOGRAM
    } else {
        row_of(&NUMBER_ROWS, &NUMBER_FREE, call.number).map_or(0, |(row, _)| row)
    };
    // A row is never given back: one that is not to be had now will not be had later either.
    // SAFETY: in this CPU's entry.
    unsafe { *place(cpu, group, call.number) = cached(group, call.number, row, histogram) };
    (row, histogram)
}

/// Id and start of the running process.
#[inline(always)]
fn process() -> (u32, u32) {
    ((bpf_get_current_pid_tgid() >> 32) as u32, Task::process_start())
}

/// Counts an error by its errno, and keeps who may have most of them: a vote for and against.
#[inline(always)]
fn failed(cpu: &mut Cpu, row: u32, errno: u32) {
    let key = error_key(row, errno);
    let (tgid, start) = process();
    if FAILURES.get_ptr(key).is_none() {
        let new = Failures { count: 0, votes: 0, tgid, start, comm: Task::current().comm() };
        // Another CPU may have been first, which is as good.
        let _ = FAILURES.insert(key, new, u64::from(BPF_NOEXIST));
    }
    let Some(known) = FAILURES.get_ptr_mut(key) else {
        cpu.slot.errors_full += 1;
        return;
    };
    // SAFETY: no entry is ever removed. Two CPUs may spoil a vote, not the count.
    unsafe {
        add_shared(&raw mut (*known).count, 1);
        if (*known).tgid == tgid && (*known).start == start {
            (*known).votes += 1;
        } else if (*known).votes == 0 {
            (*known).tgid = tgid;
            (*known).start = start;
            (*known).comm = Task::current().comm();
            (*known).votes = 1;
        } else {
            (*known).votes -= 1;
        }
    }
}

/// Keeps a slow call's time by group, and its process: it may be gone when the window ends.
#[inline(always)]
fn slow(cpu: &mut Cpu, row: u32, call: &Call, judged: u64) {
    let histogram = row_of(&SLOW_ROWS, &SLOW_FREE, row).map_or(0, |(row, _)| row);
    if histogram == 0 {
        cpu.slot.slow_without_row += 1;
    }
    if let Some(counts) = SLOW_HIST.get_ptr_mut(histogram) {
        count_shared(counts, judged);
    }
    let (tgid, start) = process();
    let key = ProcessKey { tgid, number: call.number, start };
    if PROCESSES.get_ptr(key).is_none() {
        let new = SlowCalls {
            group: Task::current().cgroup::<Probed>(),
            calls: 0,
            judged: 0,
            max: 0,
            on_cpu: 0,
            uninterruptible: 0,
            interruptible: 0,
            waiting: 0,
            comm: Task::current().comm(),
        };
        let _ = PROCESSES.insert(key, new, u64::from(BPF_NOEXIST));
    }
    let Some(known) = PROCESSES.get_ptr_mut(key) else {
        cpu.slot.processes_full += 1;
        return;
    };
    // SAFETY: a map's value; an entry that is pushed out meanwhile is another's loss of one call.
    unsafe {
        add_shared(&raw mut (*known).calls, 1);
        add_shared(&raw mut (*known).judged, judged);
        add_shared(&raw mut (*known).on_cpu, call.on_cpu);
        add_shared(&raw mut (*known).uninterruptible, call.uninterruptible);
        add_shared(&raw mut (*known).interruptible, call.interruptible);
        add_shared(&raw mut (*known).waiting, call.waiting);
        if judged > (*known).max {
            (*known).max = judged;
        }
    }
}
