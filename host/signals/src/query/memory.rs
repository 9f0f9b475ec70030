//! Questions about memory.

use std::cmp::Reverse;

use serde::Serialize;

use super::{ByPath, CgroupView, first, is_below, seconds, shares};
use crate::{CgroupMemory, LimitKind, Memory, MemoryEvents, MemoryLimit, Trend};

/// Growth of a working set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub struct MemoryGrowthView {
    pub slope: f64,
    pub low: f64,
    pub high: f64,
    pub points: u32,
}

/// What happens at a limit; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub enum LimitKindView {
    High,
    Max,
}

/// A limit and the group that has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub struct MemoryLimitView {
    pub bytes: u64,
    pub kind: LimitKindView,
    pub cgroup: CgroupView,
}

/// How often limits were met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub struct MemoryEventsView {
    pub high: u64,
    pub max: u64,
    pub oom: u64,
    pub oom_kill: u64,
}

/// The host's memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub struct HostMemoryView {
    pub duration: f64,
    pub total: u64,
    pub available: u64,
    pub working_set: u64,
    pub anonymous: u64,
    pub shared: u64,
    pub huge_pages: u64,
    pub zfs_reclaimable: Option<u64>,
    pub swap_total: u64,
    pub swap_used: u64,
    pub growth: Option<MemoryGrowthView>,
    pub stall_some: Option<f64>,
    pub stall_full: Option<f64>,
    pub major_faults: u64,
    pub refaults_anonymous: Option<u64>,
    pub swapped_in: u64,
    pub swapped_out: u64,
    pub direct_reclaims: u64,
}

/// Memory of a control group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub struct CgroupMemoryView {
    pub cgroup: CgroupView,
    pub current: u64,
    pub working_set: u64,
    pub anonymous: u64,
    pub shared: u64,
    pub limit: Option<MemoryLimitView>,
    pub hard_limit: Option<MemoryLimitView>,
    pub swap: Option<u64>,
    pub swap_limit: Option<u64>,
    pub growth: Option<MemoryGrowthView>,
    pub stall_some: Option<f64>,
    pub stall_full: Option<f64>,
    pub events: Option<MemoryEventsView>,
    pub major_faults: Option<u64>,
    pub refaults_anonymous: Option<u64>,
    pub own: bool,
}

/// The whole host.
#[must_use]
pub fn host_memory(memory: &Memory) -> HostMemoryView {
    let host = &memory.host;
    let (stall_some, stall_full) = shares(host.stall.as_ref(), memory.duration_ns);
    HostMemoryView {
        duration: seconds(memory.duration_ns),
        total: host.total_bytes,
        available: host.available_bytes,
        working_set: host.working_set_bytes,
        anonymous: host.rss_bytes,
        shared: host.shared_bytes,
        huge_pages: host.huge_pages_bytes,
        zfs_reclaimable: host.zfs_reclaimable_bytes,
        swap_total: host.swap_total_bytes,
        swap_used: host.swap_used_bytes,
        growth: growth(host.growth),
        stall_some,
        stall_full,
        major_faults: host.major_faults,
        refaults_anonymous: host.refaults_anon,
        swapped_in: host.swapped_in_bytes,
        swapped_out: host.swapped_out_bytes,
        direct_reclaims: host.direct_reclaims,
    }
}

/// What groups are ordered by; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "wit/v1/memory.wit says it")]
pub enum MemoryOrder {
    UseOfLimit,
    UseOfHardLimit,
    WorkingSet,
    Growth,
}

impl MemoryOrder {
    fn of(self, group: &CgroupMemory) -> Option<f64> {
        let used = group.working_set_bytes as f64;
        let share = |limit: &Option<MemoryLimit>| limit.as_ref().map(|limit| used / limit.bytes.max(1) as f64);
        match self {
            Self::UseOfLimit => share(&group.limit),
            Self::UseOfHardLimit => share(&group.hard_limit),
            Self::WorkingSet => Some(used),
            Self::Growth => growth(group.growth).filter(|growth| growth.low > 0.0).map(|growth| growth.slope),
        }
    }
}

/// Groups below a path that have at least `at_least` of what they are ordered by, the largest first.
#[must_use]
pub fn memory_groups(
    memory: &Memory,
    order: MemoryOrder,
    below: Option<&str>,
    at_least: f64,
    limit: u32,
) -> Vec<CgroupMemoryView> {
    let is_below = is_below(below);
    let asked = memory.cgroups.iter().filter(|group| is_below(&group.cgroup));
    let asked = asked.filter_map(|group| Some((order.of(group).filter(|value| *value >= at_least)?, group)));
    let groups: Vec<(f64, &CgroupMemory)> = asked.collect();
    let paths = paths(memory);
    first(
        groups,
        limit,
        |(value, group)| (Reverse(in_order(*value)), &group.cgroup.path),
        |(_, group)| view(memory, &paths, group),
    )
}

/// A number that is ordered as [`f64::total_cmp`] orders.
const fn in_order(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

fn paths(memory: &Memory) -> ByPath<'_, CgroupMemory> {
    ByPath::new(&memory.cgroups, |group| &group.cgroup)
}

fn view(memory: &Memory, paths: &ByPath<'_, CgroupMemory>, group: &CgroupMemory) -> CgroupMemoryView {
    let (stall_some, stall_full) = shares(group.stall.as_ref(), memory.duration_ns);
    let limit = |limit: &MemoryLimit| MemoryLimitView {
        bytes: limit.bytes,
        kind: match limit.kind {
            LimitKind::High => LimitKindView::High,
            LimitKind::Max => LimitKindView::Max,
        },
        cgroup: paths.at(&limit.path, &group.cgroup),
    };
    CgroupMemoryView {
        cgroup: CgroupView::from(&group.cgroup),
        current: group.current_bytes,
        working_set: group.working_set_bytes,
        anonymous: group.rss_bytes,
        shared: group.shared_bytes,
        limit: group.limit.as_ref().map(limit),
        hard_limit: group.hard_limit.as_ref().map(limit),
        swap: group.swap_bytes,
        swap_limit: group.swap_limit_bytes,
        growth: growth(group.growth),
        stall_some,
        stall_full,
        events: group.events.map(|MemoryEvents { high, max, oom, oom_kill }| MemoryEventsView { high, max, oom, oom_kill }),
        major_faults: group.major_faults,
        refaults_anonymous: group.refaults_anon,
        own: group.own,
    }
}

/// A line that is none says nothing.
fn growth(trend: Option<Trend>) -> Option<MemoryGrowthView> {
    let Trend { slope_per_second, low, high, points } = trend?;
    let is_line = [slope_per_second, low, high].iter().all(|slope| slope.is_finite());
    is_line.then_some(MemoryGrowthView { slope: slope_per_second, low, high, points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, Stall};

    fn group(path: &str, working_set_bytes: u64, limit: Option<(u64, &str)>) -> CgroupMemory {
        let limit = limit.map(|(bytes, path)| MemoryLimit { bytes, kind: LimitKind::High, path: path.to_owned() });
        CgroupMemory {
            cgroup: Cgroup { id: 1, path: Some(path.to_owned()), ..Cgroup::default() },
            working_set_bytes,
            hard_limit: limit.as_ref().map(|limit| MemoryLimit { bytes: limit.bytes * 2, kind: LimitKind::Max, ..limit.clone() }),
            limit,
            ..CgroupMemory::default()
        }
    }

    fn paths(groups: &[CgroupMemoryView]) -> Vec<&str> {
        groups.iter().filter_map(|group| group.cgroup.path.as_deref()).collect()
    }

    fn memory() -> Memory {
        let mut cgroups = vec![
            group("/pod/app", 90, Some((100, "/pod"))),
            group("/pod", 90, Some((100, "/pod"))),
            group("/free", 900, None),
            group("/full", 10, Some((10, "/full"))),
            group("/podium", 1, Some((100, "/podium"))),
        ];
        cgroups[0].cgroup.unit = Some("app.service".to_owned());
        cgroups[1].cgroup.unit = Some("pod.slice".to_owned());
        Memory { duration_ns: 10, cgroups, ..Memory::default() }
    }

    #[test]
    fn the_fullest_come_first_the_upper_of_two_and_none_without_a_limit() {
        let memory = memory();
        assert_eq!(
            paths(&memory_groups(&memory, MemoryOrder::UseOfLimit, None, 0.0, 9)),
            ["/full", "/pod", "/pod/app", "/podium"]
        );
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::UseOfLimit, None, 0.9, 9)), ["/full", "/pod", "/pod/app"]);
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::UseOfHardLimit, None, 0.46, 9)), ["/full"]);
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::UseOfLimit, None, 0.0, 1)), ["/full"]);
        let app = &memory_groups(&memory, MemoryOrder::UseOfLimit, None, 0.9, 9)[2];
        let limit = app.limit.as_ref().map(|limit| (limit.bytes, limit.kind, limit.cgroup.unit.as_deref()));
        assert_eq!(limit, Some((100, LimitKindView::High, Some("pod.slice"))));
    }

    #[test]
    fn the_largest_below_a_path() {
        let memory = memory();
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::WorkingSet, Some("/pod"), 0.0, 9)), ["/pod/app"]);
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::WorkingSet, None, 0.0, 2)), ["/free", "/pod"]);
    }

    #[test]
    fn growth_counts_when_it_is_sure() {
        let mut memory = memory();
        let trend = |slope_per_second, low, points| Some(Trend { slope_per_second, low, high: 9.0, points });
        let trends = [trend(5.0, 1.0, 5), trend(7.0, 1.0, 5), trend(8.0, 0.0, 5), trend(3.0, 1.0, 4), trend(8.0, f64::NAN, 5)];
        memory.cgroups.iter_mut().zip(trends).for_each(|(group, growth)| group.growth = growth);
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::Growth, None, 5.0, 9)), ["/pod", "/pod/app"]);
        assert_eq!(paths(&memory_groups(&memory, MemoryOrder::Growth, Some("/pod"), 0.0, 9)), ["/pod/app"]);
        assert!(memory_groups(&memory, MemoryOrder::WorkingSet, None, 0.0, 9).iter().any(|group| group.growth.is_none()));
    }

    #[test]
    fn stall_is_told_as_a_share_of_the_readings_time() {
        let mut memory = memory();
        memory.host.stall = Some(Stall { some_ns: 5, full_ns: None });
        assert_eq!((host_memory(&memory).stall_some, host_memory(&memory).stall_full), (Some(0.5), None));
        memory.duration_ns = 0;
        assert_eq!(host_memory(&memory).stall_some, None);
    }
}
