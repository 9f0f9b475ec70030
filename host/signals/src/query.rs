//! The questions that rules ask of a snapshot: filter, sort, cut, and turn nanoseconds into seconds. One function per function of
//! the contract in `wit/v1`, one view per record.

mod block;
mod contenders;
mod cpu;
mod failures;
mod fd;
mod memory;
mod oom;
mod sched;
mod start;
mod syscall;
pub mod tcp;

use std::cell::OnceCell;
use std::collections::HashMap;

use serde::Serialize;

use crate::{Cgroup, Coverage, Latency, Snapshot, Stall, collector_of};

pub use block::{CallerSync, DeviceLatencyView, DeviceView, FileSystemSync, FileSystemView, OperationView};
pub use block::{callers, devices, file_systems};
pub use cpu::{CgroupCpuView, CpuLimitView, CpuQuotaView, HostCpuView, ThrottlingView, busiest, host_cpu, throttled};
pub use failures::{CallErrorView, CallProcessView, ErrorsOf, FailingCallView, FailureFilter, FailureThreshold, failing_calls};
pub use fd::{FdGrowthView, FdProcessView, FdTotalsView, OpenFilesView, fd_processes, fd_totals, hard_limit, open_files};
pub use memory::{
    CgroupMemoryView, HostMemoryView, LimitKindView, MemoryEventsView, MemoryGrowthView, MemoryLimitView, MemoryOrder,
    host_memory, memory_groups,
};
pub use oom::{GroupKillsView, ShortageView, TriggerView, VictimView, group_kills, victims};
pub use sched::{CgroupDelayView, RunnerView, WaitingTask};
pub use sched::{cgroups, host_delay, runners, waiting_tasks};
pub use start::{GroupStartView, starts};
pub use syscall::{CallCountsView, CallInFlightView, CallPartsView, CallTimeView, DescriptorKindView, DescriptorsMadeView};
pub use syscall::{SlowCallerView, call_counts, call_times, calls_in_flight, descriptors_made, slow_callers};

/// A duration's distribution, seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LatencyView {
    pub count: u64,
    pub mean: f64,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

impl From<&Latency> for LatencyView {
    fn from(latency: &Latency) -> Self {
        let quantile = |q| latency.quantile_ns(q).map(seconds);
        Self {
            count: latency.count,
            mean: if latency.count == 0 { 0.0 } else { seconds(latency.sum_ns) / latency.count as f64 },
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: latency.max_ns.map(seconds),
        }
    }
}

/// A control group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CgroupView {
    pub id: u64,
    pub path: Option<String>,
    pub unit: Option<String>,
    pub container: Option<String>,
}

impl From<&Cgroup> for CgroupView {
    fn from(cgroup: &Cgroup) -> Self {
        Self { id: cgroup.id, path: cgroup.path.clone(), unit: cgroup.unit.clone(), container: cgroup.container.clone() }
    }
}

/// The host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MachineInfo {
    pub name: String,
    pub kernel: String,
    pub arch: String,
    pub cpus: u32,
    pub memory_bytes: u64,
}

/// How much of a family was seen; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CoverageView {
    Full,
    Partial,
    Fallback,
}

/// How well a family was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FamilyInfo {
    pub coverage: CoverageView,
    pub source: String,
    pub reason: Option<String>,
    pub events: u64,
    pub lost: u64,
    pub blind: f64,
}

/// The host that the window was measured on.
#[must_use]
pub fn machine(snapshot: &Snapshot) -> MachineInfo {
    let host = &snapshot.host;
    MachineInfo {
        name: host.name.clone(),
        kernel: host.kernel.clone(),
        arch: host.arch.clone(),
        cpus: host.cpus,
        memory_bytes: host.memory_bytes,
    }
}

/// Length of the window, seconds.
#[must_use]
pub fn window_seconds(snapshot: &Snapshot) -> f64 {
    seconds(snapshot.window.duration_ns)
}

/// A family by name, when it was measured.
#[must_use]
pub fn family(snapshot: &Snapshot, name: &str) -> Option<FamilyInfo> {
    let measured = snapshot.families.has(name) == Some(true);
    let report = snapshot.collector(collector_of(name)).filter(|_| measured)?;
    let coverage = match report.coverage? {
        Coverage::Full => CoverageView::Full,
        Coverage::Partial => CoverageView::Partial,
        Coverage::Fallback => CoverageView::Fallback,
    };
    let (source, reason) = (report.source.clone(), report.reason.clone());
    // A family that is told beside another one has events of its own.
    let start = snapshot.families.start.as_ref().filter(|_| name == "start");
    let (events, lost) = start.map_or((report.events, report.lost), |start| (start.made, start.lost()));
    Some(FamilyInfo { coverage, source, reason, events, lost, blind: report.blind_ratio })
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Some and full stall time as shares of a time in nanoseconds; `None` when it is not known.
fn shares(stall: Option<&Stall>, duration_ns: u64) -> (Option<f64>, Option<f64>) {
    let share = |ns: u64| (duration_ns > 0).then(|| ns as f64 / duration_ns as f64);
    (stall.and_then(|stall| share(stall.some_ns)), stall.and_then(|stall| share(stall.full_ns?)))
}

/// Whether a group is below a path; every group but the root is below none.
fn is_below(above: Option<&str>) -> impl Fn(&Cgroup) -> bool {
    let above = above.map(|path| path.trim_end_matches('/'));
    move |cgroup| match (above, cgroup.path.as_deref()) {
        (None, path) => path != Some("/"),
        (Some(_), None) => false,
        // Most paths have no slash there, and need no comparison.
        (Some(above), Some(path)) => {
            path.len() > above.len() + 1 && path.as_bytes()[above.len()] == b'/' && path.starts_with(above)
        }
    }
}

/// Groups by their paths, of a family that tells limits by the path of the group that has them.
struct ByPath<'a, T> {
    told: &'a [T],
    cgroup: fn(&T) -> &Cgroup,
    /// Made when a limit is not the group's own.
    index: OnceCell<HashMap<&'a str, &'a Cgroup>>,
}

impl<'a, T> ByPath<'a, T> {
    fn new(told: &'a [T], cgroup: fn(&T) -> &Cgroup) -> Self {
        Self { told, cgroup, index: OnceCell::new() }
    }

    /// The group that has a path, `group` itself or one above it; with its path alone where it is not told.
    fn at(&self, path: &str, group: &Cgroup) -> CgroupView {
        if group.path.as_deref() == Some(path) {
            return group.into();
        }
        let named = |one: &'a T| (self.cgroup)(one).path.as_deref().map(|path| (path, (self.cgroup)(one)));
        let index = self.index.get_or_init(|| self.told.iter().filter_map(named).collect());
        let unknown = || CgroupView { id: 0, path: Some(path.to_owned()), unit: None, container: None };
        index.get(path).map_or_else(unknown, |cgroup| CgroupView::from(*cgroup))
    }
}

/// Views of the first `limit` in the order of a key; of equal ones those that were in front.
fn first<T, K: Ord, V>(items: Vec<T>, limit: u32, key: impl Fn(&T) -> K, view: impl Fn(&T) -> V) -> Vec<V> {
    let order = |(i, a): &(usize, T), (j, b): &(usize, T)| key(a).cmp(&key(b)).then_with(|| i.cmp(j));
    let (mut items, limit): (Vec<(usize, T)>, usize) = (items.into_iter().enumerate().collect(), limit as usize);
    if limit < items.len() {
        items.select_nth_unstable_by(limit, order);
        items.truncate(limit);
    }
    items.sort_unstable_by(order);
    items.iter().map(|(_, item)| view(item)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_distribution_has_a_count_and_nothing_else() {
        let view = LatencyView::from(&Latency::default());
        assert_eq!(view, LatencyView { count: 0, mean: 0.0, p50: None, p95: None, p99: None, max: None });
    }

    #[test]
    fn a_group_is_below_those_on_its_way_up_and_no_namesake() {
        let at = |path: &str| Cgroup { path: Some(path.to_owned()), ..Cgroup::default() };
        let (of_a, of_root, of_any) = (is_below(Some("/a")), is_below(Some("/")), is_below(None));
        assert!(of_a(&at("/a/b")) && of_root(&at("/a")) && of_any(&at("/a")) && is_below(Some("/a/"))(&at("/a/b")));
        assert!(!of_a(&at("/a")) && !of_a(&at("/a/")) && !of_a(&at("/ab")) && !of_a(&at("/b/c")) && !of_root(&at("/")));
        assert!(!of_any(&at("/")) && of_any(&Cgroup::default()) && !of_root(&Cgroup::default()));
    }

    proptest! {
        #[test]
        fn the_first_are_those_of_a_stable_sort(items in prop::collection::vec((0u8..4, any::<u8>()), 0..40), limit in 0u32..45) {
            let mut sorted = items.clone();
            sorted.sort_by_key(|item| item.0);
            sorted.truncate(limit as usize);
            prop_assert_eq!(first(items, limit, |item| item.0, |item| *item), sorted);
        }
    }

    #[test]
    fn stall_of_no_time_is_not_known() {
        let stall = Stall { some_ns: 5, full_ns: None };
        assert_eq!((shares(Some(&stall), 10), shares(Some(&stall), 0)), ((Some(0.5), None), (None, None)));
    }

    #[test]
    fn totals_have_a_mean_in_seconds_and_no_quantile() {
        let view = LatencyView::from(&Latency { count: 4, sum_ns: 2_000_000_000, max_ns: None, histogram: None });
        assert_eq!((view.mean, view.p99), (0.5, None));
    }
}
