//! Questions about run-queue delay.

use std::cmp::Reverse;

use serde::Serialize;

use super::contenders::contenders;
use super::{CgroupView, LatencyView, first, seconds};
use crate::Sched;

/// Run-queue delay inside one control group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/sched.wit says it")]
pub struct CgroupDelayView {
    pub cgroup: CgroupView,
    pub delay: LatencyView,
    pub background_waits: u64,
    pub cpu_seconds: f64,
    pub throttled_seconds: Option<f64>,
    pub lowest_weight: bool,
}

/// A task with long waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/sched.wit says it")]
pub struct WaitingTask {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub cgroup: u64,
    pub long_waits: u64,
    pub total: f64,
    pub max: f64,
    pub background: bool,
    pub own: bool,
}

/// A process by the CPU time it used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/sched.wit says it")]
pub struct RunnerView {
    pub pid: u32,
    pub comm: String,
    pub cgroup: Option<String>,
    pub cpu_seconds: f64,
    pub own: bool,
}

/// All of the host but background tasks and kerno.
#[must_use]
pub fn host_delay(sched: &Sched) -> LatencyView {
    LatencyView::from(&sched.host)
}

/// Groups with at least `min_waits` waits and a p99 of at least `min_p99` seconds (0: any), worst first.
#[must_use]
pub fn cgroups(sched: &Sched, min_waits: u64, min_p99: f64, limit: u32) -> Vec<CgroupDelayView> {
    let may_pass = |bound: u64| min_p99 <= 0.0 || seconds(bound) >= min_p99;
    let bounded = sched
        .cgroups
        .iter()
        .filter(|group| group.delay.count >= min_waits)
        .map(|group| (group.delay.quantile_bound_ns(0.99), group))
        .filter(|(bound, _)| may_pass(*bound));
    let groups = contenders(bounded, limit, |group| match group.delay.quantile_ns(0.99) {
        Some(p99) => Some(p99).filter(|p99| may_pass(*p99)),
        None => (min_p99 <= 0.0).then(|| group.delay.mean_ns().unwrap_or(0)),
    });
    first(
        groups,
        limit,
        |(badness, group)| (Reverse(*badness), &group.cgroup.path),
        |(_, group)| CgroupDelayView {
            cgroup: CgroupView::from(&group.cgroup),
            delay: LatencyView::from(&group.delay),
            background_waits: group.background_waits,
            cpu_seconds: seconds(group.cpu_ns),
            throttled_seconds: group.throttled_ns.map(seconds),
            lowest_weight: group.lowest_weight,
        },
    )
}

/// Tasks with the longest waits, worst first; of one group, or of all.
#[must_use]
pub fn waiting_tasks(sched: &Sched, cgroup: Option<u64>, limit: u32) -> Vec<WaitingTask> {
    let tasks: Vec<_> = sched.tasks.iter().filter(|task| cgroup.is_none_or(|id| task.cgroup == id)).collect();
    first(
        tasks,
        limit,
        |task| (Reverse((task.max_ns, task.sum_ns)), task.tid),
        |task| WaitingTask {
            pid: task.pid,
            tid: task.tid,
            comm: task.comm.clone(),
            cgroup: task.cgroup,
            long_waits: task.long_waits,
            total: seconds(task.sum_ns),
            max: seconds(task.max_ns),
            background: task.background,
            own: task.own,
        },
    )
}

/// Processes that used the most CPU time, most first.
#[must_use]
pub fn runners(sched: &Sched, limit: u32) -> Vec<RunnerView> {
    let runners: Vec<_> = sched.runners.iter().collect();
    first(
        runners,
        limit,
        |runner| (Reverse(runner.cpu_ns), runner.pid),
        |runner| RunnerView {
            pid: runner.pid,
            comm: runner.comm.clone(),
            cgroup: runner.cgroup.clone(),
            cpu_seconds: seconds(runner.cpu_ns),
            own: runner.own,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, CgroupDelay, Latency};

    fn group(path: &str, waits: u64, nanoseconds: u64) -> CgroupDelay {
        CgroupDelay {
            cgroup: Cgroup { id: 1, path: Some(path.into()), ..Cgroup::default() },
            delay: Latency::from_samples((0..waits).map(|_| nanoseconds)),
            background_waits: 0,
            cpu_ns: 0,
            throttled_ns: None,
            lowest_weight: false,
        }
    }

    fn paths(groups: &[CgroupDelayView]) -> Vec<&str> {
        groups.iter().filter_map(|group| group.cgroup.path.as_deref()).collect()
    }

    #[test]
    fn groups_come_worst_first_and_small_ones_are_left_out() {
        let sched = Sched {
            cgroups: vec![group("/calm", 500, 10_000), group("/rare", 99, 90_000_000), group("/slow", 100, 30_000_000)],
            ..Sched::default()
        };
        assert_eq!(paths(&cgroups(&sched, 100, 0.0, 9)), ["/slow", "/calm"]);
        assert_eq!(paths(&cgroups(&sched, 100, 0.005, 9)), ["/slow"]);
        assert_eq!(paths(&cgroups(&sched, 0, 0.0, 1)), ["/rare"]);
    }

    #[test]
    fn a_group_without_quantiles_has_no_p99_to_pass() {
        let mut average = group("/average", 100, 0);
        average.delay = Latency { count: 100, sum_ns: 100_000_000_000, max_ns: None, histogram: None };
        let sched = Sched { cgroups: vec![average], ..Sched::default() };
        assert!(cgroups(&sched, 1, 0.005, 9).is_empty());
        assert_eq!(paths(&cgroups(&sched, 1, 0.0, 9)), ["/average"]);
    }
}
