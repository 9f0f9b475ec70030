//! Answers about run-queue delay.

use kerno_signals::query;

use super::{cgroup, latency};
use crate::engine::bindings::kerno::rules::{sched, types};
use crate::engine::sandbox::State;

impl sched::Host for State {
    fn host_delay(&mut self) -> wasmtime::Result<Option<types::Latency>> {
        Ok(self.window()?.families.sched.as_ref().map(|sched| latency(query::host_delay(sched))))
    }

    fn cgroups(&mut self, min_waits: u64, min_p99: f64, limit: u32) -> wasmtime::Result<Vec<sched::CgroupDelay>> {
        let Some(sched) = &self.window()?.families.sched else { return Ok(Vec::new()) };
        let groups = query::cgroups(sched, min_waits, min_p99, limit).into_iter();
        Ok(groups
            .map(|view| sched::CgroupDelay {
                cgroup: cgroup(view.cgroup),
                delay: latency(view.delay),
                background_waits: view.background_waits,
                cpu_seconds: view.cpu_seconds,
                throttled_seconds: view.throttled_seconds,
                lowest_weight: view.lowest_weight,
            })
            .collect())
    }

    fn waiting_tasks(&mut self, cgroup: Option<u64>, limit: u32) -> wasmtime::Result<Vec<sched::WaitingTask>> {
        let Some(sched) = &self.window()?.families.sched else { return Ok(Vec::new()) };
        let tasks = query::waiting_tasks(sched, cgroup, limit).into_iter();
        Ok(tasks
            .map(|view| {
                let query::WaitingTask { pid, tid, comm, cgroup, long_waits, total, max, background, own } = view;
                sched::WaitingTask { pid, tid, comm, cgroup, long_waits, total, max, background, own }
            })
            .collect())
    }

    fn runners(&mut self, limit: u32) -> wasmtime::Result<Vec<sched::Runner>> {
        let Some(sched) = &self.window()?.families.sched else { return Ok(Vec::new()) };
        let runners = query::runners(sched, limit).into_iter();
        Ok(runners
            .map(|view| {
                let query::RunnerView { pid, comm, cgroup, cpu_seconds, own } = view;
                sched::Runner { pid, comm, cgroup, cpu_seconds, own }
            })
            .collect())
    }
}
