//! Run-queue delay, from the kernel's own account of each task.
use aya_ebpf::{
    macros::map,
    maps::{Array, LruHashMap},
};
use kerno_ebpf::{
    kernel::{Task, Typed, own_tgid, task_sched_delayed, wait_shards},
    rows::{count_local, count_shared},
};
use kerno_ebpf_common::sched::{
    BACKGROUND, Counts, Cpu, GroupTotals, LONG_WAIT_NS, MOVED, NORMAL, OTHER, OWN, ROWS, TASKS as TASKS_KEPT, TaskKey, TaskWaits,
    Waits,
};

use super::groups;

#[map]
static HISTOGRAMS: Array<Counts> = Array::with_max_entries(ROWS, 0);
#[map]
static TOTALS: Array<GroupTotals> = Array::with_max_entries(ROWS, 0);
#[map]
static MOVED_ASLEEP: LruHashMap<u32, u64> = LruHashMap::with_max_entries(MOVED, 0);
#[map]
static TASKS: LruHashMap<TaskKey, TaskWaits> = LruHashMap::with_max_entries(TASKS_KEPT, 0);

const SCHED_NORMAL: u32 = 0;
const SCHED_BATCH: u32 = 3;
const SCHED_IDLE: u32 = 5;
const SCHED_EXT: u32 = 7;
const BACKGROUND_NICE: i32 = 10;
const BACKGROUND_PRIORITY: u32 = 120 + BACKGROUND_NICE as u32;

/// Notes that a sleeping task is moved.
#[inline(always)]
pub fn moved_asleep(tid: u32, now: u64) {
    let _ = MOVED_ASLEEP.insert(tid, now, 0);
}

/// Whether there is nothing special about the task's waits: it is neither a real-time nor a background task.
#[inline(always)]
pub fn is_normal(task: Task) -> bool {
    task.policy::<Typed>() == SCHED_NORMAL && task.static_priority::<Typed>() < BACKGROUND_PRIORITY
}

/// Counts a normal task's wait that ended when it was switched in, and its CPU time since.
#[inline(always)]
pub fn count_everyday(cpu: &Cpu, id: u32, row: u32, now: u64, wait: u64) {
    if let Some(totals) = TOTALS.get_ptr_mut(id * ROWS + row) {
        // SAFETY: only this CPU writes this entry, with interrupts off.
        let totals = unsafe { &mut *totals };
        totals.cpu_ns += now - cpu.switched_in;
        totals.sum_ns += wait;
        if wait > totals.max_ns {
            totals.max_ns = wait;
        }
    }
    if let Some(counts) = HISTOGRAMS.get_ptr_mut((id & (wait_shards() - 1)) * ROWS + row) {
        count_shared(counts, wait);
    }
}

/// Counts any wait that ended when `task` was switched in, and the CPU time since. `asleep`: it was none.
#[inline(always)]
pub fn account(cpu: &mut Cpu, id: u32, task: Task, tid: u32, now: u64, wait: u64, asleep: bool) {
    let tgid = task.tgid::<Typed>();
    let class = class_of(task, tgid);
    let group = task.cgroup::<Typed>();
    let row = groups::row(cpu, group).unwrap_or_else(|| {
        cpu.without_row += 1;
        OTHER
    });
    if asleep {
        cpu.asleep += 1;
        if let Some(totals) = TOTALS.get_ptr_mut(id * ROWS + row) {
            // SAFETY: as in `count_everyday`.
            unsafe { (*totals).cpu_ns += now - cpu.switched_in };
        }
        return;
    }
    if class == NORMAL {
        count_everyday(cpu, id, row, now, wait);
    } else {
        if let Some(totals) = TOTALS.get_ptr_mut(id * ROWS + row) {
            // SAFETY: as in `count_everyday`.
            unsafe {
                (*totals).cpu_ns += now - cpu.switched_in;
                (*totals).background_waits += u64::from(class == BACKGROUND);
            }
        }
        add(if class == BACKGROUND { &mut cpu.background } else { &mut cpu.own }, wait);
    }
    if wait >= LONG_WAIT_NS {
        note_task(cpu, task, tid, &TaskWaits { group, long_waits: 1, sum_ns: wait, max_ns: wait, tgid, class, comm: [0; 16] });
    }
}

/// Takes the mark of a task that was moved asleep: whether its wait began with that.
#[inline(always)]
pub fn take_asleep(tid: u32, switched_in: u64, wait: u64) -> bool {
    let asleep = wait >= LONG_WAIT_NS && task_sched_delayed() != 0 && slept(tid, switched_in, wait);
    if asleep {
        let _ = MOVED_ASLEEP.remove(tid);
    }
    asleep
}

/// Whether the wait began when the task was moved asleep. One that began at any other time is a wait; the mark is old then.
#[inline(always)]
fn slept(tid: u32, switched_in: u64, wait: u64) -> bool {
    let Some(moved) = MOVED_ASLEEP.get_ptr(tid) else { return false };
    // SAFETY: the task is not moved while it runs on this CPU.
    let moved = unsafe { *moved };
    // The two clocks may drift by 0.05 % (NTP); balancing takes well below a millisecond.
    let tolerance = LONG_WAIT_NS + (wait >> 10);
    switched_in.wrapping_sub(wait).wrapping_sub(moved).wrapping_add(tolerance) < 2 * tolerance
}

/// What of `wait` was waiting: nothing, when the task was moved asleep.
#[inline(always)]
pub fn true_wait(tid: u32, switched_in: u64, wait: u64) -> u64 {
    if wait >= LONG_WAIT_NS && task_sched_delayed() != 0 && slept(tid, switched_in, wait) { 0 } else { wait }
}

/// Real-time tasks keep the nice value they would return to; it does not make them wait.
#[inline(always)]
fn class_of(task: Task, tgid: u32) -> u32 {
    if tgid == own_tgid() {
        return OWN;
    }
    match task.policy::<Typed>() {
        SCHED_BATCH | SCHED_IDLE => BACKGROUND,
        SCHED_NORMAL | SCHED_EXT if task.nice::<Typed>() >= BACKGROUND_NICE => BACKGROUND,
        _ => NORMAL,
    }
}

#[inline(always)]
fn add(waits: &mut Waits, wait: u64) {
    waits.sum_ns += wait;
    if wait > waits.max_ns {
        waits.max_ns = wait;
    }
    count_local(&mut waits.counts, wait);
}

/// Adds a long wait to its task's. The name is taken now: the task may be gone when the window ends.
#[inline(always)]
fn note_task(cpu: &mut Cpu, task: Task, tid: u32, wait: &TaskWaits) {
    let key = TaskKey { tid, start: task.start::<Typed>() };
    if let Some(known) = TASKS.get_ptr_mut(key) {
        // SAFETY: a task runs on one CPU at a time, so no other CPU writes its entry.
        let known = unsafe { &mut *known };
        known.long_waits += 1;
        known.sum_ns += wait.sum_ns;
        if wait.max_ns > known.max_ns {
            known.max_ns = wait.max_ns;
        }
        known.group = wait.group;
        known.class = wait.class;
    } else if TASKS.insert(key, TaskWaits { comm: task.comm(), ..*wait }, 0).is_err() {
        cpu.tasks_full += 1;
    }
}
