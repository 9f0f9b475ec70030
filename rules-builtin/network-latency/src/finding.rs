//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::destination::Slow;
use crate::silent::Silent;

/// Others that are named.
const NAMED: usize = 4;

/// One destination.
pub(crate) fn of(signals: &Signals, family: &FamilyInfo, slow: &Slow, all: usize) -> Finding {
    let (destination, traffic) = (&slow.destination, &slow.traffic);
    let (place, p50, samples) = (destination.display_name(), seconds(slow.p50), slow.samples());
    let flows = signals.flows(&destination.remote, destination.namespace, 16);
    let (title, signal) = match slow.kind {
        LatencyKind::Handshake => {
            (format!("{place} is slow to reach: handshake p50 {p50} of {}", counted(samples, "connect")), "handshake p50")
        }
        LatencyKind::RoundTrip => (
            format!("{place} is slow to reach: smoothed round trip p50 {p50} of {}", counted(samples, "segment")),
            "smoothed RTT p50",
        ),
    };
    let weight = if slow.kind == LatencyKind::Handshake { 1.0 } else { 0.8 };
    let signal = Signal::new(signal, slow.p50, slow.threshold, Unit::Seconds);
    let most = flows.iter().max_by_key(|flow| flow.segments.sent).and_then(Flow::talker);
    let mut finding = Finding::new(Severity::Warning, title, Entity::of_destination(destination), signal)
        .confidence(family.confidence(slow.samples()) * weight)
        .cause(cause(slow, &place))
        .impact(format!(
            "A connect of {} to {place} takes {p50} before the first byte can be sent, with TLS two or three times that, and each \
             question and answer as much again.",
            most.as_deref().unwrap_or("this node")
        ));
    finding = numbers(finding, traffic);
    for (other, p50) in slow.others.iter().take(NAMED) {
        finding = finding.evidence(&format!("p50 of {other}"), *p50, Unit::Seconds);
    }
    if all > 1 {
        finding = finding.evidence("destinations past their threshold", all as f64, Unit::Count);
    }
    with_fixes(finding, signals, &flows, destination, false)
}

/// One destination that does not answer.
pub(crate) fn of_silent(signals: &Signals, family: &FamilyInfo, silent: &Silent) -> Finding {
    let Silent { destination, traffic, unanswered, connects } = silent;
    let place = destination.display_name();
    let flows = signals.flows(&destination.remote, destination.namespace, 16);
    let title = format!("{} of {} to {place} were not answered", count(*unanswered), counted(*connects, "connect"));
    let signal =
        Signal::new("share of connects not answered", silent.share(), signals.parameter("unanswered_share"), Unit::Ratio);
    let finding = Finding::new(Severity::Warning, title, Entity::of_destination(destination), signal)
        .confidence(family.confidence(*connects))
        .cause(format!(
            "{place} ({}) neither accepts nor refuses: a filter or the path drops SYNs or what answers them, a listener's queue is \
             full, or nothing is there.",
            destination.class.place()
        ))
        .impact(format!(
            "{} waits for each of them until it gives up; the kernel itself does after a minute or two.",
            flows.iter().find_map(Flow::talker).as_deref().unwrap_or("Whoever connects")
        ));
    with_fixes(numbers(finding, traffic), signals, &flows, destination, true)
}

fn numbers(mut finding: Finding, traffic: &Traffic) -> Finding {
    if let Some(all) = &traffic.connections {
        if all.handshake.count > 0 {
            let p50 = all.handshake.p50.unwrap_or(all.handshake.mean);
            finding = finding.evidence("handshakes", all.handshake.count as f64, Unit::Count).evidence(
                "handshake p50",
                p50,
                Unit::Seconds,
            );
        }
        for (what, number) in [
            ("connects after a lost SYN, not among them", all.retried),
            ("connects refused", all.refused),
            ("connects timed out", all.timed_out),
            ("connects given up by the process", all.abandoned),
            ("connects that failed otherwise", all.failed),
            ("connects in flight at the end", all.in_flight),
        ] {
            if number > 0 {
                finding = finding.evidence(what, number as f64, Unit::Count);
            }
        }
    }
    if traffic.rtt.count > 0 {
        finding = finding.evidence("round-trip samples", traffic.rtt.count as f64, Unit::Count).evidence(
            "smoothed round trip p50",
            traffic.rtt.p50.unwrap_or(traffic.rtt.mean),
            Unit::Seconds,
        );
    }
    if let Some(min) = traffic.min_rtt {
        finding = finding.evidence("smallest round trip", min, Unit::Seconds);
    }
    finding
}

fn cause(slow: &Slow, place: &str) -> String {
    let class = slow.destination.class;
    let what = match class {
        PeerClass::NodeLocal => "on this node that is shaping, a full queue or a delay set on a virtual link",
        PeerClass::Cluster | PeerClass::Private => {
            "for a near network that is a full queue, shaping, a tunnel or a detour, or a host there that has no CPU time"
        }
        PeerClass::Public => "more than distance explains: a satellite, mobile or congested link, or a detour",
    };
    match (slow.kind, slow.path) {
        (LatencyKind::Handshake, _) => format!(
            "{place} ({}) answers a SYN only after {}: the path, or the kernel there, is slow, not the application; {what}.",
            class.place(),
            seconds(slow.p50)
        ),
        (LatencyKind::RoundTrip, Some(path)) => format!(
            "The path to {place} ({}) can take {}, and round trips usually take {}: segments wait in a queue on the way, or the \
             other side for something before it acknowledges.",
            class.place(),
            seconds(path),
            seconds(slow.p50)
        ),
        (LatencyKind::RoundTrip, None) => {
            format!("Round trips to {place} ({}) usually take {}; {what}.", class.place(), seconds(slow.p50))
        }
    }
}

fn with_fixes(finding: Finding, signals: &Signals, flows: &[Flow], destination: &Destination, is_silent: bool) -> Finding {
    let enter = flows.first().map(|flow| flow.enter(signals.own_namespace())).unwrap_or_default();
    let remote = &destination.remote;
    let (ping, sockets, states) = if is_silent {
        ("see whether anything answers there", "see who waits for an answer", "-tnp state syn-sent")
    } else {
        ("see whether small packets are as slow", "see round trips by connection (rtt, minrtt)", "-tin")
    };
    let mut finding = finding.fix(Urgency::Now, ping, &format!("{enter}ping -c 10 {remote}")).fix(
        Urgency::Now,
        sockets,
        &format!("{enter}ss {states} dst {}", for_ss(remote)),
    );
    if destination.class != PeerClass::NodeLocal {
        finding = finding.fix(
            Urgency::WithinFiveMinutes,
            "see where on the way the time goes",
            &format!("{enter}tracepath -n {remote}"),
        );
    }
    let (here, command) = if is_silent {
        ("look for filters here", "nft list ruleset || iptables-save -c")
    } else {
        ("look for delay, queues and shaping here", "tc -s qdisc show")
    };
    finding.fix(Urgency::WithinFiveMinutes, here, &format!("{enter}{command}")).fix(
        Urgency::WithinFiveMinutes,
        "see which way they take",
        &format!("{enter}ip route get {remote}"),
    )
}
