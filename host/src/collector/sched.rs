//! Run-queue delay. Hooks: `tp_btf/sched_switch`, since 6.12 also `tp_btf/sched_migrate_task`; kernels from 5.8 with BTF and `CONFIG_SCHED_INFO` (which schedstats, taskstats
//! and PSI-minded kernels all have).

pub mod decode;
pub mod fallback;
pub mod quota;

use std::collections::HashMap;

use kerno_ebpf_common::sched::{Counts, Cpu, GroupTotals, OTHER, ROWS, TaskKey, TaskWaits};
use kerno_signals::{CollectorReport, Families, Runner};

use super::{
    Collector, Failure, Moment, Proof,
    context::{Context, StartError},
    loader::LoadError,
    report::{self, Counted},
    tasks::{FOLLOW, MOMENT, Shared},
};
use crate::platform::{
    Root,
    cgroup::Names,
    process::{self, CpuTime},
};
use decode::{Group, Raw};

/// The collector's name everywhere.
pub const NAME: &str = "sched";

/// How many processes are listed in `Sched::runners`, with kernel programs and without.
const RUNNERS: usize = 32;

/// The running collector.
pub struct SchedCollector {
    root: Root,
    tasks: Shared,
    cpu_times: HashMap<u32, CpuTime>,
    /// What the maps held when the window ended.
    ended: Option<Result<Raw, LoadError>>,
}

impl SchedCollector {
    /// Loads and attaches the program; it counts from then on.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let tasks = context.tasks()?;
        let cpu_times = process::cpu_times(&context.root);
        tasks.borrow_mut().follow(context)?;
        Ok(Self { root: context.root.clone(), tasks, cpu_times, ended: None })
    }

    fn switches(&self) -> u64 {
        self.tasks.borrow().cpu_records().map_or(0, |cpus| cpus.iter().map(|cpu| cpu.switches).sum())
    }

    fn runners(&self, names: Option<&Names>) -> Vec<Runner> {
        let own = std::process::id();
        let used = process::cpu_used(&self.cpu_times, process::cpu_times(&self.root));
        let runner = |(pid, comm, cpu_ns)| Runner {
            pid,
            comm,
            cgroup: names.and_then(|names| names.hierarchy().path_of(&self.root, pid).ok()),
            cpu_ns,
            own: pid == own,
        };
        used.into_iter().take(RUNNERS).map(runner).collect()
    }
}

fn drain(tasks: &Shared) -> Result<Raw, LoadError> {
    let tasks = &tasks.borrow();
    let known = tasks.object.entries::<u64, u32>("GROUP_ROWS")?;
    let rows = OTHER..known.iter().map(|(_, row)| row + 1).max().unwrap_or(OTHER + 1);
    let mut groups: Vec<Group> = rows.clone().map(|_| Group::new(None)).collect();
    for (id, row) in known {
        groups[row as usize] = Group::new(Some(id));
    }
    let (shards, cpus) = ((tasks.wait_shards, ROWS), (tasks.cpus, ROWS));
    tasks.object.copies("HISTOGRAMS", shards, rows.clone(), |row, counts: &Counts| groups[row].add_counts(counts))?;
    tasks.object.copies("TOTALS", cpus, rows, |row, totals: &GroupTotals| groups[row].add_totals(totals))?;
    Ok(Raw { groups, cpus: tasks.cpu_records()?, tasks: tasks.object.entries::<TaskKey, TaskWaits>("TASKS")? })
}

impl SchedCollector {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let raw = self.ended.take().unwrap_or_else(|| drain(&self.tasks))?;
        let events = raw.cpus.iter().map(|cpu| cpu.switches).sum();
        let (lost, missed) = (decode::lost(&raw.cpus), self.tasks.borrow().object.missed_by(|name| FOLLOW.contains(&name)));
        let of = |count: fn(&Cpu) -> u64| raw.cpus.iter().map(count).sum::<u64>();
        let (asleep, mismatched) = (of(|cpu| cpu.asleep), of(|cpu| cpu.mismatched));
        let (without_row, tasks_full) = (of(|cpu| cpu.without_row), of(|cpu| cpu.tasks_full));
        tracing::debug!(mismatched, without_row, tasks_full, ?missed, asleep, "waits left out by the sched collector");
        let mut family = decode::decode(raw, moment.names, std::process::id());
        family.runners = self.runners(moment.names);
        families.sched = Some(family);
        Ok(report::running(NAME, &[Counted { what: "events", events, lost, missed }]))
    }
}

impl Collector for SchedCollector {
    /// Switches seen so far.
    fn events(&self) -> u64 {
        self.switches()
    }

    /// Sleeps for a moment: this CPU must have switched.
    fn prove(&mut self) -> Proof {
        let before = self.switches();
        std::thread::sleep(MOMENT);
        if self.switches() > before {
            Proof::Alive
        } else {
            Proof::Blind("sched_switch saw none of kerno's own switches".to_owned())
        }
    }

    fn stop(&mut self) {
        self.ended.get_or_insert_with(|| drain(&self.tasks));
    }

    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }

    fn detach(&mut self) {
        self.tasks.borrow_mut().object.detach_those(|name| FOLLOW.contains(&name));
    }
}
