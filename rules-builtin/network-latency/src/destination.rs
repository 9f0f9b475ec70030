//! Which destinations are slow: by their handshakes, which hold the path alone, else by smoothed round trips.

use kerno_rules_sdk::prelude::*;

/// Destinations that are looked at, slowest first.
const ASKED: u32 = 64;

/// What was judged.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    Handshake,
    RoundTrip,
}

/// A destination past its threshold.
pub(crate) struct Slow {
    pub destination: Destination,
    pub measure: Measure,
    pub p50: f64,
    pub threshold: f64,
    /// What the path takes, where the rest waits in a queue.
    pub path: Option<f64>,
    /// Others on this node.
    pub others: Vec<(String, f64)>,
}

impl Slow {
    pub fn samples(&self) -> u64 {
        match (self.measure, &self.destination.traffic.connections) {
            (Measure::Handshake, Some(all)) => all.handshake.count,
            _ => self.destination.traffic.rtt.count,
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
        let by_handshake = signals.destinations_by_handshake(classes, 0.5, connects.max(1), threshold, ASKED);
        found.extend(by_handshake.into_iter().filter_map(|one| handshake(one, threshold)));
        for one in signals.destinations_by_round_trip(classes, 0.5, samples.max(1), threshold, ASKED) {
            let is_known = |slow: &Slow| slow.destination.remote == one.remote && slow.destination.namespace == one.namespace;
            if !found.iter().any(is_known) {
                found.extend(round_trip(signals, one, threshold, connects));
            }
        }
    }
    found.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
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

fn handshake(destination: Destination, threshold: f64) -> Option<Slow> {
    let p50 = destination.traffic.connections.as_ref()?.handshake.p50.filter(|p50| *p50 > threshold)?;
    Some(Slow { destination, measure: Measure::Handshake, p50, threshold, path: None, others: Vec::new() })
}

/// Smoothed round trips hold the other side's delay as well: a short path excuses what that can explain.
fn round_trip(signals: &Signals, destination: Destination, threshold: f64, connects: u64) -> Option<Slow> {
    let traffic = &destination.traffic;
    let p50 = traffic.rtt.p50.filter(|p50| *p50 > threshold)?;
    let handshake = traffic.connections.as_ref().map(|all| &all.handshake).filter(|all| all.count >= connects.max(1));
    let (path, is_long) = match (handshake.and_then(|handshake| handshake.p50), traffic.min_rtt) {
        (Some(takes), _) => (takes, takes > threshold),
        // The smallest of many is less than the path usually takes.
        (None, Some(min)) => (min, min > threshold / 2.0),
        (None, None) => (0.0, true),
    };
    if !is_long && p50 <= path + signals.parameter("delayed_ack") {
        return None;
    }
    let path = (!is_long).then_some(path);
    Some(Slow { destination, measure: Measure::RoundTrip, p50, threshold, path, others: Vec::new() })
}
