//! Signals from kerno: the functions that a component imports.

use alloc::vec::Vec;

use crate::bindings::kerno::rules::{block, host, log, oom, params, sched};
use crate::{
    CallerSync, CgroupDelay, DeviceLatency, FamilyInfo, FileSystemSync, GroupKills, Latency, MachineInfo, Operation, Runner,
    Victim, WaitingTask,
};

pub(crate) struct Source;

impl Source {
    pub(crate) fn parameter(&self, name: &str) -> f64 {
        params::get(name)
    }

    pub(crate) fn log(&self, line: &str) {
        log::debug(line);
    }

    pub(crate) fn machine(&self) -> MachineInfo {
        host::machine()
    }

    pub(crate) fn window_seconds(&self) -> f64 {
        host::window_seconds()
    }

    pub(crate) fn family(&self, name: &str) -> Option<FamilyInfo> {
        host::family(name)
    }

    pub(crate) fn steal_ratio(&self) -> Option<f64> {
        host::steal_ratio()
    }

    pub(crate) fn cpu_pressure_ratio(&self) -> Option<f64> {
        host::cpu_pressure_ratio()
    }

    pub(crate) fn host_delay(&self) -> Option<Latency> {
        sched::host_delay()
    }

    pub(crate) fn cgroups(&self, min_waits: u64, min_p99: f64, limit: u32) -> Vec<CgroupDelay> {
        sched::cgroups(min_waits, min_p99, limit)
    }

    pub(crate) fn waiting_tasks(&self, cgroup: Option<u64>, limit: u32) -> Vec<WaitingTask> {
        sched::waiting_tasks(cgroup, limit)
    }

    pub(crate) fn runners(&self, limit: u32) -> Vec<Runner> {
        sched::runners(limit)
    }

    pub(crate) fn devices(&self, operation: Option<Operation>, min_requests: u64, limit: u32) -> Vec<DeviceLatency> {
        block::devices(operation, min_requests, limit)
    }

    pub(crate) fn file_systems(&self, min_syncs: u64, limit: u32) -> Option<Vec<FileSystemSync>> {
        block::file_systems(min_syncs, limit)
    }

    pub(crate) fn callers(&self, major: u32, minor: u32, limit: u32) -> Vec<CallerSync> {
        block::callers(major, minor, limit)
    }

    pub(crate) fn oom_kills(&self) -> Option<u64> {
        oom::kills()
    }

    pub(crate) fn oom_groups(&self, limit: u32) -> Vec<GroupKills> {
        oom::groups(limit)
    }

    pub(crate) fn victims(&self, cgroup: Option<u64>, limit: u32) -> Vec<Victim> {
        oom::victims(cgroup, limit)
    }
}
