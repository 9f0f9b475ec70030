//! Naming destinations of TCP connections and who talks to them, for people and for commands.

use alloc::format;
use alloc::string::{String, ToString};

use crate::{Destination, Entity, EntityKind, Flow, PeerClass, Traffic};

impl Entity {
    /// The other side of connections. A loopback is one network namespace's.
    #[must_use]
    pub fn of_destination(destination: &Destination) -> Self {
        let entity = Self::new(EntityKind::Remote).name("remote", &destination.remote);
        match destination.namespace {
            Some(number) if destination.is_loopback() => entity.name("network_namespace", &number.to_string()),
            _ => entity,
        }
    }
}

impl Destination {
    /// For a title: `10.0.0.5:5432`, `[fd07::2]:443`, or the address alone.
    #[must_use]
    pub fn display_name(&self) -> String {
        match self.port {
            Some(port) if self.remote.contains(':') => format!("[{}]:{port}", self.remote),
            Some(port) => format!("{}:{port}", self.remote),
            None => self.remote.clone(),
        }
    }

    /// Both its ends are this network namespace's.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.remote == "::1" || self.remote.starts_with("127.")
    }
}

/// An address as `ss` takes it in a filter, quoted for a shell: `10.0.0.5`, `'[fd07::2]'`.
#[must_use]
pub fn for_ss(remote: &str) -> String {
    if remote.contains(':') { format!("'[{remote}]'") } else { remote.to_string() }
}

impl PeerClass {
    /// `on this node`, `in the cluster`, `in a private network`, `on a public network`.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::NodeLocal => "on this node",
            Self::Cluster => "in the cluster",
            Self::Private => "in a private network",
            Self::Public => "on a public network",
        }
    }
}

impl Flow {
    /// Who talks: `curl (pid 712) of container 0123456789ab`, as far as it is known.
    #[must_use]
    pub fn talker(&self) -> Option<String> {
        let process = self.process.as_ref().map(|process| format!("{} (pid {})", process.comm, process.pid));
        match (process, &self.cgroup) {
            (Some(process), Some(cgroup)) => Some(format!("{process} of {}", cgroup.display_name())),
            (None, Some(cgroup)) => Some(cgroup.display_name()),
            (process, None) => process,
        }
    }

    /// What goes before a command so that it runs where the connections are: nothing in the network namespace `own`.
    #[must_use]
    pub fn enter(&self, own: Option<u32>) -> String {
        match &self.process {
            Some(process) if own != Some(self.namespace) => format!("nsenter -t {} -n ", process.pid),
            _ => String::new(),
        }
    }
}

impl Traffic {
    /// Connects that got no answer: refused, timed out, given up, failed, or in flight.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        let sum = |all: &crate::Connections| {
            [all.timed_out, all.abandoned, all.failed, all.in_flight].into_iter().fold(all.refused, u64::saturating_add)
        };
        self.connections.as_ref().map_or(0, sum)
    }
}
