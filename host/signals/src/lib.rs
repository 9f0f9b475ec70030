//! One window of kernel data: families, histograms, and the questions that rules ask of them.
//!
//! A [`Snapshot`] is immutable and serializable: the host shows it to rules, a recording of it replays to the same report, and a
//! rule's fixtures are such recordings. Times in it are nanoseconds, sizes bytes; only the report turns them into other units.
#![forbid(unsafe_code)]

mod block;
mod collector;
mod cpu;
mod descriptor;
mod entity;
mod errno;
mod families;
mod fd;
pub mod growth;
mod histogram;
mod memory;
mod oom;
mod pressure;
pub mod query;
pub mod recording;
mod sched;
mod snapshot;
mod start;
mod syscall;
mod tcp;
mod trend;

pub use block::{Block, Device, DeviceLatency, FileSystem, Operation, Sync};
pub use collector::{CollectorReport, CollectorStatus, Coverage, THEN};
pub use cpu::{CgroupCpu, Cpu, CpuLimit, HostCpu, Quota, Throttling};
pub use descriptor::closes_descriptors;
pub use entity::{Cgroup, Environment, Process, Runtime};
pub use errno::errno_name;
pub use families::{Families, collector_of};
pub use fd::{Fd, FdProcess, FdTotal, FileTable};
pub use histogram::{Histogram, Latency};
pub use memory::{CgroupMemory, HostMemory, LimitKind, Memory, MemoryEvents, MemoryLimit};
pub use oom::{Oom, OomBefore, OomGroup, OomKill, OomLimit, OomMemory, OomTrigger};
pub use pressure::Stall;
pub use sched::{CgroupDelay, Runner, Sched, TaskDelay};
pub use snapshot::{Host, Snapshot, Window};
pub use start::{GroupStart, Start};
pub use syscall::{
    Call, CallFailure, CallInFlight, CallParts, Caller, CgroupCall, DescriptorCalls, DescriptorKind, SlowProcess, Syscall,
};
pub use tcp::{
    CgroupTraffic, ClassTraffic, Connections, FlowTraffic, NamespaceTotals, NetworkNamespace, NetworkProcess, OwnTraffic,
    PeerClass, Tcp, Traffic,
};
pub use trend::Trend;
