//! Signals from kerno: the functions that a component imports.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bindings::kerno::rules::{block, cpu, fd, host, log, memory, oom, params, sched, start, syscall, tcp};
use crate::{
    CallCounts, CallInFlight, CallTime, CallerSync, CgroupCpu, CgroupDelay, CgroupMemory, CgroupSegments, CgroupTraffic,
    ClassTraffic, DescriptorsMade, Destination, DestinationTraffic, DeviceLatency, FailingCall, FailureFilter, FamilyInfo,
    FdProcess, FdTotals, FileSystemSync, Flow, GroupKills, GroupStart, HostCpu, HostMemory, Latency, LatencyKind, MachineInfo,
    MemoryOrder, NetworkNamespace, OpenFiles, Operation, PeerClass, Runner, Segments, SlowCaller, Traffic, Victim, WaitingTask,
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

    pub(crate) fn devices(
        &self,
        operation: Option<Operation>,
        min_requests: u64,
        min_p99: f64,
        limit: u32,
    ) -> Vec<DeviceLatency> {
        block::devices(operation, min_requests, min_p99, limit)
    }

    pub(crate) fn file_systems(&self, min_syncs: u64, min_p99: f64, limit: u32) -> Option<Vec<FileSystemSync>> {
        block::file_systems(min_syncs, min_p99, limit)
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

    pub(crate) fn call_counts(&self) -> Option<CallCounts> {
        syscall::counts()
    }

    pub(crate) fn call_times(&self, by_cgroup: bool, min_calls: u64, min_p99: f64, limit: u32) -> Vec<CallTime> {
        syscall::times(by_cgroup, min_calls, min_p99, limit)
    }

    pub(crate) fn slow_callers(&self, name: Option<&str>, cgroup: Option<u64>, limit: u32) -> Vec<SlowCaller> {
        syscall::slow_callers(name, cgroup, limit)
    }

    pub(crate) fn calls_in_flight(&self, min_judged: f64, limit: u32) -> Vec<CallInFlight> {
        syscall::in_flight(min_judged, limit)
    }

    pub(crate) fn failing_calls(&self, filter: &FailureFilter, limit: u32) -> Vec<FailingCall> {
        syscall::failing(filter, limit)
    }

    pub(crate) fn descriptors_made(&self, cgroup: Option<u64>) -> Vec<DescriptorsMade> {
        syscall::descriptors(cgroup)
    }

    pub(crate) fn fd_totals(&self) -> Option<FdTotals> {
        fd::totals()
    }

    pub(crate) fn open_files(&self) -> Option<OpenFiles> {
        fd::open_files_now()
    }

    pub(crate) fn fd_processes(&self, min_gained: u64, limit: u32) -> Vec<FdProcess> {
        fd::processes(min_gained, limit)
    }

    pub(crate) fn fd_hard_limit(&self, pid: u32) -> Option<u64> {
        fd::hard_limit(pid)
    }

    pub(crate) fn host_memory(&self) -> Option<HostMemory> {
        memory::host()
    }

    pub(crate) fn memory_groups(&self, order: MemoryOrder, below: Option<&str>, at_least: f64, limit: u32) -> Vec<CgroupMemory> {
        memory::groups(order, below, at_least, limit)
    }

    pub(crate) fn unseen_memory(&self) -> Option<String> {
        memory::unseen()
    }

    pub(crate) fn host_cpu(&self) -> Option<HostCpu> {
        cpu::host()
    }

    pub(crate) fn throttled(&self, min_periods: u64, min_share: f64, limit: u32) -> Vec<CgroupCpu> {
        cpu::throttled(min_periods, min_share, limit)
    }

    pub(crate) fn busiest(&self, below: Option<&str>, limit: u32) -> Vec<CgroupCpu> {
        cpu::busiest(below, limit)
    }

    pub(crate) fn unseen_cpu(&self) -> Option<String> {
        cpu::unseen()
    }

    pub(crate) fn tcp_total(&self) -> Option<Traffic> {
        tcp::total()
    }

    pub(crate) fn tcp_classes(&self) -> Vec<ClassTraffic> {
        tcp::classes()
    }

    pub(crate) fn tcp_connecting(&self, min_begun: u64, limit: u32) -> Vec<CgroupTraffic> {
        tcp::connecting(min_begun, limit)
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

    pub(crate) fn starts(&self, min_seconds: f64, limit: u32) -> Vec<GroupStart> {
        start::starts(min_seconds, limit)
    }

    pub(crate) fn groups_made(&self) -> Option<u64> {
        start::made()
    }
}
