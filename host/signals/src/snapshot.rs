//! The snapshot itself: which host, which window, and each family or the reason it is missing.

use serde::{Deserialize, Serialize};

use crate::{CollectorReport, Environment, Families, Process};

/// Everything that was seen in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The host the window was measured on.
    pub host: Host,
    /// When and for how long.
    pub window: Window,
    /// One report per collector, in the order of their names in the contract.
    pub collectors: Vec<CollectorReport>,
    /// What was measured.
    pub families: Families,
    /// The processes that the families name, by number; those that nobody saw alive are missing.
    #[serde(default)]
    pub processes: Vec<Process>,
}

impl Snapshot {
    /// From postcard, as it travels to where rules run.
    ///
    /// # Errors
    /// The bytes are no snapshot.
    pub fn from_postcard(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }

    /// A process by its number.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.iter().find(|process| process.pid == pid)
    }

    /// The report of a collector by name.
    #[must_use]
    pub fn collector(&self, name: &str) -> Option<&CollectorReport> {
        self.collectors.iter().find(|collector| collector.name == name)
    }
}

/// Facts about the host that do not change within a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Node name: `KERNO_NODE_NAME`, else the host name.
    pub name: String,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Machine architecture, as `uname -m`.
    pub arch: String,
    /// Online CPUs.
    pub cpus: u32,
    /// Physical memory, bytes.
    pub memory_bytes: u64,
    /// What manages the workloads.
    pub environment: Environment,
    /// Cluster name, when configured.
    pub cluster: Option<String>,
    /// CPU time that the hypervisor took during the window, as a share of all CPU time, 0–1. Source: `/proc/stat` steal.
    pub steal_ratio: Option<f64>,
    /// Share of the window in which some task waited for a CPU, 0–1. Source: `/proc/pressure/cpu` some, total.
    pub cpu_pressure_ratio: Option<f64>,
}

/// The time a snapshot covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Start, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// Measured length, nanoseconds.
    pub duration_ns: u64,
    /// True when the window ended before the asked-for duration (Ctrl-C).
    pub interrupted: bool,
}
