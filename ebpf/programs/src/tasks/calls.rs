//! System calls on and off the CPU.
//!
//! A call that never leaves its CPU is kept in the CPU's slot alone. Only when its task is switched out inside the call is it saved
//! in a table, and only if its sleep may count; the first return after the task is back looks there.
use core::ptr::write_volatile;

use kerno_ebpf::kernel::{Probed, Registers, Task, Typed, calls_silenced, current_is_typed, shards};
use kerno_ebpf_common::{
    sched::Cpu,
    syscall::{
        ASLEEP, COMPAT, FIRST, IDLE, INTERRUPTIBLE, NO_GROUP, NO_RESULT, OFTEN, PREEMPTED, SLOW_NS, SavedCall, TWICE,
        UNINTERRUPTIBLE, UNJUDGED, UNKNOWN, UNNUMBERED, age_of, call_of, in_progress, place_key,
    },
};

use super::{
    judge, now, places,
    record::{self, Call},
    saved, this_cpu, waits,
};

const TASK_UNINTERRUPTIBLE: u32 = 0x2;
const TASK_DEAD: u32 = 0x80;

/// The row of a number: its own, or that of all that have none.
#[inline(always)]
fn row_of_number(number: u64) -> u32 {
    let compat =
        if current_is_typed() != 0 { Task::current_typed().is_compat::<Typed>() } else { Task::current().is_compat::<Probed>() };
    if compat {
        COMPAT
    } else if number < u64::from(COMPAT) {
        number as u32
    } else {
        UNNUMBERED
    }
}

/// A call begins.
#[inline(always)]
pub fn entered(number: u64) {
    let Some((_, cpu)) = this_cpu() else { return };
    let call = row_of_number(number) + FIRST;
    cpu.slot.call = in_progress(call, now());
}

/// A call returns. Counts the everyday case: the call never left the CPU, its rows are known, it took no time and did not fail.
/// Every other one is left to [`returned_otherwise`]: true. `alone`: no other task's call can return on this CPU meanwhile.
#[inline(always)]
pub fn returned(result: i64, alone: impl Fn() -> bool) -> bool {
    let now = now();
    let Some((id, cpu)) = this_cpu() else { return false };
    let word = cpu.slot.call;
    let (call, on_cpu) = (call_of(word), age_of(word, now));
    if result >= 0 {
        let key = place_key(cpu.slot.group, call);
        if places::count(cpu, key, on_cpu) {
            cpu.slot.call = 0;
            return false;
        }
        let group = cpu.slot.group;
        if call >= FIRST
            && on_cpu < SLOW_NS
            && group != NO_GROUP
            && let Some(rows) = record::known_rows(cpu, group, call - FIRST)
        {
            cpu.slot.call = 0;
            let calls = record::count_short(cpu, id & (shards() - 1), rows, group, on_cpu);
            if calls & (OFTEN - 1) == 0 && alone() {
                places::give(cpu, key, rows);
            }
            return false;
        }
    }
    cpu.slot.left_at = now;
    true
}

/// A call returns whatever happened inside of it.
#[inline(always)]
pub fn returned_otherwise(number: impl Fn() -> u64, registers: impl Fn() -> Registers, result: i64) {
    // Where this sees nothing, no call is seen to begin either, so that all come here.
    if calls_silenced() != 0 {
        return;
    }
    let Some((id, cpu)) = this_cpu() else { return };
    let word = cpu.slot.call;
    cpu.slot.call = 0;
    let (known, now) = (call_of(word), cpu.slot.left_at);
    let number = if known >= FIRST { known - FIRST } else { row_of_number(number()) };
    let flags = judge::class_of(number);
    let class = judge::plain(flags);
    let mut call = Call { number, result, is_result: flags & NO_RESULT == 0, judged: class != UNJUDGED, ..Call::default() };
    if known >= FIRST {
        call.on_cpu = age_of(word, now);
        call.begun = true;
    } else if known == UNKNOWN
        && let Some(saved) = saved::of(saved::task_of(cpu))
        && saved.call == number + FIRST
    {
        saved.call = IDLE;
        let run_delay = if current_is_typed() != 0 {
            Task::current_typed().run_delay::<Typed>()
        } else {
            Task::current().run_delay::<Probed>()
        };
        let wait = run_delay.wrapping_sub(cpu.run_delay);
        end_sleep(cpu, saved, waits::true_wait(saved.tid, cpu.switched_in, wait));
        call.uninterruptible = saved.uninterruptible;
        call.interruptible = saved.interruptible;
        call.waiting = saved.waiting;
        call.on_cpu = (now - saved.entered).saturating_sub(saved.uninterruptible + saved.interruptible + saved.waiting);
        call.begun = true;
        if call.uninterruptible + call.interruptible >= SLOW_NS {
            call.judged_sleep = judge::judged_sleep(class, call.interruptible, call.uninterruptible, registers(), result);
        } else if class != ASLEEP {
            call.judged_sleep = call.uninterruptible;
        }
    }
    if !call.begun {
        if flags & TWICE != 0 && result == 0 {
            return;
        }
        if known == UNKNOWN && class == ASLEEP {
            // It was not followed while it waited; the time since counts.
            call.on_cpu = now - cpu.switched_in;
            call.begun = true;
        } else {
            cpu.slot.unbegun += 1;
        }
    }
    record::count(cpu, id & (shards() - 1), &call);
}

/// A call returns, and nothing else is known of it.
#[inline(always)]
pub fn returned_alone(number: u64, result: i64) {
    let Some((id, cpu)) = this_cpu() else { return };
    // No switch tells that another task is on the CPU.
    cpu.slot.group = NO_GROUP;
    let number = row_of_number(number);
    let flags = judge::class_of(number);
    if flags & TWICE != 0 && result == 0 {
        return;
    }
    let call = Call { number, result, is_result: flags & NO_RESULT == 0, ..Call::default() };
    record::count(cpu, id & (shards() - 1), &call);
}

/// Adds the time off the CPU that ended when the task was switched in.
#[inline(always)]
fn end_sleep(cpu: &Cpu, saved: &mut SavedCall, wait: u64) {
    let off = cpu.switched_in - saved.left;
    if saved.how == PREEMPTED {
        saved.waiting += off;
        return;
    }
    let wait = if wait < off { wait } else { off };
    saved.waiting += wait;
    if saved.how == UNINTERRUPTIBLE {
        saved.uninterruptible += off - wait;
    } else {
        saved.interruptible += off - wait;
    }
}

/// How a task leaves the CPU, by its state.
#[inline(always)]
fn how(state: u32) -> u32 {
    if state == 0 {
        PREEMPTED
    } else if state & TASK_UNINTERRUPTIBLE != 0 {
        UNINTERRUPTIBLE
    } else {
        INTERRUPTIBLE
    }
}

/// Whether the call that the CPU's task is in, if any, is to be followed off the CPU.
#[inline(always)]
fn is_followed(call: u32) -> bool {
    call == UNKNOWN || (call >= FIRST && judge::plain(judge::class_of(call - FIRST)) != ASLEEP)
}

/// A task leaves the CPU, and has its seat if it needs one; else nothing is done: false.
#[inline(always)]
pub fn left_everyday(cpu: &Cpu, state: u32, now: u64) -> bool {
    if state & TASK_DEAD != 0 {
        return false;
    }
    let word = cpu.slot.call;
    let call = call_of(word);
    if !is_followed(call) {
        return true;
    }
    let task = saved::task_of(cpu);
    let Some(saved) = saved::seated(task) else { return call == UNKNOWN && !saved::is_in_table(task) };
    if call == UNKNOWN {
        return saved.call == IDLE;
    }
    begin(saved, word, how(state), now);
    true
}

/// Keeps the call in the task's entry.
#[inline(always)]
fn save(cpu: &Cpu, saved: &mut SavedCall, word: u64, how: u32, now: u64, wait: u64) {
    if call_of(word) >= FIRST {
        begin(saved, word, how, now);
        return;
    }
    if saved.call != IDLE {
        end_sleep(cpu, saved, wait);
    }
    saved.left = now;
    saved.how = how;
}

/// Keeps a call that leaves the CPU for the first time.
#[inline(always)]
fn begin(saved: &mut SavedCall, word: u64, how: u32, now: u64) {
    saved.entered = now - age_of(word, now);
    // SAFETY: references. Each by itself: together they are a call of a loop that sets bytes.
    unsafe {
        write_volatile(&raw mut saved.uninterruptible, 0);
        write_volatile(&raw mut saved.interruptible, 0);
        write_volatile(&raw mut saved.waiting, 0);
    }
    saved.call = call_of(word);
    saved.left = now;
    saved.how = how;
}

/// A task leaves the CPU. `wait` is what it waited for it.
#[inline(always)]
pub fn left(cpu: &mut Cpu, task: Task, tid: u32, state: u32, now: u64, wait: u64) {
    cpu.task = task.address();
    let key = saved::task_of(cpu);
    if state & TASK_DEAD != 0 {
        saved::drop(key);
        return;
    }
    let word = cpu.slot.call;
    let call = call_of(word);
    if !is_followed(call) {
        return;
    }
    if let Some(saved) = saved::of(key) {
        save(cpu, saved, word, how(state), now, wait);
    } else if call >= FIRST {
        let saved = SavedCall {
            entered: now - age_of(word, now),
            left: now,
            uninterruptible: 0,
            interruptible: 0,
            waiting: 0,
            call,
            how: how(state),
            tid,
            tgid: task.tgid::<Typed>(),
        };
        match saved::keep(key, saved) {
            Ok(in_table) => cpu.slot.inserted += u64::from(in_table),
            Err(_) => cpu.slot.unsaved += 1,
        }
    }
}

/// A task gets the CPU. Its group is looked up when a call of it returns: it may move itself into another before.
#[inline(always)]
pub fn arrived(cpu: &mut Cpu, task: Task) {
    cpu.slot.call = if task.is_of_kernel::<Typed>() { 0 } else { in_progress(UNKNOWN, 0) };
    cpu.slot.group = NO_GROUP;
}
