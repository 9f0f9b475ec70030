//! The sched object: run-queue delay from the kernel's own account, one program on `sched_switch`.
#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, LruHashMap, Queue},
    programs::BtfTracePointContext,
};
use kerno_ebpf::{
    kernel::{Task, Typed, own_tgid, shards, silenced, task_sched_delayed},
    rows::{count_local, count_shared, row_of},
};
use kerno_ebpf_common::sched::{
    BACKGROUND, CACHED_ROWS, CachedRow, Counts, Cpu, GroupTotals, LONG_WAIT_NS, NORMAL, OTHER, OWN, ROWS, TASKS as TASKS_KEPT,
    TaskWaits, Waits,
};

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

// User space sizes the arrays by the CPUs that can exist. Plain arrays keyed by CPU: the look-up is inlined.
#[map]
static CPUS: Array<Cpu> = Array::with_max_entries(1, 0);
#[map]
static GROUP_ROWS: HashMap<u64, u32> = HashMap::with_max_entries(ROWS, 0);
#[map]
static FREE_ROWS: Queue<u32> = Queue::with_max_entries(ROWS, 0);
#[map]
static HISTOGRAMS: Array<Counts> = Array::with_max_entries(ROWS, 0);
#[map]
static TOTALS: Array<GroupTotals> = Array::with_max_entries(ROWS, 0);
#[map]
static MOVED_ASLEEP: LruHashMap<u32, u64> = LruHashMap::with_max_entries(TASKS_KEPT, 0);
#[map]
static TASKS: LruHashMap<u32, TaskWaits> = LruHashMap::with_max_entries(TASKS_KEPT, 0);

const SCHED_NORMAL: u32 = 0;
const SCHED_BATCH: u32 = 3;
const SCHED_IDLE: u32 = 5;
const SCHED_EXT: u32 = 7;
const BACKGROUND_NICE: i32 = 10;

/// Run-queue delay of the task that leaves the CPU; the next one's account is kept until it leaves.
///
/// `sched:sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next[, unsigned int prev_state])`, typed by
/// BTF (5.5). `prev_state` came with 5.18 (fa2c3254d7cf); it is not used. Runs with interrupts off.
///
/// `run_delay` of `next` is advanced after this hook (`sched_info_switch`), so its value here is the one without this wait, and
/// what it gained by the time the task leaves the CPU is the wait: after a wake-up, a fork or a preemption alike. Blind spot: a
/// task that preempts at once when it is woken skips the run queue's clock update and reads 0.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    if silenced() == 0 {
        switch(Task::new(ctx.arg(1)), Task::new(ctx.arg(2)));
    }
    0
}

/// Marks a sleeping task that is moved to another CPU's run queue.
///
/// `sched:sched_migrate_task(struct task_struct *p, int dest_cpu)`, typed by BTF (5.5); attached where tasks that sleep may stay
/// in their run queue (since 6.12, 152e11f6df29). Moving such a task starts its `run_delay` while it still sleeps, so its next wait
/// is not one.
#[btf_tracepoint(function = "sched_migrate_task")]
fn sched_migrate_task(ctx: BtfTracePointContext) -> i32 {
    let task = Task::new(ctx.arg(0));
    if task_sched_delayed() != 0 && task.is_delayed::<Typed>() {
        // SAFETY: a helper without arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        let _ = MOVED_ASLEEP.insert(task.tid::<Typed>(), now, 0);
    }
    0
}

#[inline(always)]
fn switch(prev: Task, next: Task) {
    // SAFETY: helpers without arguments.
    let (now, id) = unsafe { (bpf_ktime_get_ns(), bpf_get_smp_processor_id()) };
    let Some(cpu) = CPUS.get_ptr_mut(id) else { return };
    // SAFETY: only this CPU writes its entry, and the hook runs with interrupts off.
    let cpu = unsafe { &mut *cpu };
    let tid = prev.tid::<Typed>();
    if tid != 0 && cpu.switched_in != 0 {
        if cpu.tid == tid {
            account(cpu, id, prev, tid, now);
        } else {
            cpu.mismatched += 1;
        }
    }
    cpu.switches += 1;
    cpu.tid = next.tid::<Typed>();
    cpu.run_delay = next.run_delay::<Typed>();
    cpu.switched_in = now;
}

/// Counts the wait that ended when `task` was switched in, and the CPU time since.
#[inline(always)]
fn account(cpu: &mut Cpu, id: u32, task: Task, tid: u32, now: u64) {
    let wait = task.run_delay::<Typed>().wrapping_sub(cpu.run_delay);
    let tgid = task.tgid::<Typed>();
    let class = class_of(task, tgid);
    let group = task.cgroup::<Typed>();
    let row = group_row(cpu, group);
    if let Some(totals) = TOTALS.get_ptr_mut(id * ROWS + row) {
        // SAFETY: only this CPU writes this entry, with interrupts off.
        let totals = unsafe { &mut *totals };
        totals.cpu_ns += now - cpu.switched_in;
        if wait >= LONG_WAIT_NS && task_sched_delayed() != 0 && slept(tid, cpu.switched_in, wait) {
            cpu.asleep += 1;
            return;
        }
        match class {
            NORMAL => {
                totals.sum_ns += wait;
                if wait > totals.max_ns {
                    totals.max_ns = wait;
                }
                if let Some(counts) = HISTOGRAMS.get_ptr_mut((id & (shards() - 1)) * ROWS + row) {
                    count_shared(counts, wait);
                }
            }
            BACKGROUND => {
                totals.background_waits += 1;
                add(&mut cpu.background, wait);
            }
            _ => add(&mut cpu.own, wait),
        }
    }
    if wait >= LONG_WAIT_NS {
        note_task(cpu, task, tid, &TaskWaits { group, long_waits: 1, sum_ns: wait, max_ns: wait, tgid, class, comm: [0; 16] });
    }
}

/// Whether the wait began when the task was moved asleep. One that began at any other time is a wait; the mark is old then.
#[inline(always)]
fn slept(tid: u32, switched_in: u64, wait: u64) -> bool {
    let Some(moved) = MOVED_ASLEEP.get_ptr(tid) else { return false };
    // SAFETY: the task is not moved while it runs on this CPU.
    let moved = unsafe { *moved };
    let _ = MOVED_ASLEEP.remove(tid);
    // The two clocks may drift by 0.05 % (NTP); balancing takes well below a millisecond.
    let tolerance = LONG_WAIT_NS + (wait >> 10);
    switched_in.wrapping_sub(wait).wrapping_sub(moved).wrapping_add(tolerance) < 2 * tolerance
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

/// The group's row, from this CPU's cache where it is there. "No row" is never cached.
#[inline(always)]
fn group_row(cpu: &mut Cpu, group: u64) -> u32 {
    // SAFETY: masked to the array's length, a power of two; unchecked, because a check would leave a panic behind.
    let cached = unsafe { &mut *cpu.cached.as_mut_ptr().add(group as usize & (CACHED_ROWS - 1)) };
    if cached.group == group {
        return cached.row;
    }
    let Some((row, _)) = row_of(&GROUP_ROWS, &FREE_ROWS, group) else {
        cpu.without_row += 1;
        return OTHER;
    };
    *cached = CachedRow { group, row, padding: 0 };
    row
}

/// Adds a long wait to its task's. The name is taken now: the task may be gone when the window ends.
#[inline(always)]
fn note_task(cpu: &mut Cpu, task: Task, tid: u32, wait: &TaskWaits) {
    if let Some(known) = TASKS.get_ptr_mut(tid) {
        // SAFETY: a task runs on one CPU at a time, so no other CPU writes its entry.
        let known = unsafe { &mut *known };
        if known.tgid == wait.tgid {
            known.long_waits += 1;
            known.sum_ns += wait.sum_ns;
            if wait.max_ns > known.max_ns {
                known.max_ns = wait.max_ns;
            }
            known.group = wait.group;
            known.class = wait.class;
            return;
        }
    }
    if TASKS.insert(tid, TaskWaits { comm: task.comm(), ..*wait }, 0).is_err() {
        cpu.tasks_full += 1;
    }
}
