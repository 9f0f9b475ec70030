//! Run-queue delay. Hooks: `tp_btf/sched_switch`, since 6.12 also `tp_btf/sched_migrate_task`; kernels from 5.8 with BTF and `CONFIG_SCHED_INFO` (which schedstats, taskstats
//! and PSI-minded kernels all have).

pub mod decode;
pub mod fallback;
pub mod quota;

use std::collections::HashMap;

use kerno_ebpf_common::sched::{Counts, Cpu, GroupTotals, MAX_SHARDS, OTHER, ROWS, TaskWaits};
use kerno_signals::{CollectorReport, Families, Runner};

use super::{
    Collector, Failure, Moment,
    context::{Context, StartError},
    fields,
    loader::{LoadError, Object},
    report::{self, Counted},
};
use crate::{
    artifacts,
    platform::{
        Root,
        cgroup::Names,
        process::{self, CpuTime},
    },
};
use decode::{Group, Raw};

/// The collector's name everywhere.
pub const NAME: &str = "sched";

/// How many processes are listed in `Sched::runners`, with kernel programs and without.
const RUNNERS: usize = 32;

/// The running collector.
pub struct SchedCollector {
    root: Root,
    object: Object,
    cpus: u32,
    shards: u32,
    cpu_times: HashMap<u32, CpuTime>,
}

impl SchedCollector {
    /// Loads and attaches the program; it counts from then on.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
        let shards = context.shards(MAX_SHARDS);
        let mut globals = context.globals(fields::SCHED)?;
        globals.extend(context.cgroup_globals()?);
        let delayed = context.globals(fields::SCHED_DELAYED);
        let may_sleep_queued = delayed.is_ok();
        globals.extend(delayed.unwrap_or_default());
        globals.extend(context.common_globals(NAME));
        globals.push(("SHARDS", shards));
        let sizes = [("CPUS", context.cpus), ("TOTALS", context.cpus * ROWS), ("HISTOGRAMS", shards * ROWS)];
        let mut object = Object::open(&context.kernel, NAME, bytes, &globals, &sizes)?;
        object.fill("FREE_ROWS", OTHER + 1..ROWS)?;
        let cpu_times = process::cpu_times(&context.root);
        if may_sleep_queued {
            object.attach_tracepoint(&context.kernel, "sched_migrate_task", "sched_migrate_task")?;
        }
        object.attach_tracepoint(&context.kernel, "sched_switch", "sched_switch")?;
        Ok(Self { root: context.root.clone(), object, cpus: context.cpus, shards, cpu_times })
    }

    fn cpu_records(&self) -> Result<Vec<Cpu>, LoadError> {
        (0..self.cpus).map(|cpu| self.object.get("CPUS", cpu)).collect()
    }

    fn drain(&self) -> Result<Raw, LoadError> {
        let known = self.object.entries::<u64, u32>("GROUP_ROWS")?;
        let groups = known.into_iter().map(|(id, row)| (Some(id), row)).chain([(None, OTHER)]);
        Ok(Raw {
            groups: groups.map(|(id, row)| self.group(id, row)).collect::<Result<_, _>>()?,
            cpus: self.cpu_records()?,
            tasks: self.object.entries::<u32, TaskWaits>("TASKS")?,
        })
    }

    /// One group's numbers, summed over CPUs.
    fn group(&self, id: Option<u64>, row: u32) -> Result<Group, LoadError> {
        let mut group = Group::new(id);
        for shard in 0..self.shards {
            group.add_counts(&self.object.get::<Counts>("HISTOGRAMS", shard * ROWS + row)?);
        }
        for cpu in 0..self.cpus {
            group.add_totals(&self.object.get::<GroupTotals>("TOTALS", cpu * ROWS + row)?);
        }
        Ok(group)
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

impl Collector for SchedCollector {
    /// Switches seen so far.
    fn events(&self) -> u64 {
        self.cpu_records().map_or(0, |cpus| cpus.iter().map(|cpu| cpu.switches).sum())
    }

    fn finish(self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let raw = self.drain()?;
        let events = raw.cpus.iter().map(|cpu| cpu.switches).sum();
        let (lost, missed) = (decode::lost(&raw.cpus), self.object.missed());
        let asleep: u64 = raw.cpus.iter().map(|cpu| cpu.asleep).sum();
        tracing::debug!(lost, missed, asleep, "waits left out by the sched collector");
        let mut family = decode::decode(raw, moment.names, std::process::id());
        family.runners = self.runners(moment.names);
        families.sched = Some(family);
        Ok(report::running(NAME, &[Counted { what: "events", events, lost: lost + missed }]))
    }

    fn detach(&mut self) {
        self.object.detach();
    }
}
