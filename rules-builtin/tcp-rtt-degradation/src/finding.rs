//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::MOST;
use crate::path::{Slow, Why, called};

/// Others and talkers that are named.
const NAMED: usize = 4;

/// One finding for each slow destination; of many one about this node.
pub(crate) fn all(signals: &Signals, family: &FamilyInfo, slow: &[Slow]) -> Vec<Finding> {
    let Some(worst) = slow.first().filter(|_| slow.len() > MOST) else {
        return slow.iter().map(|one| of(signals, family, one)).collect();
    };
    let mut finding = of(signals, family, worst);
    finding.entity = Entity::node(&signals.machine());
    let (place, p99) = (worst.destination.display_name(), seconds(worst.p99()));
    finding.title = format!("Round trips to {} destinations are slow, slowest to {place}: {p99}", slow.len());
    finding.cause = format!(
        "{} Others are slow at once: what they have in common is this node, its interface, shaping or uplink.",
        finding.cause
    );
    for other in slow.iter().take(NAMED) {
        finding = finding.evidence(&name(&other.destination), other.p99(), Unit::Seconds);
    }
    vec![finding]
}

fn name(destination: &Destination) -> String {
    format!("smoothed round trip p99 to {}", destination.display_name())
}

fn of(signals: &Signals, family: &FamilyInfo, slow: &Slow) -> Finding {
    let (destination, traffic) = (&slow.destination, &slow.traffic);
    let (place, p99) = (destination.display_name(), seconds(slow.p99()));
    let flows = signals.flows(&destination.remote, destination.namespace, 16);
    let called = called(&traffic.rtt);
    let title =
        format!("{place} is slow to answer: smoothed round trip {called} {p99} of {}", counted(traffic.rtt.count, "segment"));
    let signal = Signal::new(&format!("smoothed RTT {called}"), slow.p99(), slow.threshold, Unit::Seconds);
    let mut finding = Finding::new(Severity::Warning, title, Entity::of_destination(destination), signal)
        .confidence(family.confidence(traffic.rtt.count) * slow.why.weight())
        .cause(cause(slow, &place))
        .impact(impact(&flows, &place, &p99))
        .evidence("segments with data", traffic.rtt.count as f64, Unit::Count)
        .evidence("smoothed round trip p50", traffic.rtt.p50.unwrap_or(traffic.rtt.mean), Unit::Seconds);
    if let Some(min) = traffic.min_rtt {
        finding = finding.evidence("smallest round trip", min, Unit::Seconds);
    }
    if let Some(connections) = &traffic.connections {
        if connections.handshake.count > 0 {
            finding = finding.evidence("handshakes", connections.handshake.count as f64, Unit::Count).evidence(
                "handshake p50",
                connections.handshake.p50.unwrap_or(connections.handshake.mean),
                Unit::Seconds,
            );
        }
        if connections.retried > 0 {
            finding = finding.evidence("connects after a lost SYN, not among them", connections.retried as f64, Unit::Count);
        }
    }
    if traffic.sent > 0 {
        let ratio = traffic.retransmitted as f64 / traffic.sent as f64;
        finding = finding.evidence("share of segments sent again", ratio, Unit::Ratio);
    }
    for other in slow.others.iter().take(NAMED) {
        finding = finding.evidence(&name(&other.destination), other.traffic.rtt.p99.unwrap_or(0.0), Unit::Seconds);
    }
    let enter = flows.first().map(|flow| flow.enter(signals.own_namespace())).unwrap_or_default();
    with_fixes(finding, destination, &enter)
}

fn cause(slow: &Slow, place: &str) -> String {
    let class = slow.destination.class;
    let what = match class {
        PeerClass::NodeLocal => "a virtual link or shaping between network namespaces of this node",
        PeerClass::Cluster | PeerClass::Private => "a congested or long link, shaping, a tunnel, or an overloaded host there",
        PeerClass::Public => "congestion or a detour on the way",
    };
    let usual = format!("{} or less is usual {}", seconds(slow.threshold), class.place());
    match &slow.why {
        Why::Path { takes, handshakes: 0 } => {
            format!("Even the smallest round trip to {place} took {}, and {usual}: {what}.", seconds(*takes))
        }
        Why::Path { takes, .. } => format!(
            "The path itself is slow, not the application behind it: handshakes with {place} take {}, and {usual}: {what}.",
            seconds(*takes)
        ),
        Why::Queue { path } => format!(
            "The path to {place} can take {}; what comes on top is more than delayed acknowledgements add: segments wait in a queue, \
             behind bulk transfers or {what}.",
            seconds(*path)
        ),
        Why::Unknown => format!(
            "{usual}; neither a handshake nor a smallest round trip tells whether it is {what}, or the other side that takes its time."
        ),
    }
}

fn impact(flows: &[Flow], place: &str, p99: &str) -> String {
    let most = flows.iter().max_by_key(|flow| flow.segments.sent).and_then(Flow::talker);
    format!(
        "Each question and answer between {} and {place} takes {p99} longer than on a near path; a connect and a TLS handshake several \
         times that.",
        most.as_deref().unwrap_or("this node")
    )
}

fn with_fixes(finding: Finding, destination: &Destination, enter: &str) -> Finding {
    let remote = &destination.remote;
    let finding = finding
        .fix(Urgency::Now, "see whether small packets are as slow", &format!("{enter}ping -c 20 -i 0.2 {remote}"))
        .fix(Urgency::Now, "see round trips by connection (rtt, minrtt)", &format!("{enter}ss -tin dst {}", for_ss(remote)));
    if destination.class != PeerClass::NodeLocal {
        return finding
            .fix(Urgency::WithinFiveMinutes, "see where on the way the time goes", &format!("{enter}tracepath -n {remote}"))
            .fix(Urgency::WithinFiveMinutes, "look for full queues and shaping here", &format!("{enter}tc -s qdisc show"));
    }
    finding.fix(Urgency::Now, "look for delay, queues and shaping", &format!("{enter}tc -s qdisc show")).fix(
        Urgency::WithinFiveMinutes,
        "see which interface they take",
        &format!("{enter}ip route get {remote}"),
    )
}
