//! Signals from a recorded window: the host's own answers, for native tests.
#![expect(clippy::panic, reason = "a mistake in a test ends the test")]

use std::collections::BTreeMap;

use kerno_signals::{Snapshot, query};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CallCounts, CallInFlight, CallTime, CallerSync, CgroupCpu, CgroupDelay, CgroupMemory, CgroupSegments, CgroupTraffic,
    ClassTraffic, DescriptorsMade, Destination, DestinationTraffic, DeviceLatency, ErrorsOf, FailingCall, FailureFilter,
    FailureThreshold, FamilyInfo, FdProcess, FdTotals, FileSystemSync, Flow, GroupKills, GroupStart, HostCpu, HostMemory,
    Latency, LatencyKind, MachineInfo, MemoryOrder, NetworkNamespace, OpenFiles, Operation, PeerClass, Runner, Segments,
    SlowCaller, Traffic, Victim, WaitingTask,
};

pub(crate) struct Source {
    pub(crate) snapshot: Snapshot,
    pub(crate) parameters: BTreeMap<String, f64>,
}

impl Source {
    pub(crate) fn parameter(&self, name: &str) -> f64 {
        match self.parameters.get(name) {
            Some(value) => *value,
            None => panic!("the rule's description declares no parameter `{name}`"),
        }
    }

    pub(crate) fn log(&self, _line: &str) {}

    pub(crate) fn machine(&self) -> MachineInfo {
        same(query::machine(&self.snapshot))
    }

    pub(crate) fn window_seconds(&self) -> f64 {
        query::window_seconds(&self.snapshot)
    }

    pub(crate) fn family(&self, name: &str) -> Option<FamilyInfo> {
        same(query::family(&self.snapshot, name))
    }

    pub(crate) fn steal_ratio(&self) -> Option<f64> {
        self.snapshot.host.steal_ratio
    }

    pub(crate) fn cpu_pressure_ratio(&self) -> Option<f64> {
        self.snapshot.host.cpu_pressure_ratio
    }

    pub(crate) fn host_delay(&self) -> Option<Latency> {
        same(self.snapshot.families.sched.as_ref().map(query::host_delay))
    }

    pub(crate) fn cgroups(&self, min_waits: u64, min_p99: f64, limit: u32) -> Vec<CgroupDelay> {
        same(
            self.snapshot.families.sched.as_ref().map_or_else(Vec::new, |sched| query::cgroups(sched, min_waits, min_p99, limit)),
        )
    }

    pub(crate) fn waiting_tasks(&self, cgroup: Option<u64>, limit: u32) -> Vec<WaitingTask> {
        same(self.snapshot.families.sched.as_ref().map_or_else(Vec::new, |sched| query::waiting_tasks(sched, cgroup, limit)))
    }

    pub(crate) fn runners(&self, limit: u32) -> Vec<Runner> {
        same(self.snapshot.families.sched.as_ref().map_or_else(Vec::new, |sched| query::runners(sched, limit)))
    }

    pub(crate) fn devices(
        &self,
        operation: Option<Operation>,
        min_requests: u64,
        min_p99: f64,
        limit: u32,
    ) -> Vec<DeviceLatency> {
        let operation = operation.map(|operation| match operation {
            Operation::Read => kerno_signals::Operation::Read,
            Operation::Write => kerno_signals::Operation::Write,
            Operation::Flush => kerno_signals::Operation::Flush,
            Operation::Discard => kerno_signals::Operation::Discard,
            Operation::Other => kerno_signals::Operation::Other,
        });
        same(
            self.snapshot
                .families
                .block
                .as_ref()
                .map_or_else(Vec::new, |block| query::devices(block, operation, min_requests, min_p99, limit)),
        )
    }

    pub(crate) fn file_systems(&self, min_syncs: u64, min_p99: f64, limit: u32) -> Option<Vec<FileSystemSync>> {
        same(self.snapshot.families.block.as_ref().and_then(|block| query::file_systems(block, min_syncs, min_p99, limit)))
    }

    pub(crate) fn callers(&self, major: u32, minor: u32, limit: u32) -> Vec<CallerSync> {
        same(self.snapshot.families.block.as_ref().map_or_else(Vec::new, |block| query::callers(block, major, minor, limit)))
    }

    pub(crate) fn oom_kills(&self) -> Option<u64> {
        self.snapshot.families.oom.as_ref().map(|oom| oom.total)
    }

    pub(crate) fn oom_groups(&self, limit: u32) -> Vec<GroupKills> {
        same(self.snapshot.families.oom.as_ref().map_or_else(Vec::new, |oom| query::group_kills(oom, limit)))
    }

    pub(crate) fn victims(&self, cgroup: Option<u64>, limit: u32) -> Vec<Victim> {
        same(self.snapshot.families.oom.as_ref().map_or_else(Vec::new, |oom| query::victims(oom, cgroup, limit)))
    }

    fn syscall(&self) -> Option<&kerno_signals::Syscall> {
        self.snapshot.families.syscall.as_ref()
    }

    pub(crate) fn call_counts(&self) -> Option<CallCounts> {
        same(self.syscall().map(query::call_counts))
    }

    pub(crate) fn call_times(&self, by_cgroup: bool, min_calls: u64, min_p99: f64, limit: u32) -> Vec<CallTime> {
        same(self.syscall().map_or_else(Vec::new, |calls| query::call_times(calls, by_cgroup, min_calls, min_p99, limit)))
    }

    pub(crate) fn slow_callers(&self, name: Option<&str>, cgroup: Option<u64>, limit: u32) -> Vec<SlowCaller> {
        same(self.syscall().map_or_else(Vec::new, |calls| query::slow_callers(calls, name, cgroup, limit)))
    }

    pub(crate) fn calls_in_flight(&self, min_judged: f64, limit: u32) -> Vec<CallInFlight> {
        same(self.syscall().map_or_else(Vec::new, |calls| query::calls_in_flight(calls, min_judged, limit)))
    }

    pub(crate) fn failing_calls(&self, filter: &FailureFilter, limit: u32) -> Vec<FailingCall> {
        let errors = |all: &[ErrorsOf]| {
            all.iter().map(|of| query::ErrorsOf { errors: of.errors.clone(), calls: of.calls.clone() }).collect()
        };
        let threshold = |threshold: &FailureThreshold| query::FailureThreshold {
            only: errors(&threshold.only),
            min_calls: threshold.min_calls,
            min_failed: threshold.min_failed,
            above_share: threshold.above_share,
        };
        let filter = query::FailureFilter {
            by_cgroup: filter.by_cgroup,
            except: errors(&filter.except),
            any_of: filter.any_of.iter().map(threshold).collect(),
        };
        same(self.syscall().map_or_else(Vec::new, |calls| query::failing_calls(calls, &filter, limit)))
    }

    pub(crate) fn descriptors_made(&self, cgroup: Option<u64>) -> Vec<DescriptorsMade> {
        same(self.syscall().map_or_else(Vec::new, |calls| query::descriptors_made(calls, cgroup)))
    }

    pub(crate) fn fd_totals(&self) -> Option<FdTotals> {
        same(self.snapshot.families.fd.as_ref().map(query::fd_totals))
    }

    pub(crate) fn open_files(&self) -> Option<OpenFiles> {
        same(self.snapshot.families.fd.as_ref().and_then(query::open_files))
    }

    pub(crate) fn fd_processes(&self, min_gained: u64, limit: u32) -> Vec<FdProcess> {
        same(self.snapshot.families.fd.as_ref().map_or_else(Vec::new, |fd| query::fd_processes(fd, min_gained, limit)))
    }

    pub(crate) fn fd_hard_limit(&self, pid: u32) -> Option<u64> {
        self.snapshot.families.fd.as_ref().and_then(|fd| query::hard_limit(fd, pid))
    }

    pub(crate) fn host_memory(&self) -> Option<HostMemory> {
        same(self.snapshot.families.memory.as_ref().map(query::host_memory))
    }

    pub(crate) fn memory_groups(&self, order: MemoryOrder, below: Option<&str>, at_least: f64, limit: u32) -> Vec<CgroupMemory> {
        let order = match order {
            MemoryOrder::UseOfLimit => query::MemoryOrder::UseOfLimit,
            MemoryOrder::UseOfHardLimit => query::MemoryOrder::UseOfHardLimit,
            MemoryOrder::WorkingSet => query::MemoryOrder::WorkingSet,
            MemoryOrder::Growth => query::MemoryOrder::Growth,
        };
        let memory = self.snapshot.families.memory.as_ref();
        same(memory.map_or_else(Vec::new, |memory| query::memory_groups(memory, order, below, at_least, limit)))
    }

    pub(crate) fn unseen_memory(&self) -> Option<String> {
        self.snapshot.families.memory.as_ref().and_then(|memory| memory.unseen.clone())
    }

    pub(crate) fn host_cpu(&self) -> Option<HostCpu> {
        same(self.snapshot.families.cpu.as_ref().map(query::host_cpu))
    }

    pub(crate) fn throttled(&self, min_periods: u64, min_share: f64, limit: u32) -> Vec<CgroupCpu> {
        let cpu = self.snapshot.families.cpu.as_ref();
        same(cpu.map_or_else(Vec::new, |cpu| query::throttled(cpu, min_periods, min_share, limit)))
    }

    pub(crate) fn busiest(&self, below: Option<&str>, limit: u32) -> Vec<CgroupCpu> {
        let cpu = self.snapshot.families.cpu.as_ref();
        same(cpu.map_or_else(Vec::new, |cpu| query::busiest(cpu, below, limit)))
    }

    pub(crate) fn unseen_cpu(&self) -> Option<String> {
        self.snapshot.families.cpu.as_ref().and_then(|cpu| cpu.unseen.clone())
    }
    pub(crate) fn tcp_total(&self) -> Option<Traffic> {
        self.snapshot.families.tcp.as_ref().map(|tcp| same(query::tcp::total(tcp)))
    }

    pub(crate) fn tcp_classes(&self) -> Vec<ClassTraffic> {
        same(self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, query::tcp::classes))
    }

    pub(crate) fn tcp_connecting(&self, min_begun: u64, limit: u32) -> Vec<CgroupTraffic> {
        same(self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, |tcp| query::tcp::connecting(tcp, min_begun, limit)))
    }

    pub(crate) fn tcp_cgroups(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<CgroupSegments> {
        same(
            self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, |tcp| query::tcp::cgroups(tcp, min_sent, min_ratio, limit)),
        )
    }

    pub(crate) fn tcp_segments(&self) -> Option<Segments> {
        self.snapshot.families.tcp.as_ref().map(|tcp| same(query::tcp::all_segments(tcp)))
    }

    pub(crate) fn lossy_destinations(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<Destination> {
        let tcp = self.snapshot.families.tcp.as_ref();
        same(tcp.map_or_else(Vec::new, |tcp| query::tcp::lossy_destinations(tcp, min_sent, min_ratio, limit)))
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
        let kind = match kind {
            LatencyKind::RoundTrip => query::tcp::LatencyKind::RoundTrip,
            LatencyKind::Handshake => query::tcp::LatencyKind::Handshake,
        };
        let classes = peer_classes(classes);
        let ask = |tcp| query::tcp::slow_destinations(tcp, kind, &classes, quantile, min_samples, min_seconds, limit);
        same(self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, ask))
    }

    pub(crate) fn unanswering_destinations(&self, min_connects: u64, limit: u32) -> Vec<DestinationTraffic> {
        let tcp = self.snapshot.families.tcp.as_ref();
        same(tcp.map_or_else(Vec::new, |tcp| query::tcp::unanswering_destinations(tcp, min_connects, limit)))
    }

    pub(crate) fn tcp_other(&self) -> Option<Traffic> {
        self.snapshot.families.tcp.as_ref().map(|tcp| same(query::tcp::other(tcp)))
    }

    pub(crate) fn flows(&self, remote: &str, namespace: Option<u32>, limit: u32) -> Vec<Flow> {
        same(self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, |tcp| query::tcp::flows(tcp, remote, namespace, limit)))
    }

    pub(crate) fn own_namespace(&self) -> Option<u32> {
        self.snapshot.families.tcp.as_ref().and_then(query::tcp::own_namespace)
    }

    pub(crate) fn network_namespaces(&self, min_retransmitted: u64, limit: u32) -> Vec<NetworkNamespace> {
        same(
            self.snapshot
                .families
                .tcp
                .as_ref()
                .map_or_else(Vec::new, |tcp| query::tcp::namespaces(tcp, min_retransmitted, limit)),
        )
    }

    pub(crate) fn full_accept_queues(&self, limit: u32) -> Vec<NetworkNamespace> {
        same(self.snapshot.families.tcp.as_ref().map_or_else(Vec::new, |tcp| query::tcp::full_accept_queues(tcp, limit)))
    }

    pub(crate) fn starts(&self, min_seconds: f64, limit: u32) -> Vec<GroupStart> {
        let start = self.snapshot.families.start.as_ref();
        same(start.map_or_else(Vec::new, |start| query::starts(start, min_seconds, limit)))
    }

    pub(crate) fn groups_made(&self) -> Option<u64> {
        self.snapshot.families.start.as_ref().map(|start| start.made)
    }
}

fn peer_classes(classes: &[PeerClass]) -> Vec<kerno_signals::PeerClass> {
    use kerno_signals::PeerClass as Recorded;
    let recorded = |class: &PeerClass| match class {
        PeerClass::NodeLocal => Recorded::NodeLocal,
        PeerClass::Cluster => Recorded::Cluster,
        PeerClass::Private => Recorded::Private,
        PeerClass::Public => Recorded::Public,
    };
    classes.iter().map(recorded).collect()
}

/// The host's view of an answer as the contract's type: both have the same fields.
fn same<V: Serialize, T: DeserializeOwned>(view: V) -> T {
    match serde_json::to_value(view).and_then(serde_json::from_value) {
        Ok(record) => record,
        Err(error) => panic!("host view and contract differ: {error}"),
    }
}
