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
    /// Connects that the other side did not answer: timed out, given up after a SYN was sent again, or in flight for longer than the
    /// second after which it is. A refusal is an answer; what was given up sooner is the caller's own doing.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.connections.as_ref().map_or(0, |all| {
            // Only the oldest one's age is known, and so how often each can have sent its SYN again: after 1, 3, 7 … seconds.
            let age = all.oldest_in_flight.unwrap_or(0.0);
            let each = u64::from((age as u64).saturating_add(1).ilog2().max(1));
            let again = all.syn_retransmitted.saturating_sub(all.retried.saturating_mul(each));
            let late = if age >= FIRST_SYN { all.in_flight.min(again.div_ceil(each).max(1)) } else { 0 };
            all.timed_out.saturating_add(all.abandoned.min(again)).saturating_add(late)
        })
    }

    /// Connects whose end is known: answered, refused, failed, or without an answer.
    #[must_use]
    pub fn connects(&self) -> u64 {
        let ended = |all: &crate::Connections| all.connected.saturating_add(all.refused).saturating_add(all.failed);
        self.unanswered().saturating_add(self.connections.as_ref().map_or(0, ended))
    }
}

/// How long the kernel waits for the answer to the first SYN, seconds.
const FIRST_SYN: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connections, Latency};

    fn latency() -> Latency {
        Latency { count: 0, mean: 0.0, p50: None, p95: None, p99: None, max: None }
    }

    fn traffic(change: impl FnOnce(&mut Connections)) -> Traffic {
        let mut all = Connections {
            connected: 0,
            retried: 0,
            accepted: 0,
            refused: 0,
            timed_out: 0,
            abandoned: 0,
            failed: 0,
            in_flight: 0,
            oldest_in_flight: None,
            closed: 0,
            syn_retransmitted: 0,
            handshake: latency(),
        };
        change(&mut all);
        Traffic { connections: Some(all), sent: 0, retransmitted: 0, rtt: latency(), min_rtt: None }
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_young_connect_is_not_late() {
        let of = |traffic: Traffic| (traffic.unanswered(), traffic.connects());
        let ended = traffic(|all| (all.connected, all.refused, all.failed, all.timed_out, all.abandoned) = (1, 2, 4, 8, 16));
        assert_eq!(of(ended), (8, 15), "given up before a SYN was sent again");
        let given_up = |again| of(traffic(|all| (all.connected, all.abandoned, all.syn_retransmitted) = (1, 16, again)));
        assert_eq!((given_up(15), given_up(40)), ((15, 16), (16, 17)));
        let waiting = |number, oldest, again, retried| {
            of(traffic(|all| {
                (all.in_flight, all.oldest_in_flight, all.syn_retransmitted, all.retried) =
                    (number, Some(oldest), again, retried);
            }))
        };
        assert_eq!(waiting(9, 0.99, 5, 0), (0, 0));
        assert_eq!(waiting(9, 1.0, 5, 0), (5, 5));
        assert_eq!(waiting(9, 8.0, 30, 0), (9, 9));
        // SYNs of connects that were answered in the end.
        assert_eq!(waiting(9, 8.0, 6, 4), (1, 1));
        // One that hangs sends four by itself.
        assert_eq!(waiting(5, 16.0, 4, 0), (1, 1));
        assert_eq!(waiting(9, 8.0, 0, 0), (1, 1));
        assert_eq!(of(Traffic { connections: None, ..traffic(|_| ()) }), (0, 0));
    }
}
