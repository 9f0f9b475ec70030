//! Answers about CPU time and quotas.

use kerno_signals::query;

use super::cgroup;
use crate::engine::bindings::kerno::rules::cpu;
use crate::engine::sandbox::State;

impl cpu::Host for State {
    fn host(&mut self) -> wasmtime::Result<Option<cpu::HostCpu>> {
        let view = self.window()?.families.cpu.as_ref().map(query::host_cpu);
        Ok(view.map(|view| {
            let query::HostCpuView { duration, cpus, busy, idle, io_wait, steal, stall_some, stall_full } = view;
            cpu::HostCpu { duration, cpus, busy, idle, io_wait, steal, stall_some, stall_full }
        }))
    }

    fn throttled(&mut self, min_periods: u64, min_share: f64, limit: u32) -> wasmtime::Result<Vec<cpu::CgroupCpu>> {
        let Some(cpu) = &self.window()?.families.cpu else { return Ok(Vec::new()) };
        Ok(query::throttled(cpu, min_periods, min_share, limit).into_iter().map(group).collect())
    }

    fn busiest(&mut self, below: Option<String>, limit: u32) -> wasmtime::Result<Vec<cpu::CgroupCpu>> {
        let Some(cpu) = &self.window()?.families.cpu else { return Ok(Vec::new()) };
        Ok(query::busiest(cpu, below.as_deref(), limit).into_iter().map(group).collect())
    }

    fn unseen(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.window()?.families.cpu.as_ref().and_then(|cpu| cpu.unseen.clone()))
    }
}

fn group(view: query::CgroupCpuView) -> cpu::CgroupCpu {
    cpu::CgroupCpu {
        cgroup: cgroup(view.cgroup),
        usage: view.usage,
        quota: view.quota.map(|quota| {
            let query::CpuQuotaView { quota, period, burst } = quota;
            cpu::CpuQuota { quota, period, burst }
        }),
        limit: view.limit.map(|limit| cpu::CpuLimit { cpus: limit.cpus, cgroup: cgroup(limit.cgroup) }),
        throttling: view.throttling.map(|throttling| {
            let query::ThrottlingView { periods, throttled_periods, throttled } = throttling;
            cpu::CpuThrottling { periods, throttled_periods, throttled }
        }),
        cpuset_cpus: view.cpuset_cpus,
        runnable_threads: view.runnable_threads,
        weight: view.weight,
        idle: view.idle,
        stall_some: view.stall_some,
        stall_full: view.stall_full,
        own: view.own,
    }
}
