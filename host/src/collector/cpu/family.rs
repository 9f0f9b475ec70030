//! From accounts to the family: which groups are told, in what order, with which settings.

use std::cmp::Reverse;
use std::collections::HashMap;

use kerno_signals::{CgroupCpu, Cpu, CpuLimit, Quota, Throttling};

use super::group::{Controllers, Groups, Track};
use crate::collector::groups::Unread;
use crate::platform::cgroup::{Names, cpu};

/// Groups that are told.
const MOST: usize = 1_024;

/// The groups' part of the family; `own` is kerno's. Settings are read now, of the groups that are told only.
pub(super) fn told(groups: &Groups, names: &Names, controllers: &Controllers, own: Option<u64>, unread: &mut Unread) -> Cpu {
    let is_root = |id| names.path(id).is_none_or(|path| path == "/");
    let mut all: Vec<(u64, &Track)> = groups.tracks().filter(|(id, _)| !is_root(*id)).collect();
    let vanished = all.iter().filter(|(id, _)| names.directory(*id).is_none()).count();
    all.sort_by_key(|(id, track)| {
        let throttling = track.throttling().unwrap_or_default();
        (Reverse(throttling.throttled_ns), Reverse(throttling.periods > 0), Reverse(track.usage_ns()), *id)
    });
    let left_out = all.len().saturating_sub(MOST) as u64;
    all.truncate(MOST);
    let mut settings = Settings { names, controllers, unread, quotas: HashMap::new() };
    let cgroups = all.into_iter().map(|(id, track)| CgroupCpu { own: own == Some(id), ..settings.group(id, track) }).collect();
    Cpu { cgroups, left_out, vanished: vanished as u64, ..Cpu::default() }
}

struct Settings<'a> {
    names: &'a Names,
    controllers: &'a Controllers,
    unread: &'a mut Unread,
    quotas: HashMap<u64, Option<Quota>>,
}

impl Settings<'_> {
    fn group(&mut self, id: u64, track: &Track) -> CgroupCpu {
        let weight = self.names.directory(id).map(|directory| cpu::weight(&directory, self.controllers.version).map(Some));
        let weight = weight.and_then(|read| self.unread.note(read)).unwrap_or_default();
        let quota = self.quota(id);
        let throttling = track.throttling().filter(|throttling| quota.is_some() || throttling.periods > 0);
        let (sum, samples) = track.runnable;
        CgroupCpu {
            cgroup: self.names.resolve(id),
            usage_ns: track.usage_ns(),
            quota,
            limit: self.limit(id),
            throttling: throttling.map(|cpu::Throttling { periods, throttled_periods, throttled_ns }| Throttling {
                periods,
                throttled_periods,
                throttled_ns,
            }),
            cpuset_cpus: self.cpuset(id),
            runnable_threads: (samples > 0).then(|| sum as f64 / samples as f64),
            weight: weight.value,
            idle: weight.idle,
            stall: track.first.pressure.zip(track.last.pressure).map(|(first, last)| last.since(first)),
            own: false,
        }
    }

    fn quota(&mut self, id: u64) -> Option<Quota> {
        if let Some(known) = self.quotas.get(&id) {
            return *known;
        }
        let read = self.names.directory(id).map(|directory| cpu::quota(&directory, self.controllers.version));
        let quota = read.and_then(|read| self.unread.note(read));
        let quota = quota.map(|cpu::Quota { quota_ns, period_ns, burst_ns }| Quota { quota_ns, period_ns, burst_ns });
        self.quotas.insert(id, quota);
        quota
    }

    fn limit(&mut self, id: u64) -> Option<CpuLimit> {
        let mut smallest: Option<(f64, u64)> = None;
        let mut next = Some(id);
        while let Some(id) = next {
            if let Some(cpus) = self.quota(id).map(|quota| quota.cpus())
                && smallest.is_none_or(|(least, _)| cpus < least)
            {
                smallest = Some((cpus, id));
            }
            next = self.names.parent(id);
        }
        smallest.and_then(|(cpus, id)| Some(CpuLimit { cpus, path: self.names.path(id)?.to_owned() }))
    }

    /// Of the nearest group on the way up that has the controller.
    fn cpuset(&mut self, id: u64) -> Option<u32> {
        let mut next = Some(id);
        while let Some(id) = next {
            if let Some((directory, version)) = self.controllers.cpuset(self.names, id)
                && let Some(cpus) = self.unread.note(cpu::cpus(&directory, version))
            {
                return Some(cpus);
            }
            next = self.names.parent(id);
        }
        None
    }
}
