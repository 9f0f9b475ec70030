//! Names of what owns a signal.

use serde::{Deserialize, Serialize};

/// A control group and what it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cgroup {
    /// The kernel's number of it (kernfs node id of the hierarchy in use).
    pub id: u64,
    /// Path below the hierarchy's root, `/` for the root. `None` when it could not be named: it was gone before,
    /// or this host's groups cannot be read.
    pub path: Option<String>,
    /// systemd unit (service, scope or slice), when the path ends in one.
    pub unit: Option<String>,
    /// Container id, 64 hexadecimal digits, when the path names one.
    pub container: Option<String>,
    /// What runs the container, when the path says so.
    #[serde(default)]
    pub runtime: Option<Runtime>,
    /// Kubernetes' uid of the pod, with dashes, when the path has one.
    #[serde(default)]
    pub pod_uid: Option<String>,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// dockerd.
    Docker,
    /// containerd, by itself or below Kubernetes.
    Containerd,
    /// CRI-O.
    CriO,
    /// podman.
    Podman,
}

/// A process that a family names by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Command name of its first thread, at most 15 bytes.
    pub comm: String,
    /// Its words set apart by spaces, escaped, the first KiB; empty for kernel threads.
    pub command_line: String,
    /// When it started, nanoseconds since boot: with the pid it names one process for ever.
    pub start_ns: u64,
    /// It had ended by the end of the window. One that lives may have got the number of one that ended in the window: its start tells.
    pub ended: bool,
}

/// What manages the workloads of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// A Kubernetes node.
    Kubernetes,
    /// systemd units.
    Systemd,
    /// Neither.
    BareMetal,
}
