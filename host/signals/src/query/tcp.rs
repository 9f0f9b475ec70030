//! Questions about TCP connections.

mod destinations;

use std::cmp::Reverse;

use serde::Serialize;

use super::{CgroupView, LatencyView, first, seconds};
use crate::{Connections, FlowTraffic, NamespaceTotals, NetworkNamespace, NetworkProcess, PeerClass, Tcp, Traffic};

pub use destinations::{LatencyKind, lossy_destinations, slow_destinations, unanswering_destinations};

/// What the other side is; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub enum PeerClassView {
    NodeLocal,
    Cluster,
    Private,
    Public,
}

impl From<PeerClass> for PeerClassView {
    fn from(class: PeerClass) -> Self {
        match class {
            PeerClass::NodeLocal => Self::NodeLocal,
            PeerClass::Cluster => Self::Cluster,
            PeerClass::Private => Self::Private,
            PeerClass::Public => Self::Public,
        }
    }
}

/// How connections began and ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct ConnectionsView {
    pub connected: u64,
    pub retried: u64,
    pub accepted: u64,
    pub refused: u64,
    pub timed_out: u64,
    pub abandoned: u64,
    pub failed: u64,
    pub in_flight: u64,
    pub oldest_in_flight: Option<f64>,
    pub closed: u64,
    pub syn_retransmitted: u64,
    pub handshake: LatencyView,
}

impl From<&Connections> for ConnectionsView {
    fn from(all: &Connections) -> Self {
        Self {
            connected: all.connected,
            retried: all.retried,
            accepted: all.accepted,
            refused: all.refused,
            timed_out: all.timed_out,
            abandoned: all.abandoned,
            failed: all.failed,
            in_flight: all.in_flight,
            oldest_in_flight: all.oldest_in_flight_ns.map(seconds),
            closed: all.closed,
            syn_retransmitted: all.syn_retransmitted,
            handshake: LatencyView::from(&all.handshake),
        }
    }
}

/// What connections did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct TrafficView {
    pub connections: Option<ConnectionsView>,
    pub sent: u64,
    pub retransmitted: u64,
    pub rtt: LatencyView,
    pub min_rtt: Option<f64>,
}

impl From<&Traffic> for TrafficView {
    fn from(traffic: &Traffic) -> Self {
        Self {
            connections: traffic.connections.as_ref().map(ConnectionsView::from),
            sent: traffic.sent,
            retransmitted: traffic.retransmitted,
            rtt: LatencyView::from(&traffic.rtt),
            min_rtt: traffic.min_rtt_ns.map(seconds),
        }
    }
}

/// One class of peers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct ClassTrafficView {
    pub class: PeerClassView,
    pub traffic: TrafficView,
}

/// Segments of connections.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct SegmentsView {
    pub sent: u64,
    pub retransmitted: u64,
    pub syn_retransmitted: Option<u64>,
}

impl From<&Traffic> for SegmentsView {
    fn from(traffic: &Traffic) -> Self {
        let syn_retransmitted = traffic.connections.as_ref().map(|all| all.syn_retransmitted);
        Self { sent: traffic.sent, retransmitted: traffic.retransmitted, syn_retransmitted }
    }
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct CgroupSegmentsView {
    pub cgroup: Option<CgroupView>,
    pub segments: SegmentsView,
}

/// A control group and all that its connections did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct CgroupTrafficView {
    pub cgroup: Option<CgroupView>,
    pub traffic: TrafficView,
}

/// All connections with one address.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct DestinationView {
    pub remote: String,
    pub port: Option<u16>,
    pub class: PeerClassView,
    pub namespace: Option<u32>,
    pub segments: SegmentsView,
    pub flows: u32,
}

/// The same with all that its connections did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct DestinationTrafficView {
    pub destination: DestinationView,
    pub traffic: TrafficView,
}

/// One control group's connections with one address.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct FlowView {
    pub remote: String,
    pub port: Option<u16>,
    pub class: PeerClassView,
    pub namespace: u32,
    pub cgroup: Option<CgroupView>,
    pub process: Option<NetworkProcess>,
    pub segments: SegmentsView,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub struct NetworkNamespaceView {
    pub number: u32,
    pub own: bool,
    pub process: Option<NetworkProcess>,
    pub cgroup: Option<CgroupView>,
    pub totals: Option<NamespaceTotals>,
    pub sent: u64,
    pub retransmitted: u64,
}

impl From<&NetworkNamespace> for NetworkNamespaceView {
    fn from(namespace: &NetworkNamespace) -> Self {
        Self {
            number: namespace.number,
            own: namespace.own,
            process: namespace.process.clone(),
            cgroup: namespace.cgroup.as_ref().map(CgroupView::from),
            totals: namespace.totals.clone(),
            sent: namespace.sent,
            retransmitted: namespace.retransmitted,
        }
    }
}

/// All connections.
#[must_use]
pub fn total(tcp: &Tcp) -> TrafficView {
    TrafficView::from(&tcp.total)
}

/// Segments of all connections.
#[must_use]
pub fn all_segments(tcp: &Tcp) -> SegmentsView {
    SegmentsView::from(&tcp.total)
}

/// What is in no destination.
#[must_use]
pub fn other(tcp: &Tcp) -> TrafficView {
    TrafficView::from(&tcp.other_flows)
}

/// By what the other side is.
#[must_use]
pub fn classes(tcp: &Tcp) -> Vec<ClassTrafficView> {
    tcp.classes.iter().map(|of| ClassTrafficView { class: of.class.into(), traffic: (&of.traffic).into() }).collect()
}

/// Groups that sent at least `min_sent` segments, and at least `min_ratio` times as many again; most sent again first.
#[must_use]
pub fn cgroups(tcp: &Tcp, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<CgroupSegmentsView> {
    let groups: Vec<_> = tcp.cgroups.iter().filter(|group| is_lossy(&group.traffic, min_sent, min_ratio)).collect();
    first(
        groups,
        limit,
        |group| (most(&group.traffic), group.cgroup.as_ref().and_then(|cgroup| cgroup.path.as_deref())),
        |group| CgroupSegmentsView { cgroup: group.cgroup.as_ref().map(CgroupView::from), segments: (&group.traffic).into() },
    )
}

/// Groups that began, whatever came of it, or accepted at least `min_begun` connections, most first.
#[must_use]
pub fn connecting(tcp: &Tcp, min_begun: u64, limit: u32) -> Vec<CgroupTrafficView> {
    let begun = |all: &Connections| all.connected.saturating_add(all.accepted).saturating_add(all.unsuccessful());
    let of = |group: &'_ crate::CgroupTraffic| group.traffic.connections.as_ref().map(begun);
    let mut groups: Vec<_> = tcp.cgroups.iter().filter_map(|group| Some((of(group)?, group))).collect();
    groups.retain(|(begun, _)| *begun >= min_begun.max(1));
    first(
        groups,
        limit,
        |(begun, group)| (Reverse(*begun), group.cgroup.as_ref().map(|cgroup| cgroup.id)),
        |(_, group)| CgroupTrafficView { cgroup: group.cgroup.as_ref().map(CgroupView::from), traffic: (&group.traffic).into() },
    )
}

fn is_lossy(traffic: &Traffic, min_sent: u64, min_ratio: f64) -> bool {
    traffic.sent >= min_sent && traffic.retransmitted as f64 >= min_ratio * traffic.sent as f64
}

/// Most sent again first, then most sent.
const fn most(traffic: &Traffic) -> Reverse<(u64, u64)> {
    Reverse((traffic.retransmitted, traffic.sent))
}

/// Who talks to an address, in one network namespace or in all: most sent again first, then most sent.
#[must_use]
pub fn flows(tcp: &Tcp, remote: &str, namespace: Option<u32>, limit: u32) -> Vec<FlowView> {
    let Ok(remote) = remote.parse::<std::net::IpAddr>() else { return Vec::new() };
    let is_of = |flow: &&FlowTraffic| flow.remote == remote && namespace.is_none_or(|number| flow.namespace == number);
    let flows: Vec<_> = tcp.flows.iter().filter(is_of).collect();
    first(
        flows,
        limit,
        |flow| (most(&flow.traffic), flow.namespace),
        |flow| FlowView {
            remote: flow.remote.to_string(),
            port: flow.port,
            class: flow.class.into(),
            namespace: flow.namespace,
            cgroup: flow.cgroup.as_ref().map(CgroupView::from),
            process: flow.process.clone(),
            segments: (&flow.traffic).into(),
        },
    )
}

/// Namespaces that sent at least `min_retransmitted` segments again, most first. By the kernel's own count where there is one.
#[must_use]
pub fn namespaces(tcp: &Tcp, min_retransmitted: u64, limit: u32) -> Vec<NetworkNamespaceView> {
    let again = |of: &NetworkNamespace| of.totals.as_ref().map_or(of.retransmitted, |totals| totals.retransmitted);
    let all: Vec<_> = tcp.namespaces.iter().filter(|of| again(of) >= min_retransmitted).collect();
    first(all, limit, |of| (Reverse(again(of)), of.number), |of| NetworkNamespaceView::from(*of))
}

/// Number of kerno's own namespace.
#[must_use]
pub fn own_namespace(tcp: &Tcp) -> Option<u32> {
    tcp.namespaces.iter().find(|of| of.own).map(|of| of.number)
}

/// Namespaces that dropped connections because a listener's accept queue was full, most first.
#[must_use]
pub fn full_accept_queues(tcp: &Tcp, limit: u32) -> Vec<NetworkNamespaceView> {
    let dropped = |of: &NetworkNamespace| of.totals.as_ref().map_or(0, |totals| totals.listen_overflows);
    let all: Vec<_> = tcp.namespaces.iter().filter(|of| dropped(of) > 0).collect();
    first(all, limit, |of| (Reverse(dropped(of)), of.number), |of| NetworkNamespaceView::from(*of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cgroup, CgroupTraffic};

    fn namespace(number: u32, retransmitted: u64, totals: Option<NamespaceTotals>) -> NetworkNamespace {
        NetworkNamespace { number, own: false, process: None, cgroup: None, totals, sent: 0, retransmitted }
    }

    #[test]
    fn namespaces_are_sorted_by_the_kernels_count_where_there_is_one() {
        let counted = |retransmitted| Some(NamespaceTotals { retransmitted, ..NamespaceTotals::default() });
        let namespaces_of = vec![namespace(1, 9, None), namespace(2, 0, counted(12)), namespace(3, 99, counted(2))];
        let tcp = Tcp { namespaces: namespaces_of, ..Tcp::default() };
        let numbers = |min, limit| namespaces(&tcp, min, limit).iter().map(|of| of.number).collect::<Vec<_>>();
        assert_eq!((numbers(0, 9), numbers(9, 9), numbers(13, 9), numbers(0, 1)), (vec![2, 1, 3], vec![2, 1], vec![], vec![2]));
        assert!(full_accept_queues(&tcp, 9).is_empty());
    }

    #[test]
    fn groups_need_segments_and_losses() {
        let group = |path: &str, sent, retransmitted| CgroupTraffic {
            cgroup: Some(Cgroup { path: Some(path.to_owned()), ..Cgroup::default() }),
            traffic: Traffic { sent, retransmitted, ..Traffic::default() },
        };
        let tcp = Tcp { cgroups: vec![group("/a", 99, 50), group("/b", 100, 2), group("/c", 100, 3)], ..Tcp::default() };
        let paths =
            |min, ratio| cgroups(&tcp, min, ratio, 9).into_iter().filter_map(|group| group.cgroup?.path).collect::<Vec<_>>();
        assert_eq!(
            (paths(100, 0.02), paths(100, 0.021), paths(0, 0.0)),
            (vec!["/c".into(), "/b".into()], vec!["/c".into()], vec!["/a".into(), "/c".into(), "/b".into()])
        );
    }

    #[test]
    fn groups_are_told_by_the_connections_that_they_began_or_accepted() {
        let group = |id, connections: Option<Connections>| CgroupTraffic {
            cgroup: Some(Cgroup { id, ..Cgroup::default() }),
            traffic: Traffic { connections, ..Traffic::default() },
        };
        let of = |connected, accepted, refused| Some(Connections { connected, accepted, refused, ..Connections::default() });
        let cgroups =
            vec![group(1, of(2, 0, 1)), group(2, of(0, 9, 0)), group(3, None), group(4, of(0, 0, 0)), group(5, of(3, 0, 0))];
        let tcp = Tcp { cgroups, ..Tcp::default() };
        let ids =
            |min| connecting(&tcp, min, 9).into_iter().filter_map(|group| group.cgroup).map(|group| group.id).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(4)), (vec![2, 1, 5], vec![2]));
        assert_eq!(connecting(&tcp, 0, 1).len(), 1);
    }
}
