//! How control groups start that are made in the window: the first process, the first program, the first socket that listens, the
//! first connection to it, the first data that came and went on one. All hooks are rare: of connections, only those to a group that listens and has not
//! answered cost more than a look at a flag.
use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{
        bpf_get_current_comm, bpf_get_current_task,
        generated::{bpf_get_current_cgroup_id, bpf_jiffies64},
    },
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use kerno_ebpf::{
    kernel::{
        Access, Probed, Task, silenced,
        sock::{Sock, TcpSock},
        start::{Group, starts_followed},
    },
    rows::add_shared,
};
use kerno_ebpf_common::start::{STARTS as MOST_STARTS, Start, StartCounters, WATCHED as MOST_WATCHED, WATCHED_OF_ONE};

use crate::{now, tgid};

/// Groups made in the window, by their ids. None is ever removed.
#[map]
static STARTS: HashMap<u64, Start> = HashMap::with_max_entries(MOST_STARTS, 0);
/// Groups by the addresses of sockets that they have yet to answer on.
#[map]
static WATCHED: HashMap<u64, u64> = HashMap::with_max_entries(MOST_WATCHED, 0);
/// Address of the socket that is to be looked at when kerno's own connect ends. User space sets it.
#[map]
static LOOK: Array<u64> = Array::with_max_entries(1, 0);
#[map]
static START_COUNTERS: Array<StartCounters> = Array::with_max_entries(1, 0);

const MINUS_ONE: u64 = u64::MAX;

/// A group is there.
///
/// `cgroup:cgroup_mkdir(struct cgroup *cgrp, const char *path)`, typed by BTF (5.5), of any hierarchy.
#[btf_tracepoint(function = "cgroup_mkdir")]
fn group_made(ctx: BtfTracePointContext) -> i32 {
    let group = Group::new(ctx.arg(0));
    if silenced() != 0 || !group.is_unified() {
        return 0;
    }
    let Some(counters) = counters() else { return 0 };
    // SAFETY: a map's value.
    unsafe { add_shared(&raw mut (*counters).made, 1) };
    if let Some(above) = STARTS.get_ptr_mut(group.parent_id()) {
        // SAFETY: as above.
        unsafe { add_shared(&raw mut (*above).below, 1) };
    }
    // SAFETY: a helper without arguments.
    let maker = Task::new(unsafe { bpf_get_current_task() } as *const u8);
    let start = Start { made: now(), maker_mounts: maker.mounts::<Probed>(), ..NONE };
    if STARTS.insert(group.id(), start, u64::from(BPF_NOEXIST)).is_err() {
        // SAFETY: as above.
        unsafe { add_shared(&raw mut (*counters).untold, 1) };
    }
    0
}

const NONE: Start = Start {
    made: 0,
    populated: 0,
    emptied: 0,
    executed: 0,
    listened: 0,
    connected: 0,
    asked: 0,
    answered: 0,
    listened_ticks: 0,
    maker_mounts: 0,
    watched: 0,
    unwatched: 0,
    below: 0,
    tgid: 0,
    port: 0,
    own_mounts: 0,
    comm: [0; 16],
    listener: [0; 16],
};

/// The first process is in a group or below it, or the last one is gone.
///
/// `cgroup:cgroup_notify_populated(struct cgroup *cgrp, const char *path, int val)` (5.3), typed by BTF, of any hierarchy.
#[btf_tracepoint(function = "cgroup_notify_populated")]
fn group_populated(ctx: BtfTracePointContext) -> i32 {
    let group = Group::new(ctx.arg(0));
    if silenced() != 0 || !group.is_unified() {
        return 0;
    }
    if let Some(start) = STARTS.get_ptr_mut(group.id()) {
        // SAFETY: a map's value; the kernel tells a group's changes one after the other.
        let start = unsafe { &mut *start };
        if ctx.arg::<u32>(2) == 0 {
            start.emptied = now();
        } else {
            start.emptied = 0;
            if start.populated == 0 {
                start.populated = now();
            }
        }
    }
    0
}

/// A program is executed.
///
/// `sched:sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, typed by BTF (5.5): in the task
/// itself, which has its new name.
#[btf_tracepoint(function = "sched_process_exec")]
fn program_executed(_ctx: BtfTracePointContext) -> i32 {
    if silenced() != 0 {
        return 0;
    }
    // SAFETY: helpers without arguments.
    let (group, task) = unsafe { (bpf_get_current_cgroup_id(), bpf_get_current_task()) };
    let Some(start) = STARTS.get_ptr_mut(group) else { return 0 };
    // SAFETY: a map's value. Programs that are executed at the same time are all the first.
    let start = unsafe { &mut *start };
    if start.own_mounts != 0 || start.listened != 0 {
        return 0;
    }
    // A runtime may execute itself in the group before it gives it file systems of its own.
    let own_mounts = Task::new(task as *const u8).mounts::<Probed>() != start.maker_mounts;
    if own_mounts || start.executed == 0 {
        start.executed = now();
        start.own_mounts = u16::from(own_mounts);
        start.tgid = tgid();
        start.comm = bpf_get_current_comm().unwrap_or_default();
    }
    0
}

/// A TCP socket is about to listen.
#[inline(always)]
pub fn listens<A: Access>(tcp: TcpSock) {
    if starts_followed() == 0 {
        return;
    }
    let (Some(start), Some(counters)) = (STARTS.get_ptr_mut(tcp.sock().cgroup()), counters()) else { return };
    // SAFETY: map's values.
    unsafe {
        add_shared(&raw mut (*counters).listened, 1);
        if (*start).listened == 0 {
            (*start).listened_ticks = ticks();
            (*start).port = tcp.sock().local_port::<A>();
            (*start).listener = bpf_get_current_comm().unwrap_or_default();
            (*start).listened = now();
        }
    }
}

/// A connection that the other side began is there to be accepted.
#[inline(always)]
pub fn connected(tcp: TcpSock) {
    if !are_any() {
        return;
    }
    let group = tcp.sock().cgroup();
    let Some(start) = STARTS.get_ptr_mut(group) else { return };
    // SAFETY: a map's value.
    unsafe {
        if (*start).listened == 0 || (*start).answered != 0 {
            return;
        }
        if (*start).connected == 0 {
            (*start).connected = now();
        }
        let has_room = (*start).watched < WATCHED_OF_ONE;
        let count = if has_room && WATCHED.insert(tcp.sock().address(), group, 0).is_ok() {
            &raw mut (*start).watched
        } else {
            &raw mut (*start).unwatched
        };
        add_shared(count, 1);
    }
}

/// This side closes a socket.
#[inline(always)]
pub fn left(sock: Sock) {
    if are_any() {
        look(sock.address());
    }
}

/// A connection has ended; `accepted` when it is known that the other side began it.
#[inline(always)]
pub fn ended(tcp: TcpSock, accepted: bool) {
    if !are_any() {
        return;
    }
    let address = tcp.sock().address();
    let is_watched = WATCHED.get_ptr(address).is_some();
    if !is_watched && !accepted {
        return;
    }
    if let Some(start) = STARTS.get_ptr_mut(tcp.sock().cgroup()) {
        // SAFETY: a map's value.
        unsafe {
            if (*start).answered == 0 {
                note(&mut *start, address);
            }
            // Once it has answered, nobody counts.
            add_shared(if is_watched { &raw mut (*start).watched } else { &raw mut (*start).unwatched }, MINUS_ONE);
        }
    }
    if is_watched {
        let _ = WATCHED.remove(address);
    }
}

/// Looks at the socket that user space asks for.
#[inline(always)]
pub fn look_at_asked() {
    if are_any()
        && let Some(socket) = LOOK.get(0)
    {
        look(*socket);
    }
}

/// Whether data came or went on a socket that is looked after. While it is in the table, it is there.
#[inline(never)]
fn look(socket: u64) {
    if let Some(group) = WATCHED.get_ptr(socket)
        // SAFETY: a map's value.
        && let Some(start) = STARTS.get_ptr_mut(unsafe { *group })
    {
        // SAFETY: as above.
        let start = unsafe { &mut *start };
        if start.answered == 0 {
            note(start, socket);
        }
    }
}

/// Notes whether it was asked on this socket, and whether it has answered: when data last came and went.
#[inline(always)]
fn note(start: &mut Start, socket: u64) {
    let tcp = Sock::new(socket as *const u8).as_tcp();
    let (now, ticks) = (now(), ticks());
    if start.asked == 0 && tcp.data_received::<Probed>() != 0 {
        start.asked = moment(start, now, ticks, tcp.last_received::<Probed>(), start.connected);
    }
    if tcp.data_sent::<Probed>() != 0 {
        let least = if start.asked == 0 { start.connected } else { start.asked };
        start.answered = moment(start, now, ticks, tcp.last_sent::<Probed>(), least);
    }
}

/// When the kernel's clock of ticks, of which a socket keeps the lower half, said `at`: found between two moments of which both clocks
/// are known, because nobody tells how long a tick is. No earlier than `least`: a tick is a few milliseconds long.
#[inline(always)]
fn moment(start: &Start, now: u64, ticks: u64, at: u32, least: u64) -> u64 {
    let all = ticks.wrapping_sub(start.listened_ticks);
    let until = u64::from(at.wrapping_sub(start.listened_ticks as u32));
    let moment = if until < all { start.listened + (now - start.listened) * until / all } else { now };
    if moment < least { least } else { moment }
}

/// Whether any group that was made in the window has listened.
#[inline(always)]
fn are_any() -> bool {
    // SAFETY: a map's value.
    starts_followed() != 0 && counters().is_some_and(|counters| unsafe { (*counters).listened != 0 })
}

#[inline(always)]
fn counters() -> Option<*mut StartCounters> {
    START_COUNTERS.get_ptr_mut(0)
}

#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: a helper without arguments (5.5).
    unsafe { bpf_jiffies64() }
}
