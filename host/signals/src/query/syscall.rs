//! Questions about system calls: counts, times, descriptors; failures are in [`super::failures`].

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::contenders::contenders;
use super::{CgroupView, LatencyView, first, seconds};
use crate::{Call, CallInFlight, CallParts, Cgroup, DescriptorKind, SlowProcess, Syscall};

/// How many calls there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallCountsView {
    pub returned: Option<u64>,
    pub in_flight: u64,
    pub own: u64,
}

/// Where the time of calls went, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallPartsView {
    pub on_cpu: f64,
    pub uninterruptible: f64,
    pub interruptible: f64,
    pub waiting_for_cpu: f64,
}

impl From<&CallParts> for CallPartsView {
    fn from(parts: &CallParts) -> Self {
        Self {
            on_cpu: seconds(parts.on_cpu_ns),
            uninterruptible: seconds(parts.uninterruptible_ns),
            interruptible: seconds(parts.interruptible_ns),
            waiting_for_cpu: seconds(parts.waiting_ns),
        }
    }
}

/// The time of one call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallTimeView {
    pub name: String,
    pub cgroup: Option<CgroupView>,
    pub judged: LatencyView,
    pub parts: CallPartsView,
    pub waits_by_design: bool,
}

/// A process's slow calls of one name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct SlowCallerView {
    pub pid: u32,
    pub comm: String,
    pub cgroup: CgroupView,
    pub name: String,
    pub calls: u64,
    pub judged: f64,
    pub longest: f64,
    pub parts: CallPartsView,
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallInFlightView {
    pub pid: u32,
    pub tid: u32,
    pub comm: String,
    pub cgroup: CgroupView,
    pub name: String,
    pub age: f64,
    pub judged: f64,
    pub at_least: bool,
    pub sleeps_in: Option<String>,
}

/// What a descriptor is for; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub enum DescriptorKindView {
    File,
    Socket,
    Accepted,
    Pipe,
    Copy,
    Event,
    Memory,
    Epoll,
    Timer,
    Signal,
    Notify,
    Ring,
    Other,
}

impl From<DescriptorKind> for DescriptorKindView {
    fn from(kind: DescriptorKind) -> Self {
        match kind {
            DescriptorKind::Open => Self::File,
            DescriptorKind::Socket => Self::Socket,
            DescriptorKind::Accept => Self::Accepted,
            DescriptorKind::Pipe => Self::Pipe,
            DescriptorKind::Dup => Self::Copy,
            DescriptorKind::Event => Self::Event,
            DescriptorKind::Memory => Self::Memory,
            DescriptorKind::Epoll => Self::Epoll,
            DescriptorKind::Timer => Self::Timer,
            DescriptorKind::Signal => Self::Signal,
            DescriptorKind::Notify => Self::Notify,
            DescriptorKind::Ring => Self::Ring,
            DescriptorKind::Other => Self::Other,
        }
    }
}

/// Descriptors of one kind that calls made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct DescriptorsMadeView {
    pub kind: DescriptorKindView,
    pub made: u64,
}

/// Every call that is told, of each control group or of all together.
pub(super) fn every(syscall: &Syscall, by_cgroup: bool) -> Vec<(Option<&Cgroup>, &Call)> {
    if by_cgroup {
        syscall.cgroups.iter().map(|of| (Some(&of.cgroup), &of.call)).collect()
    } else {
        syscall.calls.iter().map(|call| (None, call)).collect()
    }
}

/// How many calls there were.
#[must_use]
pub fn call_counts(syscall: &Syscall) -> CallCountsView {
    let returned = syscall.calls.iter().map(|call| call.count).fold(0, u64::saturating_add);
    CallCountsView {
        returned: (!syscall.calls.is_empty()).then_some(returned),
        in_flight: syscall.in_flight_total.max(syscall.in_flight.len() as u64),
        own: syscall.own_calls,
    }
}

/// Calls with at least `min_calls` judged and a p99 of at least `min_p99` seconds (0: any), the longest p99 first.
#[must_use]
pub fn call_times(syscall: &Syscall, by_cgroup: bool, min_calls: u64, min_p99: f64, limit: u32) -> Vec<CallTimeView> {
    let may_pass = |bound: u64| min_p99 <= 0.0 || seconds(bound) >= min_p99;
    let bounded = every(syscall, by_cgroup)
        .into_iter()
        .filter(|(_, call)| call.latency.count >= min_calls)
        .map(|of| (of.1.latency.quantile_bound_ns(0.99), of))
        .filter(|(bound, _)| may_pass(*bound));
    let calls = contenders(bounded, limit, |(_, call)| match call.latency.quantile_ns(0.99) {
        Some(p99) => Some(p99).filter(|p99| may_pass(*p99)),
        None => (min_p99 <= 0.0).then(|| call.latency.mean_ns().unwrap_or(0)),
    });
    first(
        calls,
        limit,
        |(p99, (cgroup, call))| (Reverse(*p99), &call.name, cgroup.map(|cgroup| cgroup.id)),
        |(_, (cgroup, call))| CallTimeView {
            name: call.name.clone(),
            cgroup: cgroup.map(CgroupView::from),
            judged: LatencyView::from(&call.latency),
            parts: CallPartsView::from(&call.parts),
            waits_by_design: call.waits_by_design,
        },
    )
}

/// Processes with the longest calls, longest first; of one call, of one control group, or of all.
#[must_use]
pub fn slow_callers(syscall: &Syscall, name: Option<&str>, cgroup: Option<u64>, limit: u32) -> Vec<SlowCallerView> {
    let is_asked_for = |slow: &&SlowProcess| {
        name.is_none_or(|name| slow.name == name) && cgroup.is_none_or(|id| id != 0 && slow.cgroup.id == id)
    };
    let slow: Vec<_> = syscall.processes.iter().filter(is_asked_for).collect();
    first(
        slow,
        limit,
        |slow| (Reverse(slow.max_ns), slow.caller.pid, &slow.name),
        |slow| SlowCallerView {
            pid: slow.caller.pid,
            comm: slow.caller.comm.clone(),
            cgroup: CgroupView::from(&slow.cgroup),
            name: slow.name.clone(),
            calls: slow.count,
            judged: seconds(slow.judged_ns),
            longest: seconds(slow.max_ns),
            parts: CallPartsView::from(&slow.parts),
        },
    )
}

/// Calls in flight with a judged time of at least `min_judged` seconds, longest first.
#[must_use]
pub fn calls_in_flight(syscall: &Syscall, min_judged: f64, limit: u32) -> Vec<CallInFlightView> {
    let held_up = |call: &&CallInFlight| seconds(call.judged_ns) >= min_judged;
    let calls: Vec<_> = syscall.in_flight.iter().filter(held_up).collect();
    first(
        calls,
        limit,
        |call| (Reverse(call.judged_ns), call.tid),
        |call| CallInFlightView {
            pid: call.caller.pid,
            tid: call.tid,
            comm: call.caller.comm.clone(),
            cgroup: CgroupView::from(&call.cgroup),
            name: call.name.clone(),
            age: seconds(call.age_ns),
            judged: seconds(call.judged_ns),
            at_least: call.at_least,
            sleeps_in: call.sleeps_in.clone(),
        },
    )
}

/// Descriptors by kind that successful calls of a control group, or of all, made, most first.
#[must_use]
pub fn descriptors_made(syscall: &Syscall, cgroup: Option<u64>) -> Vec<DescriptorsMadeView> {
    let mut made: BTreeMap<DescriptorKindView, u64> = BTreeMap::new();
    match cgroup {
        None => {
            for calls in &syscall.descriptors {
                let sum = made.entry(calls.kind.into()).or_default();
                *sum = sum.saturating_add(calls.made);
            }
        }
        Some(id) => {
            for call in syscall.cgroups.iter().filter(|of| id != 0 && of.cgroup.id == id).map(|of| &of.call) {
                let Some((kind, each)) = DescriptorKind::made_by(&call.name) else { continue };
                let succeeded = call.count.saturating_sub(call.failed.saturating_add(call.restarted));
                let sum = made.entry(kind.into()).or_default();
                *sum = sum.saturating_add(succeeded.saturating_mul(each));
            }
        }
    }
    let mut made: Vec<_> = made.into_iter().filter(|(_, made)| *made > 0).collect();
    made.sort_by_key(|(kind, made)| (Reverse(*made), *kind));
    made.into_iter().map(|(kind, made)| DescriptorsMadeView { kind, made }).collect()
}

#[cfg(test)]
#[path = "syscall_tests.rs"]
mod tests;
