//! `network-latency`: a destination is far away, slow to answer, or does not answer at all.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod destination;
mod finding;
mod silent;

use kerno_rules_sdk::prelude::*;

/// Destinations that have a finding of their own.
const MOST: usize = 5;

/// The rule.
pub struct NetworkLatency;

export!(NetworkLatency);

impl Rule for NetworkLatency {
    fn describe() -> Description {
        Description::new("network-latency", "Destinations are slow to reach", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("tcp")
            .parameter(
                "latency_p50",
                Unit::Seconds,
                0.100,
                "handshake or smoothed round trip p50 of a destination that is a warning",
            )
            .parameter(
                "latency_p50_public",
                Unit::Seconds,
                0.300,
                "handshake or smoothed round trip p50 of a public destination that is a warning",
            )
            .parameter("min_connects", Unit::Count, 5.0, "connects to a destination that are needed to judge it by them")
            .parameter(
                "unanswered_share",
                Unit::Ratio,
                0.5,
                "share of a destination's connects without any answer that is a warning",
            )
            .parameter("min_samples", Unit::Count, 20.0, "round-trip samples of a destination that are needed to judge them")
            .delayed_ack()
            .max_lost()
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(total)) = (signals.family("tcp"), signals.tcp_total()) else {
            return Ok(Verdict::NotEvaluated("tcp was not measured".to_owned()));
        };
        if let Err(reason) = family.bears_losses("tcp", signals.parameter("max_lost")) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let (silent, mut slow) = (silent::find(signals), destination::find(signals));
        let is_silent = |of: &Destination| {
            silent.iter().any(|one| one.destination.remote == of.remote && one.destination.namespace == of.namespace)
        };
        slow.retain(|one| !is_silent(&one.destination));
        let mut findings: Vec<Finding> = silent.iter().take(MOST).map(|one| finding::of_silent(signals, &family, one)).collect();
        findings.extend(slow.iter().take(MOST).map(|one| finding::of(signals, &family, one, slow.len())));
        if !findings.is_empty() {
            return Ok(Verdict::Fired(findings));
        }
        let reason = why_quiet(signals, &total);
        if family.coverage == Coverage::Fallback {
            let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
            return Ok(Verdict::NotEvaluated(format!("{} does not tell of handshakes: {why}; {reason}", family.source)));
        }
        Ok(family.quiet(reason))
    }
}

fn why_quiet(signals: &Signals, total: &Traffic) -> String {
    let threshold = |class| signals.parameter(destination::threshold(class));
    let (connects, samples) = (signals.parameter("min_connects") as u64, signals.parameter("min_samples") as u64);
    let mut parts = Vec::new();
    for (kind, what, min) in [(LatencyKind::Handshake, "handshakes", connects), (LatencyKind::RoundTrip, "round trips", samples)]
    {
        let Some(DestinationTraffic { destination, traffic }) = signals.slow_destinations(kind, &[], 0.5, min, 0.0, 1).pop()
        else {
            continue;
        };
        let latency = match (kind, &traffic.connections) {
            (LatencyKind::Handshake, Some(all)) => &all.handshake,
            _ => &traffic.rtt,
        };
        parts.push(format!(
            "slowest {what} p50 {} of {} with {}, threshold {}",
            seconds(latency.p50.unwrap_or(latency.mean)),
            count(latency.count),
            destination.display_name(),
            seconds(threshold(destination.class))
        ));
    }
    if parts.is_empty() {
        let connected = total.connections.as_ref().map_or(0, |all| all.connected);
        parts.push(format!(
            "{}, {} to one destination needed; {}, {} needed",
            counted(connected, "connect"),
            count(connects),
            counted(total.rtt.count, "round-trip sample"),
            count(samples)
        ));
    }
    // Counted apart: no latency of a path.
    if let Some(all) = total.connections.as_ref().filter(|all| all.retried > 0) {
        parts.push(format!("{} needed more than one SYN", counted(all.retried, "connect")));
    }
    if total.unanswered() > 0 {
        parts.push(format!("{} got no answer", counted(total.unanswered(), "connect")));
    }
    parts.join("; ")
}
