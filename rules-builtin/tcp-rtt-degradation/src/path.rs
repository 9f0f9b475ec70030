//! Is it the network? A smoothed round trip holds the path, queues on it, and what the other side delays its acknowledgements. A
//! handshake holds no such delay, nor does the smallest round trip.

use kerno_rules_sdk::prelude::*;

/// A destination past its threshold.
pub(crate) struct Slow {
    pub destination: Destination,
    pub traffic: Traffic,
    pub threshold: f64,
    pub why: Why,
    /// Others on this node.
    pub others: Vec<DestinationTraffic>,
}

impl Slow {
    pub fn p99(&self) -> f64 {
        self.traffic.rtt.p99.unwrap_or(0.0)
    }

    /// How many times its threshold it takes.
    pub fn excess(&self) -> f64 {
        self.p99() / self.threshold.max(1e-9)
    }
}

/// What tells that the network is slow.
pub(crate) enum Why {
    /// The path alone takes that long: by so many handshakes of this window, else by the smallest round trip.
    Path { takes: f64, handshakes: u64 },
    /// More than delayed acknowledgements explain, over a path that can be short.
    Queue { path: f64 },
    /// Nothing but smoothed round trips is known.
    Unknown,
}

/// Why it is no fault of the network though past the threshold.
pub(crate) enum Excuse {
    /// Delayed acknowledgements, or the other side's own time.
    Delay { path: f64 },
    /// Distance.
    Far { min: f64 },
}

/// `None` when it is not past the threshold.
pub(crate) fn judge(signals: &Signals, traffic: &Traffic, class: PeerClass, threshold: f64) -> Option<Result<Why, Excuse>> {
    let p99 = traffic.rtt.p99.filter(|p99| *p99 > threshold)?;
    let handshakes = traffic.connections.as_ref().map(|all| &all.handshake).filter(|handshake| handshake.count > 0);
    let takes = handshakes.and_then(|handshake| if handshake.count < 20 { handshake.p50 } else { handshake.p95 });
    let (path, is_long) = match (takes, traffic.min_rtt) {
        (Some(takes), _) => (takes, takes > threshold),
        // The smallest of many is less than the path usually takes.
        (None, Some(min)) => (min, min > threshold / 2.0),
        (None, None) => return Some(Ok(Why::Unknown)),
    };
    let min = traffic.min_rtt.unwrap_or(0.0);
    Some(if is_long && class == PeerClass::Public && p99 <= min * signals.parameter("public_growth") {
        Err(Excuse::Far { min })
    } else if is_long {
        Ok(Why::Path { takes: path, handshakes: takes.and(handshakes).map_or(0, |handshake| handshake.count) })
    } else if p99 > path + signals.parameter("delayed_ack") {
        Ok(Why::Queue { path })
    } else {
        Err(Excuse::Delay { path })
    })
}

/// What the value that is judged is of so many samples.
pub(crate) fn called(rtt: &Latency) -> &'static str {
    if rtt.count < 100 { "max" } else { "p99" }
}
