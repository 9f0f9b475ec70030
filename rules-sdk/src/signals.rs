//! The window that is being judged, as a rule asks it.

#[cfg(not(all(feature = "testing", not(target_arch = "wasm32"))))]
#[path = "signals/imports.rs"]
mod source;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
#[path = "signals/recorded.rs"]
mod source;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::format::{count, counted, percent};
use crate::{
    CallCounts, CallInFlight, CallTime, CallerSync, CgroupCpu, CgroupDelay, CgroupMemory, CgroupSegments, CgroupTraffic,
    ClassTraffic, Coverage, DescriptorsMade, Destination, DestinationTraffic, DeviceLatency, FailingCall, FailureFilter,
    FamilyInfo, FdProcess, FdTotals, FileSystemSync, Flow, GroupKills, GroupStart, HostCpu, HostMemory, Latency, LatencyKind,
    MachineInfo, MemoryOrder, NetworkNamespace, OpenFiles, Operation, PeerClass, Runner, Segments, SlowCaller, Traffic, Verdict,
    Victim, WaitingTask, confidence,
};

pub(crate) use source::Source;

/// One window of kernel data. Times are seconds, sizes bytes, ratios 0–1.
pub struct Signals(pub(crate) Source);

impl Signals {
    /// The window that kerno has called the rule for.
    #[cfg(not(all(feature = "testing", not(target_arch = "wasm32"))))]
    #[doc(hidden)]
    #[must_use]
    pub fn of_this_window() -> Self {
        Self(Source)
    }

    /// A parameter as configured, in the unit of the rule's description. A name that it does not declare traps.
    #[must_use]
    pub fn parameter(&self, name: &str) -> f64 {
        self.0.parameter(name)
    }

    /// A line for kerno's debug log.
    pub fn log(&self, line: &str) {
        self.0.log(line);
    }

    /// The host.
    #[must_use]
    pub fn machine(&self) -> MachineInfo {
        self.0.machine()
    }

    /// Length of the window.
    #[must_use]
    pub fn window_seconds(&self) -> f64 {
        self.0.window_seconds()
    }

    /// How well a family (`sched`, `block`) was seen; `None` when it was not measured.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<FamilyInfo> {
        self.0.family(name)
    }

    /// Share of CPU time that the hypervisor took.
    #[must_use]
    pub fn steal_ratio(&self) -> Option<f64> {
        self.0.steal_ratio()
    }

    /// Share of the window in which some task waited for a CPU (PSI).
    #[must_use]
    pub fn cpu_pressure_ratio(&self) -> Option<f64> {
        self.0.cpu_pressure_ratio()
    }

    /// Run-queue delay of all tasks but background ones and kerno's.
    #[must_use]
    pub fn host_delay(&self) -> Option<Latency> {
        self.0.host_delay()
    }

    /// Control groups with at least `min_waits` waits and a p99 of at least `min_p99` (0: any), worst first.
    #[must_use]
    pub fn cgroups(&self, min_waits: u64, min_p99: f64, limit: u32) -> Vec<CgroupDelay> {
        self.0.cgroups(min_waits, min_p99, limit)
    }

    /// Tasks with the longest waits for a CPU, worst first; of one group, or of all.
    #[must_use]
    pub fn waiting_tasks(&self, cgroup: Option<u64>, limit: u32) -> Vec<WaitingTask> {
        self.0.waiting_tasks(cgroup, limit)
    }

    /// Processes that used the most CPU time, most first.
    #[must_use]
    pub fn runners(&self, limit: u32) -> Vec<Runner> {
        self.0.runners(limit)
    }

    /// Block devices with at least `min_requests` requests completed or one in flight, and a p99 or one in flight for at least `min_p99`
    /// seconds (0: any), worst first.
    #[must_use]
    pub fn devices(&self, operation: Option<Operation>, min_requests: u64, min_p99: f64, limit: u32) -> Vec<DeviceLatency> {
        self.0.devices(operation, min_requests, min_p99, limit)
    }

    /// The same of file systems by their syncs; `None` when syncs were not measured.
    #[must_use]
    pub fn file_systems(&self, min_syncs: u64, min_p99: f64, limit: u32) -> Option<Vec<FileSystemSync>> {
        self.0.file_systems(min_syncs, min_p99, limit)
    }

    /// Who syncs a file system, the longest total wait first.
    #[must_use]
    pub fn callers(&self, major: u32, minor: u32, limit: u32) -> Vec<CallerSync> {
        self.0.callers(major, minor, limit)
    }

    /// Processes killed for lack of memory, by the kernel's own count; `None` when that was not measured.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        self.0.oom_kills()
    }

    /// Kills by control group and shortage, most first. What is missing to the sum of all is of groups that are not known.
    #[must_use]
    pub fn oom_groups(&self, limit: u32) -> Vec<GroupKills> {
        self.0.oom_groups(limit)
    }

    /// Victims of which more is known, the largest first; of one control group, or of all.
    #[must_use]
    pub fn victims(&self, cgroup: Option<u64>, limit: u32) -> Vec<Victim> {
        self.0.victims(cgroup, limit)
    }

    /// How many system calls there were; `None` when not measured at all.
    #[must_use]
    pub fn call_counts(&self) -> Option<CallCounts> {
        self.0.call_counts()
    }

    /// Calls with at least `min_calls` judged and a p99 of at least `min_p99` (0: any), the longest p99 first: of each control group,
    /// or of all together.
    #[must_use]
    pub fn call_times(&self, by_cgroup: bool, min_calls: u64, min_p99: f64, limit: u32) -> Vec<CallTime> {
        self.0.call_times(by_cgroup, min_calls, min_p99, limit)
    }

    /// Processes with the longest calls, longest first; of one call, of one control group, or of all.
    #[must_use]
    pub fn slow_callers(&self, name: Option<&str>, cgroup: Option<u64>, limit: u32) -> Vec<SlowCaller> {
        self.0.slow_callers(name, cgroup, limit)
    }

    /// Calls in flight at the window's end with a judged time of at least `min_judged`, longest first.
    #[must_use]
    pub fn calls_in_flight(&self, min_judged: f64, limit: u32) -> Vec<CallInFlight> {
        self.0.calls_in_flight(min_judged, limit)
    }

    /// Calls that failed as the filter asks for, most failures first: of each of its thresholds at most `limit`.
    #[must_use]
    pub fn failing_calls(&self, filter: &FailureFilter, limit: u32) -> Vec<FailingCall> {
        self.0.failing_calls(filter, limit)
    }

    /// Descriptors by kind that successful calls of a control group, or of all, made, most first.
    #[must_use]
    pub fn descriptors_made(&self, cgroup: Option<u64>) -> Vec<DescriptorsMade> {
        self.0.descriptors_made(cgroup)
    }

    /// Descriptors of all processes but kerno; `None` when not measured.
    #[must_use]
    pub fn fd_totals(&self) -> Option<FdTotals> {
        self.0.fd_totals()
    }

    /// The kernel's table of open files; `None` when it cannot be read.
    #[must_use]
    pub fn open_files(&self) -> Option<OpenFiles> {
        self.0.open_files()
    }

    /// Processes that gained at least `min_gained` descriptors while they were watched (0: also those that gained none), most first.
    #[must_use]
    pub fn fd_processes(&self, min_gained: u64, limit: u32) -> Vec<FdProcess> {
        self.0.fd_processes(min_gained, limit)
    }

    /// Hard limit of descriptors of one of them that gained some; `None` when it cannot be read.
    #[must_use]
    pub fn fd_hard_limit(&self, pid: u32) -> Option<u64> {
        self.0.fd_hard_limit(pid)
    }

    /// Memory of the whole host; `None` when not measured.
    #[must_use]
    pub fn host_memory(&self) -> Option<HostMemory> {
        self.0.host_memory()
    }

    /// Groups below a path (`None`: all but the root) that have at least `at_least` of what they are ordered by, the largest first.
    /// See `filled_limits` for each limit once.
    #[must_use]
    pub fn memory_groups(&self, order: MemoryOrder, below: Option<&str>, at_least: f64, limit: u32) -> Vec<CgroupMemory> {
        self.0.memory_groups(order, below, at_least, limit)
    }

    /// Why the memory of some control groups, or limits above those that are visible, were not seen.
    #[must_use]
    pub fn unseen_memory(&self) -> Option<String> {
        self.0.unseen_memory()
    }

    /// CPU time of the whole host; `None` when not measured.
    #[must_use]
    pub fn host_cpu(&self) -> Option<HostCpu> {
        self.0.host_cpu()
    }

    /// Groups whose own quota was in force in at least `min_periods` periods and held them back in at least `min_share` of those,
    /// the longest held back first.
    #[must_use]
    pub fn throttled(&self, min_periods: u64, min_share: f64, limit: u32) -> Vec<CgroupCpu> {
        self.0.throttled(min_periods, min_share, limit)
    }

    /// Groups below a path (`None`: all but the root) by the CPU time that they used, most first.
    #[must_use]
    pub fn busiest(&self, below: Option<&str>, limit: u32) -> Vec<CgroupCpu> {
        self.0.busiest(below, limit)
    }

    /// Why some control groups, or quotas above those that are visible, were not seen.
    #[must_use]
    pub fn unseen_cpu(&self) -> Option<String> {
        self.0.unseen_cpu()
    }

    /// All TCP connections; `None` when not measured.
    #[must_use]
    pub fn tcp_total(&self) -> Option<Traffic> {
        self.0.tcp_total()
    }

    /// TCP by what the other side is.
    #[must_use]
    pub fn tcp_classes(&self) -> Vec<ClassTraffic> {
        self.0.tcp_classes()
    }

    /// Control groups that sent at least `min_sent` segments, and at least `min_ratio` times as many again; most sent again first.
    #[must_use]
    pub fn tcp_cgroups(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<CgroupSegments> {
        self.0.tcp_cgroups(min_sent, min_ratio, limit)
    }

    /// Control groups that began, whatever came of it, or accepted at least `min_begun` TCP connections, most first.
    #[must_use]
    pub fn tcp_connecting(&self, min_begun: u64, limit: u32) -> Vec<CgroupTraffic> {
        self.0.tcp_connecting(min_begun, limit)
    }

    /// Segments of all TCP connections; `None` when not measured.
    #[must_use]
    pub fn tcp_segments(&self) -> Option<Segments> {
        self.0.tcp_segments()
    }

    /// Destinations that `min_sent` segments or more were sent to, and at least `min_ratio` times as many again; most sent again
    /// first.
    #[must_use]
    pub fn lossy_destinations(&self, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<Destination> {
        self.0.lossy_destinations(min_sent, min_ratio, limit)
    }

    /// Destinations of some classes (none named: of all) with at least `min_samples` durations of a kind whose quantile `quantile` is
    /// `min_seconds` or more; the largest first.
    #[must_use]
    pub fn slow_destinations(
        &self,
        kind: LatencyKind,
        classes: &[PeerClass],
        quantile: f64,
        min_samples: u64,
        min_seconds: f64,
        limit: u32,
    ) -> Vec<DestinationTraffic> {
        self.0.slow_destinations(kind, classes, quantile, min_samples, min_seconds, limit)
    }

    /// Destinations that at least `min_connects` connects got no answer from, most first.
    #[must_use]
    pub fn unanswering_destinations(&self, min_connects: u64, limit: u32) -> Vec<DestinationTraffic> {
        self.0.unanswering_destinations(min_connects, limit)
    }

    /// TCP connections that are in no destination.
    #[must_use]
    pub fn tcp_other(&self) -> Option<Traffic> {
        self.0.tcp_other()
    }

    /// Who talks to an address, in one network namespace or in all: most sent again first, then most sent.
    #[must_use]
    pub fn flows(&self, remote: &str, namespace: Option<u32>, limit: u32) -> Vec<Flow> {
        self.0.flows(remote, namespace, limit)
    }

    /// Number of kerno's own network namespace.
    #[must_use]
    pub fn own_namespace(&self) -> Option<u32> {
        self.0.own_namespace()
    }

    /// Network namespaces that sent at least `min_retransmitted` segments again (0: all), most first.
    #[must_use]
    pub fn network_namespaces(&self, min_retransmitted: u64, limit: u32) -> Vec<NetworkNamespace> {
        self.0.network_namespaces(min_retransmitted, limit)
    }

    /// Network namespaces that dropped connections because a listener's accept queue was full, most first.
    #[must_use]
    pub fn full_accept_queues(&self, limit: u32) -> Vec<NetworkNamespace> {
        self.0.full_accept_queues(limit)
    }

    /// Control groups made in the window in which something ran, whose longest stage took at least `min_seconds`, those with the longest
    /// first. The stages are: until a program was executed, from there until it listened, and from when it was asked until it answered;
    /// one that it has not come out of counts as far as it is. Since 1.1 of the contract.
    #[must_use]
    pub fn starts(&self, min_seconds: f64, limit: u32) -> Vec<GroupStart> {
        self.0.starts(min_seconds, limit)
    }

    /// Control groups made in the window, those in which nothing ran included; `None` when not measured. Since 1.1 of the contract.
    #[must_use]
    pub fn groups_made(&self) -> Option<u64> {
        self.0.groups_made()
    }

    /// A family, if it was seen well enough to judge percentiles by: else why not, as a reason for `not-evaluated`.
    ///
    /// # Errors
    /// It was not measured, it has totals only, or more than `max_lost` (0–1) of its events were lost.
    pub fn percentiles_of(&self, name: &str, max_lost: f64) -> Result<FamilyInfo, String> {
        let Some(family) = self.family(name) else {
            return Err(format!("{name} was not measured"));
        };
        if family.coverage == Coverage::Fallback {
            let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
            return Err(format!("{} gives totals and averages, no percentiles: {why}", family.source));
        }
        family.bears_losses(name, max_lost)?;
        Ok(family)
    }
}

impl FamilyInfo {
    /// Losses come with load, where the slow events are: a p99 that rests on the slowest hundredth bears fewer than these.
    const MAX_LOST_FOR_QUIET: f64 = 0.005;

    /// Share of events known to be lost, 0–1.
    #[must_use]
    pub fn lost_share(&self) -> f64 {
        self.lost as f64 / self.events.saturating_add(self.lost).max(1) as f64
    }

    /// Whether so few of the events of this family, which is called `name`, were lost that it can be judged.
    ///
    /// # Errors
    /// More than `max_lost` (0–1) were: a reason for `not-evaluated`.
    pub fn bears_losses(&self, name: &str, max_lost: f64) -> Result<(), String> {
        let lost = self.lost_share();
        if lost > max_lost {
            let all = counted(self.events.saturating_add(self.lost), &format!("{name} event"));
            return Err(format!("incomplete (losses): {} of {all} lost, {} allowed", percent(lost), percent(max_lost)));
        }
        Ok(())
    }

    /// Nothing crossed a threshold, for this reason: `quiet`, unless what was lost or not seen may be what is slow.
    #[must_use]
    pub fn quiet(&self, reason: String) -> Verdict {
        if self.blind > 0.0 {
            let why = self.reason.as_deref().unwrap_or_default();
            return Verdict::NotEvaluated(format!("incomplete: {why}; of what was seen {reason}"));
        }
        if self.lost_share() < Self::MAX_LOST_FOR_QUIET {
            return Verdict::Quiet(reason);
        }
        let (lost, all) = (count(self.lost), counted(self.events.saturating_add(self.lost), "event"));
        Verdict::NotEvaluated(format!("incomplete: {lost} of {all} lost; of the rest {reason}"))
    }

    /// Nothing crossed a threshold, for this reason, in what was seen: `quiet` when that was all. `unseen` says why it was not.
    #[must_use]
    pub fn quiet_unless(&self, unseen: Option<String>, reason: String) -> Verdict {
        match unseen {
            Some(why) => Verdict::NotEvaluated(format!("incomplete: {why}; of what was seen {reason}")),
            None => self.quiet(reason),
        }
    }

    /// Weight of a measurement of this family from its sample size, its coverage and its losses.
    #[must_use]
    pub fn confidence(&self, samples: u64) -> f64 {
        match self.coverage {
            Coverage::Full if self.lost_share() >= Self::MAX_LOST_FOR_QUIET => confidence(samples, Coverage::Partial),
            coverage => confidence(samples, coverage),
        }
    }
}
