//! `tcp-rtt-degradation`: round trips to a destination take longer than to one of its kind.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod path;

use kerno_rules_sdk::prelude::*;

use crate::path::{Excuse, Slow, Why};

/// Destinations that are looked at in each class, slowest first.
const ASKED: u32 = 64;
/// Destinations that have a finding of their own; when more are slow at once, this node is what they have in common.
const MOST: usize = 3;

/// The rule.
pub struct TcpRttDegradation;

export!(TcpRttDegradation);

impl Rule for TcpRttDegradation {
    fn describe() -> Description {
        Description::new("tcp-rtt-degradation", "TCP round trips are slow", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("tcp")
            .parameter(
                "rtt_p99_private",
                Unit::Seconds,
                0.010,
                "smoothed round trip p99 of a destination on this node, in the cluster or a private network that is a warning",
            )
            .parameter(
                "rtt_p99_public",
                Unit::Seconds,
                0.100,
                "smoothed round trip p99 of a public destination that is a warning",
            )
            .parameter("min_segments", Unit::Count, 100.0, "segments with data to a destination that are needed to judge it")
            .delayed_ack()
            .parameter(
                "public_growth",
                Unit::Ratio,
                1.5,
                "how many times its smallest round trip a public destination must take: one that is always far is not degraded",
            )
            .max_lost()
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(total)) = (signals.family("tcp"), signals.tcp_total()) else {
            return Ok(Verdict::NotEvaluated("tcp was not measured".to_owned()));
        };
        if let Err(reason) = family.bears_losses("tcp", signals.parameter("max_lost")) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let (slow, excused) = look(signals);
        if !slow.is_empty() {
            return Ok(Verdict::Fired(finding::all(signals, &family, &slow)));
        }
        let reason = why_quiet(signals, &total, &excused);
        if family.coverage == Coverage::Fallback {
            let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
            return Ok(Verdict::NotEvaluated(format!(
                "{} tells of connections that live at the end of the window in kerno's own network namespace only: {why}; of them \
                 {reason}",
                family.source
            )));
        }
        Ok(family.quiet(reason))
    }
}

/// Destinations that are slow, and those that only seem to be. Both slowest first, seen against their thresholds.
fn look(signals: &Signals) -> (Vec<Slow>, Vec<(Destination, Excuse)>) {
    let near = [PeerClass::NodeLocal, PeerClass::Cluster, PeerClass::Private];
    let (mut slow, mut excused) = (Vec::new(), Vec::new());
    let needed = signals.parameter("min_segments") as u64;
    for (classes, parameter) in [(&near[..], "rtt_p99_private"), (&[PeerClass::Public][..], "rtt_p99_public")] {
        let threshold = signals.parameter(parameter);
        for DestinationTraffic { destination, traffic } in
            signals.slow_destinations(LatencyKind::RoundTrip, classes, 0.99, needed, threshold, ASKED)
        {
            match path::judge(signals, &traffic, destination.class, threshold) {
                Some(Ok(why)) => slow.push(Slow { destination, traffic, threshold, why, others: Vec::new() }),
                Some(Err(excuse)) => excused.push((destination, excuse)),
                None => {}
            }
        }
    }
    (fold(slow), excused)
}

/// Both ends of a connection within the node are seen: of such destinations the slowest stands for all.
fn fold(all: Vec<Slow>) -> Vec<Slow> {
    let mut slow: Vec<Slow> = Vec::new();
    for one in all {
        let is_here = |slow: &Slow| slow.destination.class == PeerClass::NodeLocal;
        match slow.iter_mut().find(|known| is_here(known)).filter(|_| is_here(&one)) {
            Some(worse) => worse.others.push(DestinationTraffic { destination: one.destination, traffic: one.traffic }),
            None => slow.push(one),
        }
    }
    worst_first(&mut slow, |a, b| a.excess() > b.excess());
    slow
}

fn why_quiet(signals: &Signals, total: &Traffic, excused: &[(Destination, Excuse)]) -> String {
    let needed = signals.parameter("min_segments") as u64;
    let worst = signals.slow_destinations(LatencyKind::RoundTrip, &[], 0.99, needed, 0.0, 1).pop();
    let Some(DestinationTraffic { destination: worst, traffic }) = worst else {
        return format!("{} with data, {} to one destination needed", counted(total.rtt.count, "segment"), count(needed));
    };
    let parameter = if worst.class == PeerClass::Public { "rtt_p99_public" } else { "rtt_p99_private" };
    let mut reason = format!(
        "slowest {}, {}: smoothed round trip {} {} of {}, threshold {}",
        worst.display_name(),
        worst.class.place(),
        path::called(&traffic.rtt),
        seconds(traffic.rtt.p99.unwrap_or(traffic.rtt.mean)),
        counted(traffic.rtt.count, "segment"),
        seconds(signals.parameter(parameter))
    );
    if let Some((destination, excuse)) = excused.first() {
        let why = match excuse {
            Excuse::Delay { path } => {
                format!("the path takes {}, the rest is delayed acknowledgements or the other side's own time", seconds(*path))
            }
            Excuse::Far { min } => format!("it is always that far, the smallest was {}", seconds(*min)),
        };
        reason.push_str(&format!("; {}: {why}", destination.display_name()));
        if excused.len() > 1 {
            let more = excused.len() - 1;
            reason.push_str(&format!("; so {} {more} more", if more == 1 { "is" } else { "are" }));
        }
    }
    reason
}

impl Why {
    /// How sure it is that the network is slow.
    fn weight(&self) -> f64 {
        match self {
            Self::Path { handshakes, .. } if *handshakes > 0 => 1.0,
            Self::Path { .. } => 0.8,
            Self::Queue { .. } => 0.7,
            Self::Unknown => 0.6,
        }
    }
}
