//! Block requests per device, and the fsync family as its callers feel it.

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Latency};

/// Storage over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Per device and operation.
    pub devices: Vec<DeviceLatency>,
    /// The fsync family (`fsync fdatasync msync syncfs sync_file_range`, synchronous writes) per process and file system.
    /// `None` when only block requests could be measured.
    pub syncs: Option<Vec<Sync>>,
}

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Kernel name (`nvme0n1`); `major:minor` when it could not be named.
    pub name: String,
    /// Mount points served by it, directly, by a partition or through devices stacked on it.
    pub mounts: Vec<String>,
}

/// Latency of one device and operation, from issue to the driver to completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceLatency {
    /// Which device.
    pub device: Device,
    /// Which kind of request.
    pub operation: Operation,
    /// Requests completed in the window.
    pub latency: Latency,
    /// Bytes of the completed requests.
    pub bytes: u64,
    /// Requests that completed with an error.
    pub errors: u64,
    /// Requests issued and not complete at the window's end.
    pub in_flight: u64,
    /// Age of the oldest of them, nanoseconds.
    pub oldest_in_flight_ns: Option<u64>,
}

/// Kind of a block request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Data from the device.
    Read,
    /// Data to the device, zone appends included.
    Write,
    /// Cache flush without data.
    Flush,
    /// Discard or secure erase.
    Discard,
    /// Zone management, pass-through, write-zeroes.
    Other,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSystem {
    /// Device number as `stat` tells it (`s_dev`), major.
    pub major: u32,
    /// Device number, minor.
    pub minor: u32,
    /// Type (`ext4`), when found in the process's mountinfo.
    pub kind: Option<String>,
    /// Mount point as the process sees it.
    pub mount: Option<String>,
    /// What is mounted (`/dev/vda1`, `server:/export`).
    pub source: Option<String>,
    /// Kernel name of the block device below it, the one that is mounted.
    pub device: Option<String>,
    /// It lives in memory (tmpfs, ramfs, hugetlbfs): syncing costs nothing.
    pub in_memory: bool,
}

/// One process's syncs on one file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sync {
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
    /// Its control group.
    pub cgroup: Cgroup,
    /// Which file system.
    pub file_system: FileSystem,
    /// Completed calls, as the caller felt them.
    pub latency: Latency,
    /// Calls that failed.
    pub errors: u64,
    /// Calls not returned at the window's end.
    pub in_flight: u64,
    /// Age of the oldest of them, nanoseconds.
    pub oldest_in_flight_ns: Option<u64>,
    /// The process is kerno.
    pub own: bool,
}
