//! Questions about CPU time and quotas.

use std::cmp::Reverse;

use serde::Serialize;

use super::{ByPath, CgroupView, first, is_below, seconds, shares};
use crate::{CgroupCpu, Cpu, Throttling};

/// CPU time of the host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/cpu.wit says it")]
pub struct HostCpuView {
    pub duration: f64,
    pub cpus: u32,
    pub busy: f64,
    pub idle: f64,
    pub io_wait: f64,
    pub steal: f64,
    pub stall_some: Option<f64>,
    pub stall_full: Option<f64>,
}

/// CPU time that a group may use in each period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/cpu.wit says it")]
pub struct CpuQuotaView {
    pub quota: f64,
    pub period: f64,
    pub burst: f64,
}

/// A quota and the group that has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/cpu.wit says it")]
pub struct CpuLimitView {
    pub cpus: f64,
    pub cgroup: CgroupView,
}

/// What a group's own quota did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/cpu.wit says it")]
pub struct ThrottlingView {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: f64,
}

/// CPU time of a control group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/cpu.wit says it")]
pub struct CgroupCpuView {
    pub cgroup: CgroupView,
    pub usage: Option<f64>,
    pub quota: Option<CpuQuotaView>,
    pub limit: Option<CpuLimitView>,
    pub throttling: Option<ThrottlingView>,
    pub cpuset_cpus: Option<u32>,
    pub runnable_threads: Option<f64>,
    pub weight: Option<u64>,
    pub idle: bool,
    pub stall_some: Option<f64>,
    pub stall_full: Option<f64>,
    pub own: bool,
}

/// The whole host.
#[must_use]
pub fn host_cpu(cpu: &Cpu) -> HostCpuView {
    let host = &cpu.host;
    let (stall_some, stall_full) = shares(host.stall.as_ref(), cpu.duration_ns);
    HostCpuView {
        duration: seconds(cpu.duration_ns),
        cpus: host.cpus,
        busy: seconds(host.busy_ns),
        idle: seconds(host.idle_ns),
        io_wait: seconds(host.io_wait_ns),
        steal: seconds(host.steal_ns),
        stall_some,
        stall_full,
    }
}

/// Groups whose own quota was in force in at least `min_periods` periods and held them back in at least `min_share` of those, the
/// longest held back first.
#[must_use]
pub fn throttled(cpu: &Cpu, min_periods: u64, min_share: f64, limit: u32) -> Vec<CgroupCpuView> {
    let is_held =
        |quota: &Throttling| quota.periods >= min_periods && quota.throttled_periods as f64 >= min_share * quota.periods as f64;
    let of = |group: &&CgroupCpu| group.throttling.filter(is_held).is_some();
    let groups: Vec<&CgroupCpu> = cpu.cgroups.iter().filter(of).collect();
    let paths = paths(cpu);
    first(
        groups,
        limit,
        |group| (Reverse(group.throttling.map(|quota| (quota.throttled_ns, quota.periods))), &group.cgroup.path),
        |group| view(cpu, &paths, group),
    )
}

/// Groups below a path by the CPU time that they used, most first.
#[must_use]
pub fn busiest(cpu: &Cpu, below: Option<&str>, limit: u32) -> Vec<CgroupCpuView> {
    let is_below = is_below(below);
    let groups: Vec<&CgroupCpu> = cpu.cgroups.iter().filter(|group| is_below(&group.cgroup)).collect();
    let paths = paths(cpu);
    first(groups, limit, |group| (Reverse(group.usage_ns), &group.cgroup.path), |group| view(cpu, &paths, group))
}

fn paths(cpu: &Cpu) -> ByPath<'_, CgroupCpu> {
    ByPath::new(&cpu.cgroups, |group| &group.cgroup)
}

fn view(cpu: &Cpu, paths: &ByPath<'_, CgroupCpu>, group: &CgroupCpu) -> CgroupCpuView {
    let (stall_some, stall_full) = shares(group.stall.as_ref(), cpu.duration_ns);
    let limit = group.limit.as_ref().filter(|limit| limit.cpus.is_finite());
    CgroupCpuView {
        cgroup: CgroupView::from(&group.cgroup),
        usage: group.usage_ns.map(seconds),
        quota: group.quota.map(|quota| CpuQuotaView {
            quota: seconds(quota.quota_ns),
            period: seconds(quota.period_ns),
            burst: seconds(quota.burst_ns),
        }),
        limit: limit.map(|limit| CpuLimitView { cpus: limit.cpus, cgroup: paths.at(&limit.path, &group.cgroup) }),
        throttling: group.throttling.map(|quota| ThrottlingView {
            periods: quota.periods,
            throttled_periods: quota.throttled_periods,
            throttled: seconds(quota.throttled_ns),
        }),
        cpuset_cpus: group.cpuset_cpus,
        runnable_threads: group.runnable_threads.filter(|threads| threads.is_finite()),
        weight: group.weight,
        idle: group.idle,
        stall_some,
        stall_full,
        own: group.own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, CpuLimit};

    fn group(path: &str, usage_ns: u64, throttling: Option<[u64; 3]>) -> CgroupCpu {
        CgroupCpu {
            cgroup: Cgroup { path: Some(path.to_owned()), ..Cgroup::default() },
            usage_ns: Some(usage_ns),
            throttling: throttling.map(|[periods, throttled_periods, throttled_ns]| Throttling {
                periods,
                throttled_periods,
                throttled_ns,
            }),
            limit: Some(CpuLimit { cpus: 0.5, path: "/a".to_owned() }),
            ..CgroupCpu::default()
        }
    }

    fn paths(groups: &[CgroupCpuView]) -> Vec<&str> {
        groups.iter().filter_map(|group| group.cgroup.path.as_deref()).collect()
    }

    #[test]
    fn the_longest_held_back_come_first_and_those_below_a_bound_not() {
        let cgroups = vec![
            group("/a", 9, Some([100, 25, 7_000_000_000])),
            group("/a/b", 5, Some([49, 49, 9_000_000_000])),
            group("/c", 8, Some([100, 24, 8_000_000_000])),
            group("/free", 99, None),
        ];
        let cpu = Cpu { cgroups, ..Cpu::default() };
        assert_eq!(paths(&throttled(&cpu, 0, 0.0, 9)), ["/a/b", "/c", "/a"]);
        assert_eq!(paths(&throttled(&cpu, 50, 0.25, 9)), ["/a"]);
        assert_eq!(paths(&throttled(&cpu, 49, 0.25, 1)), ["/a/b"]);
        let told = &throttled(&cpu, 50, 0.25, 9)[0];
        assert_eq!(told.throttling.map(|quota| quota.throttled), Some(7.0));
        assert_eq!(told.limit.as_ref().map(|limit| limit.cgroup.path.as_deref()), Some(Some("/a")));
        assert_eq!(paths(&busiest(&cpu, None, 2)), ["/free", "/a"]);
        assert_eq!(paths(&busiest(&cpu, Some("/a"), 9)), ["/a/b"]);
    }

    #[test]
    fn numbers_that_are_none_are_not_told() {
        let mut odd = group("/a", 1, None);
        odd.limit = Some(CpuLimit { cpus: f64::NAN, path: "/a".to_owned() });
        odd.runnable_threads = Some(f64::INFINITY);
        let told = &busiest(&Cpu { cgroups: vec![odd], ..Cpu::default() }, None, 1)[0];
        assert_eq!((told.limit.as_ref(), told.runnable_threads), (None, None));
    }
}
