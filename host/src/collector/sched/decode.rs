//! From the sched object's records to the family, without a kernel.

use kerno_ebpf_common::{
    histogram::BUCKETS,
    sched::{BACKGROUND, Counts, Cpu, GroupTotals, OWN, TaskKey, TaskWaits, Waits},
};
use kerno_signals::{CgroupDelay, Histogram, Latency, Sched, TaskDelay};

use crate::{
    collector::context::command,
    platform::cgroup::{Names, Weights},
};

/// Tasks told at most, the ones with the longest waits.
const TASKS: usize = 64;

/// What the maps held.
pub struct Raw {
    /// One record per CPU.
    pub cpus: Vec<Cpu>,
    /// Every group, and what found no row.
    pub groups: Vec<Group>,
    /// Tasks with long waits.
    pub tasks: Vec<(TaskKey, TaskWaits)>,
}

/// One group's numbers, summed over CPUs.
pub struct Group {
    /// `None` for the groups that found no row.
    id: Option<u64>,
    counts: Vec<u64>,
    sum_ns: u64,
    max_ns: u64,
    cpu_ns: u64,
    background_waits: u64,
}

impl Group {
    /// Without any numbers yet.
    #[must_use]
    pub fn new(id: Option<u64>) -> Self {
        Self { id, counts: vec![0; BUCKETS], sum_ns: 0, max_ns: 0, cpu_ns: 0, background_waits: 0 }
    }

    /// Adds one shard's histogram.
    pub fn add_counts(&mut self, counts: &Counts) {
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
    }

    /// Adds one CPU's sums.
    pub fn add_totals(&mut self, totals: &GroupTotals) {
        self.sum_ns += totals.sum_ns;
        self.max_ns = self.max_ns.max(totals.max_ns);
        self.cpu_ns += totals.cpu_ns;
        self.background_waits += totals.background_waits;
    }

    fn latency(&self) -> Latency {
        latency(self.counts.iter().copied(), self.sum_ns, self.max_ns)
    }
}

/// The family, but for the runners, which are not in the maps. `own` is kerno's process id.
#[must_use]
pub fn decode(raw: Raw, names: Option<&Names>, own: u32) -> Sched {
    let mut host = Latency::default();
    let mut cgroups = Vec::new();
    let mut weights = names.map(Weights::new);
    for group in &raw.groups {
        let delay = group.latency();
        host.add(&delay);
        let Some(id) = group.id else { continue };
        if delay.count > 0 || group.background_waits > 0 {
            cgroups.push(CgroupDelay {
                cgroup: super::super::cgroup_of(names, id),
                delay,
                background_waits: group.background_waits,
                cpu_ns: group.cpu_ns,
                // What the cpu collector read is added when both have ended.
                throttled_ns: None,
                lowest_weight: weights.as_mut().is_some_and(|weights| weights.asked_to_wait(id)),
            });
        }
    }
    cgroups.sort_by_key(|group| (std::cmp::Reverse(group.delay.sum_ns), group.cgroup.id));
    Sched {
        host: if host.count == 0 { latency([], 0, 0) } else { host },
        background: class(&raw.cpus, |cpu| &cpu.background),
        own: class(&raw.cpus, |cpu| &cpu.own),
        cgroups,
        tasks: tasks(raw.tasks, own),
        runners: Vec::new(),
    }
}

/// Waits that are missing, that belong to a group without a row, or whose task could not be kept.
#[must_use]
pub fn lost(cpus: &[Cpu]) -> u64 {
    cpus.iter().map(|cpu| cpu.mismatched + cpu.without_row + cpu.tasks_full).sum()
}

fn class(cpus: &[Cpu], of: impl Fn(&Cpu) -> &Waits) -> Latency {
    let counts = (0..BUCKETS).map(|bucket| cpus.iter().map(|cpu| u64::from(of(cpu).counts[bucket])).sum());
    let sum_ns = cpus.iter().map(|cpu| of(cpu).sum_ns).sum();
    latency(counts, sum_ns, cpus.iter().map(|cpu| of(cpu).max_ns).max().unwrap_or(0))
}

fn latency(counts: impl IntoIterator<Item = u64>, sum_ns: u64, max_ns: u64) -> Latency {
    let histogram = Histogram::from_counts(counts);
    Latency { count: histogram.count(), sum_ns, max_ns: Some(max_ns), histogram: Some(histogram) }
}

fn tasks(mut raw: Vec<(TaskKey, TaskWaits)>, own: u32) -> Vec<TaskDelay> {
    raw.sort_by_key(|(key, task)| (std::cmp::Reverse(task.max_ns), key.tid, key.start));
    let task = |(key, task): (TaskKey, TaskWaits)| TaskDelay {
        pid: task.tgid,
        tid: key.tid,
        comm: command(&task.comm),
        cgroup: task.group,
        long_waits: task.long_waits,
        sum_ns: task.sum_ns,
        max_ns: task.max_ns,
        background: task.class == BACKGROUND,
        own: task.class == OWN || task.tgid == own,
    };
    raw.into_iter().take(TASKS).map(task).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_ebpf_common::{
        histogram::bucket_of,
        sched::{CACHED_ROWS, CachedRow, NORMAL},
        syscall::EMPTY_SLOT,
    };

    fn waits(samples: &[u64]) -> Waits {
        let mut waits = Waits { sum_ns: 0, max_ns: 0, counts: [0; BUCKETS] };
        for sample in samples {
            waits.sum_ns += sample;
            waits.max_ns = waits.max_ns.max(*sample);
            waits.counts[bucket_of(*sample) as usize] += 1;
        }
        waits
    }

    fn cpu(background: &[u64], own: &[u64]) -> Cpu {
        Cpu {
            switched_in: 0,
            run_delay: 0,
            task: 0,
            groups: 0,
            group: 0,
            tid: 0,
            row: 0,
            padding: 0,
            switches: 10,
            mismatched: 1,
            without_row: 2,
            tasks_full: 4,
            asleep: 8,
            cached: [CachedRow { group: 0, row: 0, padding: 0 }; CACHED_ROWS],
            background: waits(background),
            own: waits(own),
            slot: EMPTY_SLOT,
        }
    }

    fn group(id: Option<u64>, per_cpu: &[&[u64]]) -> Group {
        let mut group = Group::new(id);
        for samples in per_cpu {
            let Waits { sum_ns, max_ns, counts } = waits(samples);
            group.add_counts(&counts);
            group.add_totals(&GroupTotals { sum_ns, max_ns, cpu_ns: 100, background_waits: 3 });
        }
        group
    }

    fn task(tgid: u32, max_ns: u64, class: u32) -> TaskWaits {
        TaskWaits { group: 7, long_waits: 2, sum_ns: max_ns + 1, max_ns, tgid, class, comm: *b"worker\0\0\0\0\0\0\0\0\0\0" }
    }

    #[test]
    fn cpus_and_groups_add_up_exactly() {
        let raw = Raw {
            cpus: vec![cpu(&[5_000], &[]), cpu(&[7_000, 9_000], &[800])],
            groups: vec![group(Some(7), &[&[1_000, 2_000], &[90_000]]), group(None, &[&[4_000]])],
            tasks: vec![],
        };
        assert_eq!(lost(&raw.cpus), 14);
        let sched = decode(raw, None, 1);
        assert_eq!(sched.host, Latency::from_samples([1_000, 2_000, 90_000, 4_000]));
        assert_eq!(sched.background, Latency::from_samples([5_000, 7_000, 9_000]));
        assert_eq!(sched.own, Latency::from_samples([800]));
        let [only] = sched.cgroups.as_slice() else { panic!("{:?}", sched.cgroups) };
        assert_eq!(only.delay, Latency::from_samples([1_000, 2_000, 90_000]));
        assert_eq!((only.cgroup.id, only.cpu_ns, only.background_waits, only.throttled_ns), (7, 200, 6, None));
    }

    #[test]
    fn an_idle_window_has_an_empty_distribution_not_none() {
        let sched = decode(Raw { cpus: vec![cpu(&[], &[])], groups: vec![group(None, &[])], tasks: vec![] }, None, 1);
        assert_eq!(sched.host.count, 0);
        assert!(sched.host.histogram.is_some() && sched.cgroups.is_empty());
    }

    #[test]
    fn tasks_are_told_worst_first_and_marked() {
        let key = |tid| TaskKey { tid, start: 1 };
        let mut tasks: Vec<_> = (0..100).map(|tid| (key(tid + 10), task(tid, 2_000_000 + u64::from(tid), NORMAL))).collect();
        tasks.push((key(5), task(4, 9_000_000, BACKGROUND)));
        tasks.push((key(6), task(42, 8_000_000, NORMAL)));
        let told = decode(Raw { cpus: vec![], groups: vec![], tasks }, None, 42).tasks;
        assert_eq!(told.len(), TASKS);
        assert_eq!((told[0].tid, told[0].pid, told[0].comm.as_str(), told[0].background), (5, 4, "worker", true));
        assert!(told[1].own && told[1].tid == 6 && !told[1].background);
        assert_eq!(told[2].max_ns, 2_000_099);
    }
}
