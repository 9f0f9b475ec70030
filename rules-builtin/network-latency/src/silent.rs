//! Which destinations do not answer: connects whose SYNs nobody answers, not even with a refusal.

use kerno_rules_sdk::prelude::*;

/// Destinations that are looked at, most unanswered first.
const ASKED: u32 = 64;

/// A destination that leaves connects unanswered.
pub(crate) struct Silent {
    pub destination: Destination,
    pub traffic: Traffic,
    pub unanswered: u64,
    /// All whose end is known.
    pub connects: u64,
}

impl Silent {
    pub fn share(&self) -> f64 {
        self.unanswered as f64 / self.connects.max(1) as f64
    }
}

/// Those with most unanswered connects first.
pub(crate) fn find(signals: &Signals) -> Vec<Silent> {
    let (least, share) = (signals.parameter("min_connects"), signals.parameter("unanswered_share"));
    let mut found = Vec::new();
    for DestinationTraffic { destination, traffic } in signals.unanswering_destinations(1, ASKED) {
        let (unanswered, connects) = (traffic.unanswered(), traffic.connects());
        let one = Silent { destination, traffic, unanswered, connects };
        if unanswered > 0 && connects as f64 >= least && one.share() >= share {
            found.push(one);
        }
    }
    found
}
