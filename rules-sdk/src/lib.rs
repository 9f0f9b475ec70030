//! Write kerno rules: typed signals in, findings out.
//!
//! A rule implements [`Rule`], exports itself with [`export!`] and is compiled for `wasm32-unknown-unknown`. With the feature
//! `testing` the same code runs natively against a recorded window (see `testing`).
//!
//! An evaluation has an instance of its own and memory that is cleared after it. Of what it frees only what was given out last is used
//! again, so each list is asked for once and kept: a thousand records have some hundred kilobytes, and all there is are 16 MiB.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[doc(hidden)]
pub extern crate alloc;

#[doc(hidden)]
pub mod bindings;
mod commands;
mod description;
pub mod destination;
mod entity;
mod finding;
pub mod format;
mod memory;
pub mod order;
#[cfg(target_arch = "wasm32")]
mod runtime;
mod signals;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;

use alloc::string::String;

pub use bindings::exports::kerno::rules::guest::{Description, Parameter, Unit, Verdict};
pub use bindings::kerno::rules::block::{CallerSync, Device, DeviceLatency, FileSystem, FileSystemSync, Operation};
pub use bindings::kerno::rules::cpu::{CgroupCpu, CpuLimit, CpuQuota, CpuThrottling, HostCpu};
pub use bindings::kerno::rules::fd::{FdGrowth, FdProcess, FdTotals, OpenFiles};
pub use bindings::kerno::rules::host::{Coverage, FamilyInfo, MachineInfo};
pub use bindings::kerno::rules::memory::{
    CgroupMemory, HostMemory, LimitKind, MemoryEvents, MemoryGrowth, MemoryLimit, MemoryOrder,
};
pub use bindings::kerno::rules::oom::{GroupKills, Shortage, Trigger, Victim};
pub use bindings::kerno::rules::sched::{CgroupDelay, Runner, WaitingTask};
pub use bindings::kerno::rules::start::GroupStart;
pub use bindings::kerno::rules::syscall::{
    CallCounts, CallError, CallInFlight, CallParts, CallProcess, CallTime, DescriptorKind, DescriptorsMade, ErrorsOf,
    FailingCall, FailureFilter, FailureThreshold, SlowCaller,
};
pub use bindings::kerno::rules::tcp::{
    CgroupSegments, CgroupTraffic, ClassTraffic, Connections, Destination, DestinationTraffic, Flow, LatencyKind,
    NamespaceTotals, NetworkNamespace, NetworkProcess, PeerClass, Segments, Traffic,
};
pub use bindings::kerno::rules::types::{
    Cgroup, Entity, EntityKind, Evidence, Finding, Fix, Latency, Name, Severity, Signal, Urgency,
};
pub use finding::confidence;
pub use memory::FilledLimit;
pub use signals::Signals;

/// A rule: a pure function of one window of kernel data.
pub trait Rule {
    /// What it is called, what it needs and what users may set. Called once, when the rule is loaded.
    fn describe() -> Description;

    /// Judges one window.
    ///
    /// # Errors
    /// The rule's own failure, in a sentence: it is shown as `failed` with this reason.
    fn evaluate(signals: &Signals) -> Result<Verdict, String>;
}

/// Makes a type that implements [`Rule`] the component's rule. Once per crate.
#[macro_export]
macro_rules! export {
    ($rule:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::kerno::rules::guest::Guest for Component {
                fn describe() -> $crate::Description {
                    <$rule as $crate::Rule>::describe()
                }

                fn evaluate() -> Result<$crate::Verdict, $crate::alloc::string::String> {
                    <$rule as $crate::Rule>::evaluate(&$crate::Signals::of_this_window())
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// What a rule's source needs: `use kerno_rules_sdk::prelude::*;`.
pub mod prelude {
    pub use alloc::borrow::ToOwned;
    pub use alloc::format;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec;
    pub use alloc::vec::Vec;

    pub use crate::destination::for_ss;
    pub use crate::format::{about, bytes, count, counted, number, percent, seconds, shell_quote};
    pub use crate::order::worst_first;
    pub use crate::{
        CallCounts, CallError, CallInFlight, CallParts, CallProcess, CallTime, CallerSync, Cgroup, CgroupCpu, CgroupDelay,
        CgroupMemory, CgroupSegments, CgroupTraffic, ClassTraffic, Connections, Coverage, CpuLimit, CpuQuota, CpuThrottling,
        Description, DescriptorKind, DescriptorsMade, Destination, DestinationTraffic, Device, DeviceLatency, Entity, EntityKind,
        ErrorsOf, FailingCall, FailureFilter, FailureThreshold, FamilyInfo, FdGrowth, FdProcess, FdTotals, FileSystem,
        FileSystemSync, FilledLimit, Finding, Flow, GroupKills, GroupStart, HostCpu, HostMemory, Latency, LatencyKind, LimitKind,
        MachineInfo, MemoryEvents, MemoryGrowth, MemoryLimit, MemoryOrder, NamespaceTotals, NetworkNamespace, NetworkProcess,
        OpenFiles, Operation, PeerClass, Rule, Runner, Segments, Severity, Shortage, Signals, SlowCaller, Traffic, Trigger, Unit,
        Urgency, Verdict, Victim, WaitingTask, export,
    };
}
