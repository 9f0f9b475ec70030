//! The questions that rules ask of a snapshot: filter, sort, cut, and turn nanoseconds into seconds. One function per function of
//! the contract in `wit/v1`, one view per record.

mod block;
mod oom;
mod sched;
pub mod tcp;

use serde::Serialize;

use crate::{Cgroup, Coverage, Latency, Snapshot};

pub use block::{CallerSync, DeviceLatencyView, DeviceView, FileSystemSync, FileSystemView, OperationView};
pub use block::{callers, devices, file_systems};
pub use oom::{GroupKillsView, ShortageView, TriggerView, VictimView, group_kills, victims};
pub use sched::{CgroupDelayView, RunnerView, WaitingTask};
pub use sched::{cgroups, host_delay, runners, waiting_tasks};

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
    let report = snapshot.collector(name).filter(|_| measured)?;
    let coverage = match report.coverage? {
        Coverage::Full => CoverageView::Full,
        Coverage::Partial => CoverageView::Partial,
        Coverage::Fallback => CoverageView::Fallback,
    };
    let (source, reason) = (report.source.clone(), report.reason.clone());
    Some(FamilyInfo { coverage, source, reason, events: report.events, lost: report.lost, blind: report.blind_ratio })
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn first<T, V>(sorted: &[T], limit: u32, view: impl Fn(&T) -> V) -> Vec<V> {
    sorted.iter().take(limit as usize).map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_distribution_has_a_count_and_nothing_else() {
        let view = LatencyView::from(&Latency::default());
        assert_eq!(view, LatencyView { count: 0, mean: 0.0, p50: None, p95: None, p99: None, max: None });
    }

    #[test]
    fn totals_have_a_mean_in_seconds_and_no_quantile() {
        let view = LatencyView::from(&Latency { count: 4, sum_ns: 2_000_000_000, max_ns: None, histogram: None });
        assert_eq!((view.mean, view.p99), (0.5, None));
    }
}
