//! Flows added up by the address of the other side.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::super::contenders::contenders;
use super::super::{first, seconds};
use super::{DestinationTrafficView, DestinationView, SegmentsView};
use crate::{Connections, FlowTraffic, Latency, PeerClass, Tcp, Traffic};

/// All flows with one address; of loopback, those of one network namespace. Added up no further than a question needs.
struct Destination<'a, 'b>(&'b [&'a FlowTraffic]);

impl Destination<'_, '_> {
    fn sum(&self, of: impl Fn(&Traffic) -> u64) -> u64 {
        self.0.iter().map(|flow| of(&flow.traffic)).fold(0, u64::saturating_add)
    }

    /// What one flow does not know, the sum does not know.
    fn connections(&self, of: impl Fn(&Connections) -> u64) -> Option<u64> {
        self.0.iter().try_fold(0, |sum: u64, flow| Some(sum.saturating_add(of(flow.traffic.connections.as_ref()?))))
    }

    fn segments(&self) -> SegmentsView {
        SegmentsView {
            sent: self.sum(|traffic| traffic.sent),
            retransmitted: self.sum(|traffic| traffic.retransmitted),
            syn_retransmitted: self.connections(|all| all.syn_retransmitted),
        }
    }

    /// One of its latencies without its distribution.
    fn totals(&self, kind: LatencyKind) -> Option<Latency> {
        let mut are_known = true;
        let totals = Latency::totals(self.0.iter().map_while(|flow| {
            let latency = kind.of(&flow.traffic);
            are_known &= latency.is_some();
            latency
        }));
        are_known.then_some(totals)
    }

    /// A quantile of one of its latencies.
    fn quantile_ns(&self, kind: LatencyKind, quantile: f64) -> Option<u64> {
        if let [flow] = self.0 {
            return kind.of(&flow.traffic)?.quantile_ns(quantile);
        }
        let mut sum = Latency::default();
        for flow in self.0 {
            sum.add(kind.of(&flow.traffic)?);
        }
        sum.quantile_ns(quantile)
    }

    /// What all have in common; `None` when they differ.
    fn common<T: PartialEq>(&self, of: impl Fn(&FlowTraffic) -> T) -> Option<T> {
        let first = of(self.0.first()?);
        self.0.iter().all(|flow| of(flow) == first).then_some(first)
    }

    fn view(&self) -> DestinationView {
        let first = self.0[0];
        DestinationView {
            remote: first.remote.to_string(),
            port: self.common(|flow| flow.port).flatten(),
            class: first.class.into(),
            namespace: self.common(|flow| flow.namespace),
            segments: self.segments(),
            flows: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
        }
    }

    fn whole(&self) -> DestinationTrafficView {
        let traffic = match self.0 {
            [one] => (&one.traffic).into(),
            all => {
                let mut sum = all[0].traffic.clone();
                all[1..].iter().for_each(|flow| add(&mut sum, &flow.traffic));
                (&sum).into()
            }
        };
        DestinationTrafficView { destination: self.view(), traffic }
    }
}

/// What makes flows go to the same destination.
fn key(flow: &FlowTraffic) -> (IpAddr, Option<u32>) {
    (flow.remote, flow.remote.is_loopback().then_some(flow.namespace))
}

/// Flows with peers of the classes (none: of every class), those of one destination side by side.
fn flows<'a>(tcp: &'a Tcp, classes: &[PeerClass]) -> Vec<&'a FlowTraffic> {
    let mut flows: Vec<_> = tcp.flows.iter().filter(|flow| classes.is_empty() || classes.contains(&flow.class)).collect();
    flows.sort_by_key(|flow| key(flow));
    flows
}

fn destinations<'a, 'b>(flows: &'b [&'a FlowTraffic]) -> impl Iterator<Item = Destination<'a, 'b>> {
    flows.chunk_by(|a, b| key(a) == key(b)).map(Destination)
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
    let flows = flows(tcp, &[]);
    let lossy: Vec<_> = destinations(&flows)
        .map(|one| (one.sum(|traffic| traffic.retransmitted), one.sum(|traffic| traffic.sent), one))
        .filter(|(again, sent, _)| *sent >= min_sent && *again as f64 >= min_ratio * *sent as f64)
        .collect();
    // Stable: of equal ones the smaller address comes first.
    first(lossy, limit, |(again, sent, _)| Reverse((*again, *sent)), |(.., one)| one.view())
}

/// What a destination's latency is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "wit/v1/tcp.wit says it")]
pub enum LatencyKind {
    RoundTrip,
    Handshake,
}

impl LatencyKind {
    fn of(self, traffic: &Traffic) -> Option<&Latency> {
        match self {
            Self::RoundTrip => Some(&traffic.rtt),
            Self::Handshake => Some(&traffic.connections.as_ref()?.handshake),
        }
    }
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
    let (flows, quantile) = (flows(tcp, classes), quantile.clamp(0.0, 1.0));
    let may_pass = |bound: u64| seconds(bound) >= min_seconds;
    let bounded = destinations(&flows).filter_map(|one| {
        let totals = one.totals(kind)?;
        let bound = totals.quantile_bound_ns(quantile);
        (totals.count >= min_samples && may_pass(bound)).then_some((bound, one))
    });
    let value = |one: &Destination| one.quantile_ns(kind, quantile).filter(|value| may_pass(*value));
    let slow = contenders(bounded, limit, value);
    first(slow, limit, |(value, one)| (Reverse(*value), key(one.0[0])), |(_, one)| one.whole())
}

/// Destinations that at least `min_connects` connects got no answer from, most first.
#[must_use]
pub fn unanswering_destinations(tcp: &Tcp, min_connects: u64, limit: u32) -> Vec<DestinationTrafficView> {
    // Those that refuse have answered.
    let silent = |all: &Connections| all.timed_out.saturating_add(all.abandoned).saturating_add(all.in_flight);
    let flows = flows(tcp, &[]);
    let all: Vec<_> = destinations(&flows)
        .filter_map(|one| {
            let unanswered = one.connections(|all| all.unsuccessful().saturating_add(all.in_flight))?;
            (unanswered >= min_connects.max(1)).then_some((one.connections(silent), unanswered, one))
        })
        .collect();
    first(all, limit, |(silent, unanswered, _)| Reverse((*silent, *unanswered)), |(.., one)| one.whole())
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
