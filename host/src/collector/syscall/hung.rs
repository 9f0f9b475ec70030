//! Calls that have not returned: those that the programs saved, and those that were asleep before there were programs, or where
//! there are none, found in `/proc` by looking twice.
//!
//! A thread is in one and the same sleep when its call is the same to the last register and it has not gone to sleep again.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use kerno_ebpf_common::syscall::{
    ASLEEP, CLASS, CLONE, CLONE3, DESCRIPTOR, FILE, FIRST, IDLE, OPEN, PREEMPTED, SLOW_NS, SavedCall, UNJUDGED,
};
use kerno_signals::{CallInFlight, Caller, Cgroup, Syscall};

use super::names;
use crate::{
    collector::Moment,
    platform::{
        Root, cgroup,
        process::{self, Stat},
        thread::{self, Blocked},
        threads::Threads,
    },
};

/// Calls told at most, the longest.
const TOLD: usize = 64;

const CLONE_VFORK: u64 = 0x4000;

/// Threads that sleep where they should not, by process and thread id.
#[derive(Debug, Default)]
pub struct Hung {
    seen: HashMap<(u32, u32), Seen>,
    threads: Threads,
}

/// A sleep.
#[derive(Clone, Debug)]
struct Seen {
    /// When it was first seen.
    first_ns: u64,
    text: String,
    sleeps: u64,
    row: u32,
    comm: String,
    sleeps_in: Option<String>,
    /// The walk that found it.
    walk: u32,
}

impl Hung {
    /// Looks at all threads; those that were in the same sleep at the last look keep the time of the first.
    pub fn look(&mut self, root: &Root, now_ns: u64) {
        self.look_on(root, now_ns, usize::MAX);
    }

    /// The same with as many threads as `budget` allows, after those that it came to at the last call.
    pub fn look_on(&mut self, root: &Root, now_ns: u64, budget: usize) {
        let Self { seen, threads } = self;
        let (own, walk) = (std::process::id(), threads.walk());
        let is_done = threads.go_on(root, budget, |pid, tid| {
            if pid != own {
                look_again(seen, root, (pid, tid), now_ns, walk);
            }
        });
        if is_done {
            seen.retain(|_, seen| seen.walk == walk);
        }
    }

    /// Looks again at those that it knows, and forgets who woke: the longest `most`, the others are forgotten too.
    pub fn check(&mut self, root: &Root, now_ns: u64, most: usize) {
        let mut known: Vec<_> = self.seen.iter().map(|(thread, seen)| (seen.first_ns, *thread, seen.walk)).collect();
        known.sort_unstable();
        for (index, (_, thread, walk)) in known.into_iter().enumerate() {
            if index < most {
                look_again(&mut self.seen, root, thread, now_ns, walk);
            } else {
                self.seen.remove(&thread);
            }
        }
    }

    /// How many threads were looked at less than twice, and about how many there are; `None` when each look was at all of them.
    #[must_use]
    pub fn left_out(&self, root: &Root) -> Option<(u64, u64)> {
        self.threads.left_out(root)
    }

    /// Threads in a sleep that counts at the last look.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    fn told(&self, root: &Root, moment: &Moment<'_>) -> impl Iterator<Item = CallInFlight> {
        let old = self.seen.iter().filter(|(_, seen)| seen.first_ns + SLOW_NS <= moment.now_ns);
        old.map(move |((pid, tid), seen)| CallInFlight {
            caller: Caller { pid: *pid, comm: seen.comm.clone() },
            tid: *tid,
            cgroup: group_of(root, moment, *pid),
            name: names::told(seen.row),
            age_ns: moment.now_ns - seen.first_ns,
            judged_ns: moment.now_ns - seen.first_ns,
            at_least: true,
            sleeps_in: seen.sleeps_in.clone(),
        })
    }
}

fn look_again(all: &mut HashMap<(u32, u32), Seen>, root: &Root, (pid, tid): (u32, u32), now_ns: u64, walk: u32) {
    let before = all.remove(&(pid, tid));
    if let Some(mut seen) = look_at(root, pid, tid, now_ns) {
        if let Some(before) = before.filter(|before| before.text == seen.text && before.sleeps == seen.sleeps) {
            seen.first_ns = before.first_ns;
        }
        seen.walk = walk;
        all.insert((pid, tid), seen);
    }
}

/// The sleep of one thread, if it is one that counts.
fn look_at(root: &Root, pid: u32, tid: u32, now_ns: u64) -> Option<Seen> {
    let blocked = thread::blocked(root, pid, tid)?;
    let row = row_of(&blocked);
    if !may_count(row, &blocked) {
        return None;
    }
    let Stat { state, comm, .. } = process::thread_stat(root, pid, tid).ok()?;
    let sleeps_in = thread::sleeps_in(root, pid, tid);
    if !counts(root, pid, &blocked, state, sleeps_in.as_deref()) {
        return None;
    }
    let sleeps = thread::sleeps(root, pid, tid)?;
    Some(Seen { first_ns: now_ns, text: blocked.text, sleeps, row, comm, sleeps_in, walk: 0 })
}

fn row_of(blocked: &Blocked) -> u32 {
    if blocked.is_32_bit { kerno_ebpf_common::syscall::COMPAT } else { blocked.number }
}

/// Whether any sleep of the call counts.
fn may_count(row: u32, blocked: &Blocked) -> bool {
    match names::class(row) & CLASS {
        ASLEEP | UNJUDGED | CLONE3 => false,
        CLONE => blocked.first_argument & CLONE_VFORK == 0,
        _ => true,
    }
}

/// Whether this sleep of it does.
fn counts(root: &Root, pid: u32, blocked: &Blocked, state: char, sleeps_in: Option<&str>) -> bool {
    match (state, names::class(row_of(blocked)) & CLASS) {
        ('D', _) | ('S', FILE) => true,
        ('S', DESCRIPTOR) => sleeps_in.map_or_else(
            // Kernels before 5.16 do not tell.
            || thread::file_system(root, pid, blocked.first_argument).is_some_and(|kind| has_a_server(&kind)),
            is_a_server,
        ),
        ('S', OPEN) => sleeps_in.is_some_and(is_a_server),
        _ => false,
    }
}

/// Whether who sleeps in a kernel function waits for the server of a file system: FUSE and 9P let signals interrupt that.
fn is_a_server(function: &str) -> bool {
    function == "request_wait_answer" || ["fuse_", "__fuse_", "p9_"].iter().any(|prefix| function.starts_with(prefix))
}

/// Whether a file system is of those.
fn has_a_server(kind: &str) -> bool {
    kind.starts_with("fuse") || ["9p", "virtiofs"].contains(&kind)
}

/// Calls in flight at the window's end that count, longest first.
#[must_use]
pub fn in_flight(root: &Root, moment: &Moment<'_>, saved: &[SavedCall], hung: &Hung) -> Vec<CallInFlight> {
    let mut known = HashSet::new();
    let mut told: Vec<_> = saved.iter().filter_map(|call| still(root, moment, call)).collect();
    // A table that is read while it changes may tell an entry twice.
    told.retain(|call| known.insert(call.tid));
    told.extend(hung.told(root, moment).filter(|call| !known.contains(&call.tid)));
    told.sort_by_key(|call| (Reverse(call.judged_ns), call.tid));
    told
}

/// Tells as many of them as there is room for, and how many there are.
pub fn tell(family: &mut Syscall, mut in_flight: Vec<CallInFlight>) {
    family.in_flight_total = in_flight.len() as u64;
    in_flight.truncate(TOLD);
    family.in_flight = in_flight;
}

/// A saved call, if its thread is still in it and the sleep counts.
fn still(root: &Root, moment: &Moment<'_>, saved: &SavedCall) -> Option<CallInFlight> {
    let age_ns = moment.now_ns.saturating_sub(saved.entered);
    if saved.call == IDLE || saved.tgid == std::process::id() || age_ns < SLOW_NS {
        return None;
    }
    let row = saved.call - FIRST;
    let blocked = thread::blocked(root, saved.tgid, saved.tid)?;
    if row_of(&blocked) != row || !may_count(row, &blocked) {
        return None;
    }
    let Stat { state, comm, .. } = process::thread_stat(root, saved.tgid, saved.tid).ok()?;
    let sleeps_in = thread::sleeps_in(root, saved.tgid, saved.tid);
    let judged_ns = judged(row, saved, moment.now_ns, counts(root, saved.tgid, &blocked, state, sleeps_in.as_deref()));
    (judged_ns >= SLOW_NS).then(|| CallInFlight {
        caller: Caller { pid: saved.tgid, comm },
        tid: saved.tid,
        cgroup: group_of(root, moment, saved.tgid),
        name: names::told(row),
        age_ns,
        judged_ns,
        at_least: false,
        sleeps_in,
    })
}

/// The judged part of a call so far: its sleep before, and the present one if that `counts`.
fn judged(row: u32, saved: &SavedCall, now_ns: u64, counts: bool) -> u64 {
    let present = if counts && saved.how != PREEMPTED { now_ns.saturating_sub(saved.left) } else { 0 };
    let before = if counts && names::class(row) & CLASS == FILE { saved.interruptible } else { 0 };
    saved.uninterruptible + before + present
}

fn group_of(root: &Root, moment: &Moment<'_>, pid: u32) -> Cgroup {
    let path = moment.names.and_then(|names| names.hierarchy().path_of(root, pid).ok());
    let Some(path) = path else { return Cgroup::default() };
    let id = moment.names.and_then(|names| names.id(&path)).unwrap_or(0);
    cgroup::describe(id, &path)
}

#[cfg(test)]
#[path = "hung_tests.rs"]
mod tests;
