//! The tasks object: run-queue delay and system calls. Both follow tasks on and off the CPUs, with one program on `sched_switch`.
#![no_std]
#![no_main]

#[path = "tasks/calls.rs"]
mod calls;
#[path = "tasks/groups.rs"]
mod groups;
#[path = "tasks/judge.rs"]
mod judge;
#[path = "tasks/places.rs"]
mod places;
#[path = "tasks/record.rs"]
mod record;
#[path = "tasks/saved.rs"]
mod saved;
#[path = "tasks/waits.rs"]
mod waits;

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::{btf_tracepoint, map, tracepoint},
    maps::{Array, ProgramArray},
    programs::{BtfTracePointContext, TracePointContext},
};
use kerno_ebpf::kernel::{
    Registers, Task, Typed, any_silenced, calls_silenced, own_tgid, preemptible, silenced, state_is_argument, task_sched_delayed,
};
use kerno_ebpf_common::{
    sched::{Cpu, EVERYDAY_NS, NO_ROW},
    syscall::{FIRST_GROUP, NO_GROUP},
};

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

// User space sizes the arrays by the CPUs that can exist. Plain arrays keyed by CPU: the look-up is inlined.
#[map]
static CPUS: Array<Cpu> = Array::with_max_entries(1, 0);

// The programs that take over from short ones.
#[map]
static OTHERWISE_SWITCH: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map]
static OTHERWISE: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map]
static OTHERWISE_PERF: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Run-queue delay and system call of the task that leaves the CPU; the next one's account is kept until it leaves.
///
/// `sched:sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next[, unsigned int prev_state])`, typed by
/// BTF (5.5). `prev_state` came with 5.18 (fa2c3254d7cf). Runs with interrupts off.
///
/// `run_delay` of `next` is advanced after this hook (`sched_info_switch`), so its value here is the one without this wait, and
/// what it gained by the time the task leaves the CPU is the wait: after a wake-up, a fork or a preemption alike. Blind spot: a
/// task that preempts at once when it is woken skips the run queue's clock update and reads 0.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let (prev, next) = (Task::new(ctx.arg(1)), Task::new(ctx.arg(2)));
    if !switch_everyday(prev, next, state(&ctx, prev)) {
        // SAFETY: the helper returns only when there is no such program.
        unsafe { OTHERWISE_SWITCH.tail_call(&ctx, 0) };
    }
    0
}

/// What `sched_switch` leaves to it: long waits, background and own tasks, and whatever is met for the first time.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch_otherwise(ctx: BtfTracePointContext) -> i32 {
    let (prev, next) = (Task::new(ctx.arg(1)), Task::new(ctx.arg(2)));
    switch(prev, next, state(&ctx, prev));
    0
}

/// State in which the task leaves the CPU; 0 when it is preempted, whatever it was about to set.
#[inline(always)]
fn state(ctx: &BtfTracePointContext, prev: Task) -> u32 {
    if ctx.arg::<u64>(0) & 0xff != 0 {
        0
    } else if state_is_argument() != 0 {
        ctx.arg::<u64>(3) as u32
    } else {
        prev.state::<Typed>()
    }
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
        waits::moved_asleep(task.tid::<Typed>(), now());
    }
    0
}

/// A call begins: `raw_syscalls:sys_enter(struct pt_regs *regs, long id)`, typed by BTF (5.5).
#[btf_tracepoint(function = "sys_enter")]
fn sys_enter(ctx: BtfTracePointContext) -> i32 {
    calls::entered(ctx.arg(1));
    0
}

/// A call returns: `raw_syscalls:sys_exit(struct pt_regs *regs, long ret)`, typed by BTF (5.5).
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    if calls::returned(ctx.arg(1), || preemptible() == 0) {
        // SAFETY: the helper returns only when there is no such program.
        unsafe { OTHERWISE.tail_call(&ctx, 0) };
    }
    0
}

/// What `sys_exit` leaves to it: calls that slept, failed, were long, or are the first of their kind on this CPU.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit_otherwise(ctx: BtfTracePointContext) -> i32 {
    let registers = Registers::new(ctx.arg(0));
    calls::returned_otherwise(|| registers.number::<Typed>(), || registers, ctx.arg(1));
    0
}

/// The same as `sys_enter` where programs on typed tracepoints can be preempted (7.0, a46023d5616e), which skips the events of
/// others meanwhile: programs on perf events of tracepoints cannot. `{u64 common; long id; unsigned long args[6]}`.
#[tracepoint]
fn sys_enter_perf(ctx: TracePointContext) -> u32 {
    // SAFETY: inside the event.
    calls::entered(unsafe { *ctx.as_ptr().cast::<u64>().add(1) });
    0
}

/// The same as `sys_exit`, on the perf event: `{u64 common; long id; long ret}`.
#[tracepoint]
fn sys_exit_perf(ctx: TracePointContext) -> u32 {
    // SAFETY: inside the event.
    let result = unsafe { *ctx.as_ptr().cast::<i64>().add(2) };
    if calls::returned(result, || true) {
        // SAFETY: the helper returns only when there is no such program.
        unsafe { OTHERWISE_PERF.tail_call(&ctx, 0) };
    }
    0
}

/// The same as `sys_exit_otherwise`, on the perf event.
#[tracepoint]
fn sys_exit_otherwise_perf(ctx: TracePointContext) -> u32 {
    // SAFETY: inside the event.
    let (number, result) = unsafe { (*ctx.as_ptr().cast::<u64>().add(1), *ctx.as_ptr().cast::<i64>().add(2)) };
    calls::returned_otherwise(|| number, || Task::current_typed().registers(), result);
    0
}

/// `sys_exit` alone, where `sched_switch` or `sys_enter` is not to be had: counts and errors, no times.
#[btf_tracepoint(function = "sys_exit")]
fn sys_exit_alone(ctx: BtfTracePointContext) -> i32 {
    if calls_silenced() == 0 {
        calls::returned_alone(Registers::new(ctx.arg(0)).number::<Typed>(), ctx.arg(1));
    }
    0
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// This CPU's number and entry.
///
/// Only programs of this CPU write it: `sched_switch` runs with interrupts off, and no program on a system call runs inside of
/// another on the same CPU.
#[inline(always)]
fn this_cpu() -> Option<(u32, &'static mut Cpu)> {
    // SAFETY: a helper without arguments; see above.
    unsafe {
        let id = bpf_get_smp_processor_id();
        CPUS.get_ptr_mut(id).map(|cpu| (id, &mut *cpu))
    }
}

/// Counts a switch of which there is nothing special to say; else does nothing: false.
#[inline(always)]
fn switch_everyday(prev: Task, next: Task, state: u32) -> bool {
    // Where one collector sees nothing, every switch is special: the other need not be fast.
    if any_silenced() != 0 {
        return false;
    }
    let now = now();
    let Some((id, cpu)) = this_cpu() else { return true };
    if cpu.task != prev.address() {
        return false;
    }
    if cpu.tid != 0 {
        let wait = prev.run_delay::<Typed>().wrapping_sub(cpu.run_delay);
        let row = cpu.row;
        if row == NO_ROW || wait >= EVERYDAY_NS || !calls::left_everyday(cpu, state, now) {
            return false;
        }
        waits::count_everyday(cpu, id, row, now, wait);
    }
    cpu.switches += 1;
    arrive(cpu, next, now);
    true
}

/// Counts any switch.
#[inline(always)]
fn switch(prev: Task, next: Task, state: u32) {
    let now = now();
    let Some((id, cpu)) = this_cpu() else { return };
    let tid = prev.tid::<Typed>();
    if tid != 0 && cpu.switched_in != 0 {
        let wait = prev.run_delay::<Typed>().wrapping_sub(cpu.run_delay);
        let asleep = waits::take_asleep(tid, cpu.switched_in, wait);
        if calls_silenced() == 0 {
            calls::left(cpu, prev, tid, state, now, if asleep { 0 } else { wait });
        }
        if silenced() == 0 {
            if cpu.tid == tid {
                waits::account(cpu, id, prev, tid, now, wait, asleep);
            } else {
                cpu.mismatched += 1;
            }
        }
    }
    cpu.switches += u64::from(silenced() == 0);
    arrive(cpu, next, now);
}

/// The next task gets the CPU. What there is to know of it is looked up now, once.
#[inline(always)]
fn arrive(cpu: &mut Cpu, next: Task, now: u64) {
    let tid = next.tid::<Typed>();
    cpu.task = next.address();
    cpu.tid = tid;
    cpu.switched_in = now;
    if tid == 0 {
        // It makes no calls, and may stay for long: others could be at the address of the groups by then.
        cpu.groups = 0;
        return;
    }
    cpu.run_delay = next.run_delay::<Typed>();
    let groups = next.groups::<Typed>();
    // Those of a task that ran until now are still there.
    if cpu.groups != groups.address() || cpu.group == NO_GROUP {
        cpu.groups = groups.address();
        cpu.group = groups::cached_row(cpu, groups.id::<Typed>()).map_or(NO_GROUP, |row| row + FIRST_GROUP);
    }
    let is_known = cpu.group != NO_GROUP && waits::is_normal(next) && next.tgid::<Typed>() != own_tgid();
    cpu.row = if is_known { cpu.group - FIRST_GROUP } else { NO_ROW };
    calls::arrived(cpu, next);
}
