//! TCP connections: segments, round trips, how connects ended; per destination, control group, class of peer and network namespace.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Cgroup, Latency};

/// TCP over the window. The connects by which kerno proves that its program sees are in [`Tcp::own`] alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tcp {
    /// All connections.
    pub total: Traffic,
    /// By what the other side is; a class that nobody talked to is left out.
    pub classes: Vec<ClassTraffic>,
    /// By control group, most segments first; at most 256.
    pub cgroups: Vec<CgroupTraffic>,
    /// By network namespace, control group and address of the other side; at most 256: those with most segments, most retransmitted
    /// segments, or most failed connects.
    pub flows: Vec<FlowTraffic>,
    /// What is in no entry of `flows`.
    pub other_flows: Traffic,
    /// The kernel's own totals beside the sums over connections.
    pub namespaces: Vec<NetworkNamespace>,
    /// Connects to a closed port of loopback, by which kerno proves that its program sees.
    pub own: OwnTraffic,
}

/// What connections did in the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// How connections began and ended; `None` when the source does not tell.
    pub connections: Option<Connections>,
    /// Segments sent for the first time.
    pub sent: u64,
    /// Segments with data or FIN sent again. SYNs and SYN-ACKs too where `connections` is `None`.
    pub retransmitted: u64,
    /// Smoothed round-trip times at the end of the window or of the connection, each as often as its connection sent segments with
    /// data in the window: connections that sent none have nothing new to tell.
    pub rtt: Latency,
    /// The smallest round-trip time that one of these connections remembers, nanoseconds: what a delayed acknowledgement cannot
    /// inflate.
    pub min_rtt_ns: Option<u64>,
}

/// How connections began and ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Connects that the other side answered.
    pub connected: u64,
    /// Of them, those that needed more than one SYN.
    pub retried: u64,
    /// Connections that the other side began.
    pub accepted: u64,
    /// Connects refused by a reset.
    pub refused: u64,
    /// Connects whose SYNs the kernel gave up sending.
    pub timed_out: u64,
    /// Connects closed by the process before there was an answer: its own time-out, as a rule.
    pub abandoned: u64,
    /// Connects that ended otherwise: unreachable, no free port …
    pub failed: u64,
    /// Connects not answered when the window ended.
    pub in_flight: u64,
    /// Age of the oldest of them, nanoseconds.
    pub oldest_in_flight_ns: Option<u64>,
    /// Connections that ended.
    pub closed: u64,
    /// SYNs and SYN-ACKs sent again; not in [`Traffic::retransmitted`].
    pub syn_retransmitted: u64,
    /// Handshakes of connects that needed one SYN: the path.
    pub handshake: Latency,
    /// Handshakes of connects that needed more: a second or more of it is the retry, not the path.
    pub retried_handshake: Latency,
}

impl Connections {
    /// Connects that ended without a connection.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        [self.timed_out, self.abandoned, self.failed].into_iter().fold(self.refused, u64::saturating_add)
    }
}

/// What the other side of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerClass {
    /// This node: loopback, or an address of one of its network namespaces.
    NodeLocal,
    /// Another node's pods or services, as far as this node's own routes show: a private address inside a network that a pod of this
    /// node has an address in.
    Cluster,
    /// A private network (RFC 1918, RFC 6598, link-local, unique local).
    Private,
    /// Anywhere else.
    Public,
}

/// One class of peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassTraffic {
    /// Which.
    pub class: PeerClass,
    /// What its connections did.
    pub traffic: Traffic,
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CgroupTraffic {
    /// Which; `None` for connections whose owner is not known: what no process has accepted or what the kernel connected.
    pub cgroup: Option<Cgroup>,
    /// What its connections did.
    pub traffic: Traffic,
}

/// One control group's connections to one address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowTraffic {
    /// The other side. An IPv4 address also where the socket is an IPv6 one.
    pub remote: IpAddr,
    /// The other side's port, when this side connected and always to the same one.
    pub port: Option<u16>,
    /// What the other side is.
    pub class: PeerClass,
    /// Number of the network namespace.
    pub namespace: u32,
    /// Who talks to it, as in [`CgroupTraffic::cgroup`].
    pub cgroup: Option<Cgroup>,
    /// The process with the most retransmitted segments there, of several with as many the one with the most segments.
    pub process: Option<NetworkProcess>,
    /// What the connections did.
    pub traffic: Traffic,
}

/// A process that owns connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkProcess {
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkNamespace {
    /// Its number, as in `/proc/<pid>/ns/net`.
    pub number: u32,
    /// It is kerno's own: the host's, unless kerno runs in a pod's.
    pub own: bool,
    /// A process in it; `None` when there was none at the window's end.
    pub process: Option<NetworkProcess>,
    /// That process's control group.
    pub cgroup: Option<Cgroup>,
    /// The kernel's totals over the window; `None` when they could not be read at both its ends.
    pub totals: Option<NamespaceTotals>,
    /// Segments sent for the first time by the connections that were seen, kerno's included.
    pub sent: u64,
    /// Segments retransmitted by them, SYNs and SYN-ACKs included.
    pub retransmitted: u64,
}

impl NetworkNamespace {
    /// Segments that no connection sent: resets, SYN-ACKs, acknowledgements of connections in TIME_WAIT; and what connections sent
    /// that were not seen.
    #[must_use]
    pub fn remainder(&self) -> Option<u64> {
        Some(self.totals.as_ref()?.out_segments.saturating_sub(self.sent))
    }
}

/// The kernel's totals of a network namespace, over the window. Sources: `/proc/<pid>/net/snmp` and `netstat`. A counter that the
/// kernel does not have is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceTotals {
    /// Segments sent, without those that hold retransmitted data only (`OutSegs`).
    pub out_segments: u64,
    /// Segments retransmitted (`RetransSegs`).
    pub retransmitted: u64,
    /// Resets sent (`OutRsts`).
    pub resets_sent: u64,
    /// Connects begun (`ActiveOpens`).
    pub active_opens: u64,
    /// Connections accepted (`PassiveOpens`).
    pub passive_opens: u64,
    /// Connections that failed before they were established (`AttemptFails`).
    pub attempt_fails: u64,
    /// Established connections that were reset (`EstabResets`).
    pub established_resets: u64,
    /// Segments received with errors (`InErrs`).
    pub in_errors: u64,
    /// SYNs and SYN-ACKs sent again (`TCPSynRetrans`).
    pub syn_retransmitted: u64,
    /// Connections dropped because a listener's accept queue was full (`ListenOverflows`).
    pub listen_overflows: u64,
    /// Connections dropped at a listener for any reason (`ListenDrops`).
    pub listen_drops: u64,
    /// SYNs dropped because a listener's queue of half-open connections was full (`TCPReqQFullDrop`).
    pub syn_queue_drops: u64,
    /// Probes for a lost tail (`TCPLossProbes`): no loss by themselves.
    pub loss_probes: u64,
    /// Segments that the other side reported as duplicates (`TCPDSACKRecvSegs`): retransmitted in vain. Kernels before 5.9 count the
    /// reports instead, each of one or more (`TCPDSACKRecv`).
    pub duplicates_reported: u64,
    /// Retransmitted segments that were lost again (`TCPLostRetransmit`).
    pub lost_retransmitted: u64,
    /// Retransmission time-outs (`TCPTimeouts`).
    pub timeouts: u64,
    /// Segments dropped because a socket's backlog was full (`TCPBacklogDrop`).
    pub backlog_drops: u64,
}

/// kerno's connects to a closed port of loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTraffic {
    /// Connects that ended.
    pub connects: u64,
    /// Segments they sent for the first time.
    pub sent: u64,
    /// Segments they sent again.
    pub retransmitted: u64,
}
