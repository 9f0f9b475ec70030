//! The oom object: every kill of the kernel's out-of-memory killer, with what only the kernel knows while the victim is there.
#![no_std]
#![no_main]

use aya_ebpf::{
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_ns,
        generated::bpf_probe_read_kernel_str,
    },
    macros::{btf_tracepoint, fentry, fexit, map},
    maps::{Array, RingBuf},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use kerno_ebpf::kernel::{Node, OomControl, Probed, Task, silenced};
use kerno_ebpf_common::oom::{Case, Counters, Kill, LEVELS, NAME, NO_LEVEL};

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[map]
static CASE: Array<Case> = Array::with_max_entries(1, 0);
#[map]
static COUNTERS: Array<Counters> = Array::with_max_entries(1, 0);
#[map]
static KILLS: RingBuf = RingBuf::with_byte_size(128 << 10, 0);

/// The case is known; victims follow.
///
/// `oom_kill_process(struct oom_control *oc, const char *message)`, entry (fentry: x86-64 since 5.5, arm64 since 6.4). Runs in the
/// task that ran out of memory, under `oom_lock`.
#[fentry(function = "oom_kill_process")]
fn oom_kill_process(ctx: FEntryContext) -> i32 {
    if silenced() != 0 {
        return 0;
    }
    if let Some((case, counters)) = state() {
        let control = OomControl::new(ctx.arg(0));
        counters.cases += 1;
        *case = Case {
            task: bpf_get_current_pid_tgid(),
            number: counters.cases,
            limit_node: control.limit().address(),
            total_pages: control.total_pages(),
            chosen: control.chosen(),
            points: control.points(),
            constraint: control.constraint(),
            killing: 0,
            ..*case
        };
    }
    0
}

/// From here on who is marked is killed.
///
/// `__oom_kill_process(struct task_struct *victim, const char *message)`, entry: once for the chosen victim, and once for every
/// process of a group that dies together (`memory.oom.group`).
#[fentry(function = "__oom_kill_process")]
fn oom_kill_victim(ctx: FEntryContext) -> i32 {
    if silenced() == 0
        && let Some((case, counters)) = state()
    {
        let again = Task::new(ctx.arg(0)).is_oom_victim();
        case.killing = u32::from(!again);
        counters.again += u64::from(again);
    }
    0
}

/// The case is closed.
#[fexit(function = "oom_kill_process")]
fn oom_kill_process_exit(_ctx: FExitContext) -> i32 {
    if silenced() == 0
        && let Some((case, _)) = state()
    {
        case.task = 0;
        case.killing = 0;
    }
    0
}

/// A victim is marked.
///
/// `oom:mark_victim(struct task_struct *task, uid_t uid)` since 6.9 (72ba14deb40a, backported to 5.10 and 6.1), typed by BTF. Before
/// it told a pid only: there the same is had from the entry of the function that it is in.
#[btf_tracepoint(function = "mark_victim")]
fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    mark(Task::new(ctx.arg(0)));
    0
}

/// `mark_oom_victim(struct task_struct *tsk)`, entry; for kernels whose tracepoint tells a pid only.
#[fentry(function = "mark_oom_victim")]
fn mark_oom_victim(ctx: FEntryContext) -> i32 {
    mark(Task::new(ctx.arg(0)));
    0
}

#[inline(always)]
fn state() -> Option<(&'static mut Case, &'static mut Counters)> {
    // SAFETY: the killer holds `oom_lock` while any of the programs runs, so that they never run at the same time.
    unsafe { Some((&mut *CASE.get_ptr_mut(0)?, &mut *COUNTERS.get_ptr_mut(0)?)) }
}

#[inline(always)]
fn mark(victim: Task) {
    if silenced() != 0 {
        return;
    }
    let Some((case, counters)) = state() else { return };
    let is_known = case.task == bpf_get_current_pid_tgid();
    // Who runs out of memory while it dies is marked as well, and so is a thread whose process has just been killed.
    if case.told != 0 && (!is_known || case.killing == 0) {
        counters.dying += 1;
        return;
    }
    counters.kills += 1;
    let Some(mut entry) = KILLS.reserve::<Kill>(0) else {
        counters.without_record += 1;
        return;
    };
    // SAFETY: room for a record, every part of which is written below before it is handed over.
    let kill = unsafe { &mut *entry.as_mut_ptr() };
    let group = victim.memory_group();
    // SAFETY: helpers without arguments.
    let (now, current) = unsafe { (bpf_ktime_get_ns(), bpf_get_current_task()) };
    let current = Task::new(current as *const u8);
    kill.at = now;
    kill.group = victim.cgroup::<Probed>();
    kill.trigger_group = current.cgroup::<Probed>();
    kill.pages = victim.memory();
    kill.tgid = victim.tgid::<Probed>();
    kill.score_adjustment = victim.oom_score_adjustment();
    kill.trigger = current.tgid::<Probed>();
    kill.comm = victim.comm();
    kill.trigger_comm = bpf_get_current_comm().unwrap_or_default();
    let limit = if is_known { Node::new(case.limit_node as *const u8) } else { Node::new(core::ptr::null()) };
    kill.case = if is_known { case.number } else { 0 };
    kill.limit = limit.id();
    kill.total_pages = case.total_pages;
    kill.constraint = case.constraint;
    kill.points = case.points;
    kill.scored = u32::from(is_known && case.chosen == victim.address());
    path(kill, group, limit);
    entry.submit(0);
}

/// Notes the names of a group and of those above it, and which of them the limit is of.
#[inline(always)]
fn path(kill: &mut Kill, group: Node, limit: Node) {
    let mut node = group;
    let (mut levels, mut limit_level, mut deeper) = (0, NO_LEVEL, 0);
    let mut level = 0;
    while level < LEVELS {
        // The root has no name.
        let is_named = !node.is_none() && !node.parent().is_none();
        let place = kill.path[level].as_mut_ptr();
        // SAFETY: room for a name; the helper ends it with a NUL, at once when the name cannot be read.
        unsafe {
            *place = 0;
            if is_named {
                let _ = bpf_probe_read_kernel_str(place.cast(), NAME as u32, node.name().cast());
            }
        }
        if is_named {
            levels = level as u32 + 1;
            if node.address() == limit.address() {
                limit_level = level as u32;
            }
            node = node.parent();
        }
        level += 1;
    }
    if !node.is_none() && !node.parent().is_none() {
        deeper = 1;
    }
    kill.levels = levels;
    kill.limit_level = limit_level;
    kill.deeper = deeper;
}
