//! Which destinations are slow: by their handshakes, which hold the path alone, else by smoothed round trips.

use kerno_rules_sdk::prelude::*;

/// Destinations that are looked at, slowest first.
const ASKED: u32 = 64;

/// A destination past its threshold.
pub(crate) struct Slow {
    pub destination: Destination,
    pub traffic: Traffic,
    /// What was judged.
    pub kind: LatencyKind,
    pub p50: f64,
    pub threshold: f64,
    /// What the path takes, where the rest waits in a queue.
    pub path: Option<f64>,
    /// Others on this node.
    pub others: Vec<(String, f64)>,
}

impl Slow {
    pub fn samples(&self) -> u64 {
        match (self.kind, &self.traffic.connections) {
            (LatencyKind::Handshake, Some(all)) => all.handshake.count,
            _ => self.traffic.rtt.count,
        }
    }

    fn excess(&self) -> f64 {
        self.p50 / self.threshold.max(1e-9)
    }
}

/// Name of the parameter for a class of peers.
pub(crate) fn threshold(class: PeerClass) -> &'static str {
    if class == PeerClass::Public { "latency_p50_public" } else { "latency_p50" }
}

/// The worst first. Both ends of a connection within the node are seen: of such destinations the slowest stands for all.
pub(crate) fn find(signals: &Signals) -> Vec<Slow> {
    let near = [PeerClass::NodeLocal, PeerClass::Cluster, PeerClass::Private];
    let (connects, samples) = (signals.parameter("min_connects") as u64, signals.parameter("min_samples") as u64);
    let mut found: Vec<Slow> = Vec::new();
    for classes in [&near[..], &[PeerClass::Public][..]] {
        let threshold = signals.parameter(threshold(classes[0]));
        for (kind, min) in [(LatencyKind::Handshake, connects), (LatencyKind::RoundTrip, samples)] {
            for one in signals.slow_destinations(kind, classes, 0.5, min.max(1), threshold, ASKED) {
                let new = &one.destination;
                let is_known = |slow: &Slow| slow.destination.remote == new.remote && slow.destination.namespace == new.namespace;
                if !found.iter().any(is_known) {
                    found.extend(judge(signals, kind, one, threshold, connects));
                }
            }
        }
    }
    worst_first(&mut found, |a, b| a.excess() > b.excess());
    let mut slow: Vec<Slow> = Vec::new();
    for one in found {
        let is_here = |slow: &Slow| slow.destination.class == PeerClass::NodeLocal;
        match slow.iter_mut().find(|known| is_here(known)).filter(|_| is_here(&one)) {
            Some(worse) => worse.others.push((one.destination.display_name(), one.p50)),
            None => slow.push(one),
        }
    }
    slow
}

/// Smoothed round trips hold the other side's delay as well: a short path excuses what that can explain.
fn judge(signals: &Signals, kind: LatencyKind, one: DestinationTraffic, threshold: f64, connects: u64) -> Option<Slow> {
    let DestinationTraffic { destination, traffic } = one;
    let handshake = traffic.connections.as_ref().map(|all| &all.handshake).filter(|all| all.count >= connects.max(1));
    let takes = handshake.and_then(|handshake| handshake.p50);
    let mut slow = Slow { destination, kind, p50: takes.unwrap_or(0.0), threshold, path: None, others: Vec::new(), traffic };
    if kind == LatencyKind::RoundTrip {
        let (path, is_long) = match (takes, traffic.min_rtt) {
            (Some(takes), _) => (takes, takes > threshold),
            // The smallest of many is less than the path usually takes.
            (None, Some(min)) => (min, min > threshold / 2.0),
            (None, None) => (0.0, true),
        };
        slow.p50 = traffic.rtt.p50.unwrap_or(0.0);
        if !is_long && slow.p50 <= path + signals.parameter("delayed_ack") {
            return None;
        }
        slow.path = (!is_long).then_some(path);
    }
    (slow.p50 > threshold).then_some(slow)
}
