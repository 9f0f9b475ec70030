//! From accounts to the family: which groups are told, in what order, with which limits.

use std::collections::HashMap;

use kerno_signals::{CgroupMemory, LimitKind, Memory, MemoryEvents, MemoryLimit};

use super::group::{Controller, Groups, Track};
use crate::collector::groups::Unread;
use crate::platform::cgroup::{
    Names,
    memory::{self, Events, Limits},
};

/// Groups that are told.
const MOST: usize = 1_024;

/// The groups' part of the family. Limits and swap are read now, of the groups that are told only. `joined` is given when other
/// families know groups by other numbers: their names, if there are any.
pub(super) fn told(groups: &Groups, controller: &Controller<'_>, joined: Option<Option<&Names>>, unread: &mut Unread) -> Memory {
    let names = controller.names;
    let mut all: Vec<(u64, &Track)> = groups.tracks().filter(|(id, _)| names.knows(*id)).collect();
    let vanished = all.iter().filter(|(id, _)| names.directory(*id).is_none()).count();
    all.sort_by_cached_key(|(id, track)| (track.order(groups.total), *id));
    let left_out = all.len().saturating_sub(MOST) as u64;
    all.truncate(MOST);
    let mut settings = Settings { controller, unread, limits: HashMap::new() };
    let cgroups = all.into_iter().map(|(id, track)| {
        let mut told = settings.group(id, track);
        if let Some(others) = joined {
            let path = told.cgroup.path.as_deref();
            told.cgroup.id = others.zip(path).and_then(|(names, path)| names.id(path)).unwrap_or(0);
        }
        told
    });
    Memory { cgroups: cgroups.collect(), left_out, vanished: vanished as u64, ..Memory::default() }
}

struct Settings<'a> {
    controller: &'a Controller<'a>,
    unread: &'a mut Unread,
    limits: HashMap<u64, Limits>,
}

impl Settings<'_> {
    fn group(&mut self, id: u64, track: &Track) -> CgroupMemory {
        let (first, last) = (&track.first, &track.last);
        let directory = self.controller.names.directory(id);
        let swap = directory.map(|directory| memory::swap(&directory, self.controller.version).map(Some));
        let (swap_bytes, swap_limit_bytes) = swap.and_then(|read| self.unread.note(read)).unwrap_or_default();
        let added = |now: Option<u64>, then: Option<u64>| now.zip(then).map(|(now, then)| now.saturating_sub(then));
        let (limit, hard_limit) = self.smallest(id);
        CgroupMemory {
            cgroup: self.controller.names.resolve(id),
            current_bytes: last.usage.current,
            working_set_bytes: last.usage.working_set(),
            rss_bytes: last.usage.anon,
            shared_bytes: last.usage.shared,
            limit,
            hard_limit,
            swap_bytes,
            swap_limit_bytes,
            growth: track.points.trend(),
            stall: first.pressure.zip(last.pressure).map(|(first, last)| last.since(first)),
            events: track.events().map(|Events { high, max, oom, oom_kill }| MemoryEvents { high, max, oom, oom_kill }),
            major_faults: added(last.usage.major_faults, first.usage.major_faults),
            refaults_anon: added(last.usage.refaults_anon, first.usage.refaults_anon),
            own: false,
        }
    }

    /// The smallest limit on the way up, and the smallest hard one. Of equal ones the lowest group's.
    fn smallest(&mut self, id: u64) -> (Option<MemoryLimit>, Option<MemoryLimit>) {
        let (mut any, mut hard) = (None::<(u64, LimitKind, u64)>, None::<(u64, LimitKind, u64)>);
        let take = |best: &mut Option<(u64, LimitKind, u64)>, bytes, kind, id| {
            if best.is_none_or(|(least, ..)| bytes < least) {
                *best = Some((bytes, kind, id));
            }
        };
        let mut next = Some(id);
        while let Some(id) = next {
            let Limits { high, max } = self.limits(id);
            if let Some(max) = max {
                take(&mut any, max, LimitKind::Max, id);
                take(&mut hard, max, LimitKind::Max, id);
            }
            if let Some(high) = high {
                take(&mut any, high, LimitKind::High, id);
            }
            next = self.controller.names.parent(id);
        }
        let told = |(bytes, kind, id)| Some(MemoryLimit { bytes, kind, path: self.controller.names.path(id)?.to_owned() });
        (any.and_then(told), hard.and_then(told))
    }

    fn limits(&mut self, id: u64) -> Limits {
        if let Some(known) = self.limits.get(&id) {
            return *known;
        }
        let directory = self.controller.names.directory(id);
        let read = directory.map(|directory| memory::limits(&directory, self.controller.version).map(Some));
        let limits = read.and_then(|read| self.unread.note(read)).unwrap_or_default();
        self.limits.insert(id, limits);
        limits
    }
}
