//! Flows added up by the address of the other side.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{first, seconds};
use super::{DestinationTrafficView, DestinationView, by_most, is_lossy};
use crate::{Connections, FlowTraffic, PeerClass, Tcp, Traffic};

/// All flows with one address; of loopback, those of one network namespace.
struct Destination<'a> {
    first: &'a FlowTraffic,
    port: Option<u16>,
    namespace: Option<u32>,
    /// `None` for a single flow, whose own it is.
    sum: Option<Traffic>,
    flows: u32,
}

impl<'a> Destination<'a> {
    fn of(flow: &'a FlowTraffic) -> Self {
        Self { first: flow, port: flow.port, namespace: Some(flow.namespace), sum: None, flows: 1 }
    }

    fn traffic(&self) -> &Traffic {
        self.sum.as_ref().unwrap_or(&self.first.traffic)
    }

    fn add(&mut self, flow: &FlowTraffic) {
        add(self.sum.get_or_insert_with(|| self.first.traffic.clone()), &flow.traffic);
        self.port = self.port.filter(|port| flow.port == Some(*port));
        self.namespace = self.namespace.filter(|number| flow.namespace == *number);
        self.flows += 1;
    }

    fn view(&self) -> DestinationView {
        DestinationView {
            remote: self.first.remote.to_string(),
            port: self.port,
            class: self.first.class.into(),
            namespace: self.namespace,
            segments: self.traffic().into(),
            flows: self.flows,
        }
    }

    fn whole(&self) -> DestinationTrafficView {
        DestinationTrafficView { destination: self.view(), traffic: self.traffic().into() }
    }
}

fn destinations<'a>(tcp: &'a Tcp, classes: &[PeerClass]) -> Vec<Destination<'a>> {
    let mut all: BTreeMap<(IpAddr, Option<u32>), Destination<'a>> = BTreeMap::new();
    for flow in tcp.flows.iter().filter(|flow| classes.is_empty() || classes.contains(&flow.class)) {
        let key = (flow.remote, flow.remote.is_loopback().then_some(flow.namespace));
        all.entry(key).and_modify(|known| known.add(flow)).or_insert_with(|| Destination::of(flow));
    }
    all.into_values().collect()
}

fn add(sum: &mut Traffic, more: &Traffic) {
    sum.sent = sum.sent.saturating_add(more.sent);
    sum.retransmitted = sum.retransmitted.saturating_add(more.retransmitted);
    sum.rtt.add(&more.rtt);
    sum.min_rtt_ns = sum.min_rtt_ns.into_iter().chain(more.min_rtt_ns).min();
    // What one side does not know, the sum does not know.
    sum.connections = sum.connections.take().zip(more.connections.as_ref()).map(|(mut sum, more)| {
        add_connections(&mut sum, more);
        sum
    });
}

fn add_connections(sum: &mut Connections, more: &Connections) {
    for (sum, more) in [
        (&mut sum.connected, more.connected),
        (&mut sum.retried, more.retried),
        (&mut sum.accepted, more.accepted),
        (&mut sum.refused, more.refused),
        (&mut sum.timed_out, more.timed_out),
        (&mut sum.abandoned, more.abandoned),
        (&mut sum.failed, more.failed),
        (&mut sum.in_flight, more.in_flight),
        (&mut sum.closed, more.closed),
        (&mut sum.syn_retransmitted, more.syn_retransmitted),
    ] {
        *sum = sum.saturating_add(more);
    }
    sum.oldest_in_flight_ns = sum.oldest_in_flight_ns.max(more.oldest_in_flight_ns);
    sum.handshake.add(&more.handshake);
    sum.retried_handshake.add(&more.retried_handshake);
}

/// Destinations that at least `min_sent` segments were sent to, and at least `min_ratio` times as many again; most sent again first.
#[must_use]
pub fn lossy_destinations(tcp: &Tcp, min_sent: u64, min_ratio: f64, limit: u32) -> Vec<DestinationView> {
    let mut lossy = destinations(tcp, &[]);
    lossy.retain(|one| is_lossy(one.traffic(), min_sent, min_ratio));
    // Stable: of equal ones the smaller address comes first.
    lossy.sort_by(|a, b| by_most(a.traffic(), b.traffic()));
    first(&lossy, limit, Destination::view)
}

/// What a destination's latency is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub enum LatencyKind {
    RoundTrip,
    Handshake,
}

/// Destinations of the classes with at least `min_samples` durations of a kind whose quantile is `min_seconds` or more, the largest
/// first.
#[must_use]
pub fn slow_destinations(
    tcp: &Tcp,
    kind: LatencyKind,
    classes: &[PeerClass],
    quantile: f64,
    min_samples: u64,
    min_seconds: f64,
    limit: u32,
) -> Vec<DestinationTrafficView> {
    let mut slow: Vec<(u64, Destination<'_>)> = destinations(tcp, classes)
        .into_iter()
        .filter_map(|one| {
            let latency = match kind {
                LatencyKind::RoundTrip => &one.traffic().rtt,
                LatencyKind::Handshake => &one.traffic().connections.as_ref()?.handshake,
            };
            let value = latency.quantile_ns(quantile.clamp(0.0, 1.0)).filter(|_| latency.count >= min_samples)?;
            (seconds(value) >= min_seconds).then_some((value, one))
        })
        .collect();
    slow.sort_by_key(|(value, _)| Reverse(*value));
    first(&slow, limit, |(_, one)| one.whole())
}

/// Destinations that at least `min_connects` connects got no answer from, most first.
#[must_use]
pub fn unanswering_destinations(tcp: &Tcp, min_connects: u64, limit: u32) -> Vec<DestinationTrafficView> {
    let unanswered = |one: &Destination<'_>| {
        one.traffic().connections.as_ref().map_or(0, |all| all.unsuccessful().saturating_add(all.in_flight))
    };
    let mut all = destinations(tcp, &[]);
    all.retain(|one| unanswered(one) >= min_connects.max(1));
    // Those that refuse have answered.
    let silent = |one: &Destination<'_>| {
        let silent = |all: &Connections| all.timed_out.saturating_add(all.abandoned).saturating_add(all.in_flight);
        one.traffic().connections.as_ref().map_or(0, silent)
    };
    all.sort_by_key(|one| Reverse((silent(one), unanswered(one))));
    first(&all, limit, Destination::whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Latency;

    fn flow(remote: &str, namespace: u32, traffic: Traffic) -> FlowTraffic {
        FlowTraffic {
            remote: remote.parse().unwrap(),
            port: Some(443),
            class: PeerClass::Private,
            namespace,
            cgroup: None,
            process: None,
            traffic,
        }
    }

    fn lossy(sent: u64, retransmitted: u64) -> Traffic {
        Traffic { sent, retransmitted, connections: Some(Connections::default()), ..Traffic::default() }
    }

    fn slow(rtt_ns: u64, samples: usize, handshake_ns: u64) -> Traffic {
        let handshake = Latency::from_samples([handshake_ns; 5]);
        Traffic {
            connections: Some(Connections { handshake, refused: 1, ..Connections::default() }),
            rtt: Latency::from_samples(vec![rtt_ns; samples]),
            min_rtt_ns: Some(rtt_ns),
            ..Traffic::default()
        }
    }

    fn remotes(views: &[DestinationTrafficView]) -> Vec<(&str, Option<u32>)> {
        views.iter().map(|view| (view.destination.remote.as_str(), view.destination.namespace)).collect()
    }

    #[test]
    fn flows_with_one_address_are_one_destination_but_for_loopback() {
        let mut other_port = flow("10.0.0.5", 2, lossy(60, 3));
        other_port.port = Some(80);
        let flows = vec![
            flow("10.0.0.5", 1, lossy(60, 3)),
            other_port,
            flow("127.0.0.1", 1, lossy(100, 9)),
            flow("127.0.0.1", 2, lossy(100, 1)),
            flow("fd00::5", 1, lossy(99, 50)),
        ];
        let tcp = Tcp { flows, ..Tcp::default() };
        let found = lossy_destinations(&tcp, 100, 0.05, 9);
        let told: Vec<_> = found.iter().map(|view| (view.remote.as_str(), view.namespace)).collect();
        assert_eq!(told, [("127.0.0.1", Some(1)), ("10.0.0.5", None)]);
        let sum = &found[1];
        assert_eq!((sum.port, sum.flows, sum.segments.sent, sum.segments.retransmitted), (None, 2, 120, 6));
        assert_eq!(lossy_destinations(&tcp, 0, 0.0, 2).len(), 2);
    }

    #[test]
    fn what_one_flow_does_not_know_its_destination_does_not() {
        let untold = Traffic { connections: None, ..lossy(1, 0) };
        let tcp = Tcp { flows: vec![flow("10.0.0.5", 1, lossy(1, 0)), flow("10.0.0.5", 2, untold)], ..Tcp::default() };
        assert_eq!(lossy_destinations(&tcp, 0, 0.0, 9)[0].segments.syn_retransmitted, None);
    }

    #[test]
    fn slow_destinations_come_slowest_first_and_by_class() {
        let mut public = flow("1.1.1.1", 1, slow(90_000_000, 50, 80_000_000));
        public.class = PeerClass::Public;
        let flows = vec![
            flow("10.0.0.5", 1, slow(20_000_000, 50, 1_000_000)),
            flow("10.0.0.6", 1, slow(30_000_000, 9, 9_000_000)),
            public,
        ];
        let tcp = Tcp { flows, ..Tcp::default() };
        let all = slow_destinations(&tcp, LatencyKind::RoundTrip, &[], 0.99, 20, 0.01, 9);
        assert_eq!(remotes(&all), [("1.1.1.1", Some(1)), ("10.0.0.5", Some(1))]);
        assert_eq!(
            remotes(&slow_destinations(&tcp, LatencyKind::RoundTrip, &[PeerClass::Private], 0.5, 9, 0.025, 9)),
            [("10.0.0.6", Some(1))]
        );
        assert_eq!(remotes(&slow_destinations(&tcp, LatencyKind::Handshake, &[], 0.5, 5, 0.005, 1)), [("1.1.1.1", Some(1))]);
        assert!(slow_destinations(&tcp, LatencyKind::Handshake, &[], 0.5, 6, 0.0, 9).is_empty());
        assert_eq!((unanswering_destinations(&tcp, 1, 9).len(), unanswering_destinations(&tcp, 2, 9).len()), (3, 0));
    }
}
