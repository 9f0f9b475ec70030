//! Signals from kerno: the functions that a component imports.

use alloc::vec::Vec;

use crate::bindings::kerno::rules::{block, host, log, oom, params, sched, tcp};
use crate::{
    CallerSync, CgroupDelay, CgroupSegments, ClassTraffic, Destination, DestinationTraffic, DeviceLatency, FamilyInfo,
    FileSystemSync, Flow, GroupKills, Latency, LatencyKind, MachineInfo, NetworkNamespace, Operation, PeerClass, Runner,
    Segments, Traffic, Victim, WaitingTask,
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

    pub(crate) fn tcp_total(&self) -> Option<Traffic> {
        tcp::total()
    }

    pub(crate) fn tcp_classes(&self) -> Vec<ClassTraffic> {
        tcp::classes()
    }

    pub(crate) fn tcp_cgroups(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<CgroupSegments> {
        tcp::cgroups(min_sent, min_ratio, limit)
    }

    pub(crate) fn tcp_segments(&self) -> Option<Segments> {
        tcp::all_segments()
    }

    pub(crate) fn lossy_destinations(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<Destination> {
        tcp::lossy_destinations(min_sent, min_ratio, limit)
    }

    pub(crate) fn slow_destinations(
        &self,
        kind: LatencyKind,
        classes: &[PeerClass],
        quantile: f64,
        min_samples: u64,
        min_seconds: f64,
        limit: u32,
    ) -> Vec<DestinationTraffic> {
        tcp::slow_destinations(kind, classes, quantile, min_samples, min_seconds, limit)
    }

    pub(crate) fn unanswering_destinations(&self, min_connects: u64, limit: u32) -> Vec<DestinationTraffic> {
        tcp::unanswering_destinations(min_connects, limit)
    }

    pub(crate) fn tcp_other(&self) -> Option<Traffic> {
        tcp::other()
    }

    pub(crate) fn flows(&self, remote: &str, namespace: Option<u32>, limit: u32) -> Vec<Flow> {
        tcp::flows(remote, namespace, limit)
    }

    pub(crate) fn own_namespace(&self) -> Option<u32> {
        tcp::own_namespace()
    }

    pub(crate) fn network_namespaces(&self, min_retransmitted: u64, limit: u32) -> Vec<NetworkNamespace> {
        tcp::namespaces(min_retransmitted, limit)
    }

    pub(crate) fn full_accept_queues(&self, limit: u32) -> Vec<NetworkNamespace> {
        tcp::full_accept_queues(limit)
    }
}
