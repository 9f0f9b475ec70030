//! System calls: counts, errors, and where their time went. Hooks: `tp_btf/sys_enter`, `tp_btf/sys_exit` and `tp_btf/sched_switch`;
//! where typed tracepoints can be preempted (7.0) `tracepoint/raw_syscalls/sys_{enter,exit}`; kernels from 5.8 with BTF.

mod attach;
pub mod decode;
pub mod fallback;
mod hung;
pub mod names;

use std::collections::HashMap;

use kerno_ebpf_common::{
    histogram::BUCKETS,
    sched::{Cpu, ROWS as GROUPS},
    syscall::{
        CallTotals, Counts, FIRST_GROUP, Failures, HISTOGRAMS, MAX_SHARDS, NUMBERS, OWN_GROUP, OWN_HISTOGRAM, Place, ProcessKey,
        ROWS, SAVED, SLOW_HISTOGRAMS, SavedCall, Seats, SlowCalls,
    },
};
use kerno_signals::{CollectorReport, Families};

use super::{
    Collector, Failure, Moment, Proof,
    context::{Context, StartError},
    load_error::Explained,
    loader::LoadError,
    report::{self, Counted},
    tasks::{FOLLOW, MOMENT, Shared, Tasks},
};
use crate::platform::{
    Root,
    clock::{Clock, SystemClock},
};
use attach::How;
use decode::{Group, Raw, Row};
use hung::Hung;

/// The collector's name everywhere.
pub const NAME: &str = "syscall";

/// The running collector.
pub struct SyscallCollector {
    root: Root,
    tasks: Shared,
    how: How,
    /// Calls that were asleep when it began.
    hung: Hung,
    /// What the maps held when the window ended.
    ended: Option<Result<Ended, LoadError>>,
}

/// What the maps held when the window ended.
struct Ended {
    raw: Raw,
    cpus: Vec<Cpu>,
    saved: Vec<SavedCall>,
    missed: Option<u64>,
}

impl SyscallCollector {
    /// Loads and attaches the programs; they count from then on.
    ///
    /// # Errors
    ///
    /// When this host does not allow calls to be counted at all.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let tasks = context.tasks()?;
        let how = {
            let mut tasks = tasks.borrow_mut();
            tasks.calls()?;
            tasks.object.fill("CALL_FREE", NUMBERS..ROWS)?;
            tasks.object.fill("NUMBER_FREE", OWN_HISTOGRAM + 1..HISTOGRAMS)?;
            tasks.object.fill("SLOW_FREE", 1..SLOW_HISTOGRAMS)?;
            attach::attach(context, &mut tasks)?
        };
        let root = context.root.clone();
        let mut hung = Hung::default();
        hung.look(&root, SystemClock.monotonic_ns());
        Ok(Self { root, tasks, how, hung, ended: None })
    }

    fn cpus(&self) -> Vec<Cpu> {
        self.tasks.borrow().cpu_records().unwrap_or_default()
    }

    /// Removes entries of calls that returned, before they leave no room.
    fn sweep(&mut self) {
        let inserted: u64 = self.cpus().iter().map(|cpu| cpu.slot.inserted).sum();
        if inserted < u64::from(SAVED) / 2 {
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let Ok(saved) = tasks.object.entries::<u64, SavedCall>("SAVED") else { return };
        if saved.len() < SAVED as usize / 2 {
            return;
        }
        for (task, _) in saved.into_iter().filter(|(_, call)| call.call == kerno_ebpf_common::syscall::IDLE) {
            if let Err(error) = tasks.object.remove::<u64, SavedCall>("SAVED", &task) {
                tracing::debug!(%error, "an entry of a call that returned stays");
            }
        }
    }
}

impl Ended {
    fn read(tasks: &Shared) -> Result<Self, LoadError> {
        let tasks = tasks.borrow();
        let cpus = tasks.cpu_records()?;
        Ok(Self {
            raw: Self::drain(&tasks, &cpus)?,
            saved: Self::saved(&tasks)?,
            cpus,
            missed: tasks.object.missed_by(|name| !FOLLOW.contains(&name)),
        })
    }

    fn drain(tasks: &Tasks, cpus: &[Cpu]) -> Result<Raw, LoadError> {
        let object = &tasks.object;
        let places: Vec<&Place> = cpus.iter().flat_map(|cpu| &cpu.slot.places).filter(|place| place.key != 0).collect();
        let groups: Vec<(u64, u32)> = object.entries("GROUP_ROWS")?;
        let known = object.entries::<u32, u32>("CALL_ROWS")?;
        // Rows of a number alone are for calls that found no other.
        let rows_are_full = cpus.iter().any(|cpu| cpu.slot.rows_full > 0);
        let used = if rows_are_full { 0 } else { NUMBERS }..end(&known).max(NUMBERS);
        let mut sums = vec![CallTotals::default(); used.end as usize];
        for place in &places {
            sums.get_mut(place.row as usize).into_iter().for_each(|sum| decode::add_place(sum, place));
        }
        object.copies("CALL_TOTALS", (tasks.shards, ROWS), used, |row, totals| decode::add(&mut sums[row], totals))?;
        let of_group = |(key, row): (u32, u32)| {
            let group = match key >> 16 {
                OWN_GROUP => Group::Own,
                group => Group::Row(group - FIRST_GROUP),
            };
            Row { row, number: key & 0xffff, group, totals: sums[row as usize] }
        };
        let of_number = |row: u32| Row { row, number: row, group: Group::None, totals: sums[row as usize] };
        let numbers = (0..NUMBERS).map(of_number).filter(|row| row.totals.calls > 0);
        let rows = known.into_iter().map(of_group).chain(numbers).collect();

        let known = object.entries::<u32, u32>("NUMBER_ROWS")?;
        let mut counts = histograms(&known);
        for place in &places {
            counts.get_mut(place.histogram as usize).into_iter().for_each(|counts| decode::add_units(counts, place));
        }
        let used = OWN_HISTOGRAM + 1..end(&known).max(OWN_HISTOGRAM + 1);
        object.copies("NUMBER_HIST", (tasks.shards, HISTOGRAMS), used, |row, more: &Counts| {
            decode::add_counts(&mut counts[row], more);
        })?;
        let histograms_of_numbers = by_key(known, counts);

        let known = object.entries::<u32, u32>("SLOW_ROWS")?;
        let mut counts = histograms(&known);
        object.each("SLOW_HIST", 0..end(&known), |row, more: &Counts| decode::add_counts(&mut counts[row as usize], more))?;
        let slow = by_key(known, counts);
        Ok(Raw {
            groups: groups.into_iter().map(|(id, row)| (row, id)).collect(),
            rows,
            histograms: histograms_of_numbers,
            slow,
            failures: object.entries::<u32, Failures>("FAILURES")?,
            processes: object.entries::<ProcessKey, SlowCalls>("PROCESSES")?,
        })
    }

    fn saved(tasks: &Tasks) -> Result<Vec<SavedCall>, LoadError> {
        let saved: Vec<(u64, SavedCall)> = tasks.object.entries("SAVED")?;
        let seats: Seats = tasks.object.get("SEATS", 0)?;
        let seated = seats.iter().filter(|seat| seat.task != 0).map(|seat| seat.saved);
        Ok(saved.into_iter().map(|(_, call)| call).chain(seated).collect())
    }
}

/// Behind the last row that was given out: rows are given out in order.
fn end(given: &[(u32, u32)]) -> u32 {
    given.iter().map(|(_, row)| row + 1).max().unwrap_or(0)
}

/// A histogram for each row up to the last that was given out.
fn histograms(given: &[(u32, u32)]) -> Vec<Vec<u64>> {
    vec![vec![0; BUCKETS]; end(given) as usize]
}

/// Each key's histogram.
fn by_key(given: Vec<(u32, u32)>, mut counts: Vec<Vec<u64>>) -> HashMap<u32, Vec<u64>> {
    given.into_iter().map(|(key, row)| (key, std::mem::take(&mut counts[row as usize]))).collect()
}

impl Collector for SyscallCollector {
    /// Calls returned so far.
    fn events(&self) -> u64 {
        self.cpus().iter().map(|cpu| cpu.slot.calls()).sum()
    }

    fn tick(&mut self, _moment: &Moment<'_>) {
        self.sweep();
    }

    /// Makes some calls: they must have been seen at once.
    fn prove(&mut self) -> Proof {
        const CALLS: u64 = 16;
        let seen = |cpus: &[Cpu]| {
            let of = |count: fn(&Cpu) -> u64| cpus.iter().map(count).sum::<u64>();
            (of(|cpu| cpu.slot.own_returned), of(|cpu| cpu.slot.own_timed))
        };
        let before = seen(&self.cpus());
        for _ in 0..CALLS {
            let _ = rustix::process::getppid();
        }
        let after = seen(&self.cpus());
        let (returned, timed) = (after.0 - before.0, after.1 - before.1);
        if returned < CALLS {
            return Proof::Blind(format!("{} saw {returned} of {CALLS} calls", self.how.exit()));
        }
        let Some(enter) = self.how.enter() else { return Proof::Alive };
        if timed == 0 {
            return Proof::Blind(format!("{enter} saw none of {CALLS} calls"));
        }
        // Calls that leave the CPU are followed by its switches.
        let latest = |cpus: &[Cpu]| cpus.iter().map(|cpu| cpu.switched_in).max();
        let before = latest(&self.cpus());
        std::thread::sleep(MOMENT);
        if latest(&self.cpus()) > before {
            Proof::Alive
        } else {
            Proof::Blind("sched_switch saw none of kerno's own switches".to_owned())
        }
    }

    fn stop(&mut self) {
        self.ended.get_or_insert_with(|| Ended::read(&self.tasks));
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let Ended { raw, cpus, saved, missed } = self.ended.take().unwrap_or_else(|| Ended::read(&self.tasks))?;
        let ungrouped: u64 = raw.rows.iter().filter(|row| row.group == Group::None).map(|row| row.totals.calls).sum();
        let of = |count: fn(&Cpu) -> u64| cpus.iter().map(count).sum::<u64>();
        let full = of(|cpu| cpu.slot.unsaved + cpu.slot.slow_without_row + cpu.slot.errors_full + cpu.slot.processes_full);
        tracing::debug!(ungrouped, full, ?missed, unbegun = of(|cpu| cpu.slot.unbegun), "calls of which part is not known");
        let counted = Counted { what: "calls", events: of(|cpu| cpu.slot.calls()), lost: ungrouped + full, missed };
        let mut family = decode::decode(raw, moment.names);
        self.hung.look(&self.root, moment.now_ns);
        hung::tell(&mut family, hung::in_flight(&self.root, moment, &saved, &self.hung));
        families.syscall = Some(family);
        Ok(report::partial(report::running(NAME, &[counted]), self.how.partial()))
    }

    fn detach(&mut self) {
        self.tasks.borrow_mut().object.detach_those(|name| !FOLLOW.contains(&name));
    }
}

const _: () = assert!(GROUPS + FIRST_GROUP < 1 << 16 && MAX_SHARDS <= kerno_ebpf_common::sched::MAX_SHARDS);

/// Why a part of the family is missing, and what to do about it.
type Partial = Option<Explained>;
