//! Memory of the host and its control groups, from `/proc/{meminfo,zoneinfo,vmstat,pressure/memory}` and the files of the memory
//! controller, v1 and v2. No kernel program is needed: these are the kernel's own accounts.
//!
//! Every group is read at the window's start and end. In between, the host is read at each tick, and so are the fullest groups and a
//! few of the others in turn: growth is fitted to these readings.

mod family;
mod group;
mod points;

use std::cell::OnceCell;

use kerno_signals::{CgroupMemory, CollectorReport, Families, HostMemory};

use super::{
    Collector, Failure, Moment,
    groups::{self, Controlled, Unread, missing, no_pressure, outside},
    load_error::Explained,
    report,
};
use crate::platform::{
    Error, Root,
    cgroup::{Hierarchy, Names},
    clock::Clock,
    meminfo::{self, MemInfo},
    psi::{self, Pressure},
    vmstat::{self, VmStat},
    zoneinfo,
};
use group::{Controller, Groups};
use points::Points;

/// The collector's name everywhere.
pub const NAME: &str = "memory";

/// The running collector.
pub struct MemoryCollector {
    root: Root,
    clock: Box<dyn Clock>,
    started_ns: u64,
    vmstat: VmStat,
    pressure: Option<Pressure>,
    points: Points,
    controlled: Controlled,
    /// The unified hierarchy, once it was looked for.
    unified: OnceCell<Option<Hierarchy>>,
    groups: Groups,
    unread: Unread,
}

impl MemoryCollector {
    /// Takes the first readings.
    ///
    /// # Errors
    ///
    /// When `/proc/meminfo` or `/proc/vmstat` cannot be read.
    pub fn start(root: &Root, names: Option<&Names>, clock: Box<dyn Clock>) -> Result<Self, Error> {
        let mut collector = Self {
            root: root.clone(),
            started_ns: clock.monotonic_ns(),
            vmstat: vmstat::read(root)?,
            pressure: psi::read(root, NAME).ok(),
            points: Points::default(),
            controlled: Controlled::find(root, NAME, names),
            unified: OnceCell::new(),
            groups: Groups::default(),
            unread: Unread::default(),
            clock,
        };
        let memory = collector.read_host()?;
        let Self { controlled, unified, groups, unread, clock, .. } = &mut collector;
        if let Some(names) = controlled.names(names) {
            groups.read_first(&Controller::new(root, names, unified), memory.total, &**clock, unread);
        }
        Ok(collector)
    }

    /// Reads the host's memory, and notes a point of its growth.
    fn read_host(&mut self) -> Result<MemInfo, Error> {
        let mut memory = meminfo::read(&self.root)?;
        let zfs = meminfo::zfs_reclaimable(&self.root).unwrap_or(0);
        let at_hand = zoneinfo::at_hand(&self.root).unwrap_or(0).saturating_mul(rustix::param::page_size() as u64);
        memory.available = memory.available.saturating_add(zfs).saturating_add(at_hand).min(memory.total);
        self.points.note(self.clock.monotonic_ns(), memory.total - memory.available);
        Ok(memory)
    }

    fn host(&mut self) -> Result<HostMemory, Error> {
        let memory = self.read_host()?;
        let passed = vmstat::read(&self.root)?.since(self.vmstat);
        let pressure = psi::read(&self.root, NAME).ok();
        let page = rustix::param::page_size() as u64;
        Ok(HostMemory {
            total_bytes: memory.total,
            available_bytes: memory.available,
            working_set_bytes: memory.total - memory.available,
            rss_bytes: memory.anon,
            shared_bytes: memory.shared,
            huge_pages_bytes: memory.huge_pages,
            zfs_reclaimable_bytes: meminfo::zfs_reclaimable(&self.root),
            swap_total_bytes: memory.swap_total,
            swap_used_bytes: memory.swap_total.saturating_sub(memory.swap_free),
            growth: self.points.trend(),
            stall: self.pressure.zip(pressure).map(|(start, end)| end.since(start)),
            major_faults: passed.major_faults,
            refaults_anon: passed.refaults_anon,
            swapped_in_bytes: passed.swapped_in.saturating_mul(page),
            swapped_out_bytes: passed.swapped_out.saturating_mul(page),
            direct_reclaims: passed.direct_reclaims,
        })
    }
}

impl MemoryCollector {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.controlled.refresh_all()?;
        let host = self.host()?;
        let duration_ns = self.clock.monotonic_ns().saturating_sub(self.started_ns);
        let Self { root, controlled, unified, groups, unread, clock, .. } = self;
        let names = controlled.names(moment.names);
        let mut family = kerno_signals::Memory::default();
        if let Some(names) = names {
            let controller = Controller::new(root, names, unified);
            groups.read_last(&controller, host.total_bytes, &**clock, unread);
            // Other families know groups by the numbers of their own hierarchy.
            let joined = controlled.is_own().then_some(moment.names);
            family = family::told(groups, &controller, joined, unread);
            let own = groups::own(root, names).and_then(|id| names.path(id));
            let is_own = |group: &&mut CgroupMemory| own.is_some() && group.cgroup.path.as_deref() == own;
            family.cgroups.iter_mut().filter(is_own).for_each(|group| group.own = true);
        }
        let no_stall = host.stall.is_none().then(no_pressure);
        let uncounted = (names.is_some_and(|names| names.living().count() > 1) && groups.is_empty()).then(uncounted);
        let unseen = [missing(names), outside(names), self.unread.told()];
        family.unseen = groups::told(&unseen);
        families.memory = Some(kerno_signals::Memory { duration_ns, host, ..family });
        let gaps = unseen.into_iter().chain([uncounted, no_stall]);
        let source = "/proc/meminfo, /proc/vmstat, memory.stat and other files of control groups".to_owned();
        Ok(gaps.fold(report::files(NAME, self.events(), source), report::partial))
    }
}

impl Collector for MemoryCollector {
    /// Accounts of groups and of the host that were read.
    fn events(&self) -> u64 {
        self.groups.readings() + self.points.noted()
    }

    fn tick(&mut self, moment: &Moment<'_>) {
        let host = self.read_host();
        let total = self.unread.note(host.map(Some)).map_or(u64::MAX, |memory| memory.total);
        let Self { root, controlled, unified, groups, unread, clock, .. } = self;
        controlled.refresh();
        if let Some(names) = controlled.names(moment.names) {
            groups.read_some(&Controller::new(root, names, unified), total, &**clock, unread);
        }
    }

    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }
}

fn uncounted() -> Explained {
    Explained {
        reason: "the memory of control groups is not counted".to_owned(),
        fix: "enable the memory controller (boot without cgroup_disable=memory; `echo +memory > /sys/fs/cgroup/cgroup.subtree_control`)"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests;
