//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::fault::{Fault, Place};
use crate::loss::{Loss, Seen};

/// Others and talkers that are named.
const NAMED: usize = 4;

pub(crate) fn of(seen: &Seen<'_>, fault: &Fault) -> Finding {
    let loss = &fault.loss;
    let queue = full_queue(seen, fault);
    let (place, ratio) = (place(seen, fault), percent(loss.ratio()));
    let called = if queue.is_some() { "are not accepted" } else { "are lost" };
    let title = format!("{ratio} of {} {place} {called} and sent again", counted(loss.sent, "segment"));
    let signal = Signal::new("lost segments", loss.ratio(), seen.threshold, Unit::Ratio);
    let mut confidence = seen.family.confidence(loss.sent);
    if matches!(fault.place, Place::Node) {
        confidence *= 0.9;
    }
    let mut finding = Finding::new(Severity::Critical, title, entity(seen, fault), signal)
        .confidence(confidence)
        .cause(queue.as_ref().map_or_else(|| cause(seen, fault), |(_, cause)| cause.clone()))
        .impact(format!(
            "Transfers {place} are slow: what is lost waits for another round trip, or for a time-out of 200 ms and more."
        ))
        .evidence("segments sent", loss.sent as f64, Unit::Count)
        .evidence("segments sent again", loss.again as f64, Unit::Count);
    if loss.lost < loss.again as f64 {
        let needless = loss.again as f64 - loss.lost;
        finding = finding.evidence("of them needlessly (reported as duplicates)", needless as u64 as f64, Unit::Count);
    }
    if let Some(syns) = fault.syns {
        finding = finding.evidence("SYNs sent again, not in the ratio", syns as f64, Unit::Count);
    }
    for flow in fault.flows.iter().filter(|flow| flow.segments.retransmitted > 0).take(NAMED) {
        if let Some(talker) = flow.talker() {
            finding = finding.evidence(
                &format!("segments to {} sent again by {talker}", flow.remote),
                flow.segments.retransmitted as f64,
                Unit::Count,
            );
        }
    }
    for (name, other) in fault.others.iter().take(NAMED) {
        finding =
            finding.evidence(&format!("share of {} lost, {name}", counted(other.sent, "segment")), other.ratio(), Unit::Ratio);
    }
    if !matches!(fault.place, Place::Node) {
        finding = finding.evidence("share of all segments of this host lost", all(seen).ratio(), Unit::Ratio);
    }
    with_fixes(seen, finding, fault, queue.map(|(enter, _)| enter))
}

fn all(seen: &Seen<'_>) -> Loss {
    seen.of(&seen.total, &[])
}

fn entity(seen: &Seen<'_>, fault: &Fault) -> Entity {
    match &fault.place {
        Place::Destination(destination) => Entity::of_destination(destination),
        Place::Cgroup(cgroup) => Entity::of_cgroup(cgroup),
        Place::Namespace(index) => {
            let namespace = &seen.namespaces[*index];
            let of_nobody = || Entity::node(&seen.signals.machine()).name("network_namespace", &namespace.number.to_string());
            namespace.cgroup.as_ref().map_or_else(of_nobody, Entity::of_cgroup)
        }
        Place::Node => Entity::node(&seen.signals.machine()),
    }
}

/// Behind "segments".
fn place(seen: &Seen<'_>, fault: &Fault) -> String {
    match &fault.place {
        Place::Destination(destination) => format!("to {}", destination.display_name()),
        Place::Cgroup(cgroup) => format!("of {}", cgroup.display_name()),
        Place::Namespace(index) => format!("of {}", whose(&seen.namespaces[*index])),
        Place::Node => "of this host".to_owned(),
    }
}

fn whose(namespace: &NetworkNamespace) -> String {
    match (&namespace.cgroup, &namespace.process) {
        (Some(cgroup), _) => format!("the network namespace of {}", cgroup.display_name()),
        (None, Some(process)) => format!("the network namespace of {} (pid {})", process.comm, process.pid),
        (None, None) => format!("network namespace {}", namespace.number),
    }
}

/// A listener on this node that is too slow to accept looks like a network that loses: how to look at it, and the cause in words.
fn full_queue(seen: &Seen<'_>, fault: &Fault) -> Option<(String, String)> {
    let is_here = matches!(&fault.place, Place::Destination(of) if of.class == PeerClass::NodeLocal);
    let overflows = |namespace: &NetworkNamespace| namespace.totals.as_ref().map_or(0, |totals| totals.listen_overflows);
    // Who is not accepted is sent the SYN-ACK again: the listener's namespace is among them.
    let namespace = seen.namespaces.iter().filter(|_| is_here).max_by_key(|namespace| overflows(namespace))?;
    let overflows = overflows(namespace);
    if overflows == 0 || overflows.saturating_mul(10) < fault.loss.again {
        return None;
    }
    let cause = format!(
        "Not the network: a listener in {} does not accept connections as fast as they come. Its accept queue was full {}; what \
         did not fit was dropped, and clients send it again.",
        whose(namespace),
        counted(overflows, "time")
    );
    Some((enter(namespace), cause))
}

/// What goes before a command so that it runs in a namespace.
fn enter(namespace: &NetworkNamespace) -> String {
    match &namespace.process {
        Some(process) if !namespace.own => format!("nsenter -t {} -n ", process.pid),
        _ => String::new(),
    }
}

fn cause(seen: &Seen<'_>, fault: &Fault) -> String {
    let rest = all(seen).without(fault.loss);
    let elsewhere = if rest.sent < seen.min {
        "There is too little other traffic to tell whether only this loses.".to_owned()
    } else {
        format!("Of the {} of this host {} are lost.", counted(rest.sent, "other segment"), percent(rest.ratio()))
    };
    match &fault.place {
        Place::Destination(of) if of.class == PeerClass::NodeLocal => format!(
            "{} is on this node: a virtual link, its queue or a filter between network namespaces drops segments, or the receiver is \
             too slow to take them. {elsewhere}",
            of.display_name()
        ),
        Place::Destination(of) => format!(
            "Segments to {} ({}), or their acknowledgements, are dropped on the way: by the path or at its host. {elsewhere}",
            of.display_name(),
            of.class.place()
        ),
        Place::Cgroup(_) | Place::Namespace(_) => {
            format!(
                "No single destination explains it: look at what this traffic alone passes, its virtual link, filters and shaping. {elsewhere}"
            )
        }
        Place::Node => {
            let what = match fault.others.len() {
                0 => "No single destination explains it".to_owned(),
                1 => "Another destination or group loses at once".to_owned(),
                many => format!("{many} destinations or groups lose at once"),
            };
            format!("{what}: what all have in common is this node, its interface, queue, driver or uplink.")
        }
    }
}

fn with_fixes(seen: &Seen<'_>, finding: Finding, fault: &Fault, queue: Option<String>) -> Finding {
    if let Some(enter) = queue {
        return finding
            .fix(Urgency::Now, "find the listener: Recv-Q near Send-Q is a full queue", &format!("{enter}ss -ltnp"))
            .fix(
                Urgency::Now,
                "see whether it still overflows",
                &format!("{enter}nstat -az TcpExtListenOverflows TcpExtListenDrops"),
            );
    }
    let enter = match &fault.place {
        Place::Namespace(index) => enter(&seen.namespaces[*index]),
        Place::Destination(_) => fault.flows.first().map(|flow| flow.enter(seen.own)).unwrap_or_default(),
        _ => String::new(),
    };
    let remote = match &fault.place {
        Place::Destination(destination) => Some(destination.remote.as_str()),
        _ => fault.flows.first().map(|flow| flow.remote.as_str()),
    };
    let mut finding = finding;
    if let Some(remote) = remote {
        finding = finding
            .fix(Urgency::Now, "see retransmits and round trips by connection", &format!("{enter}ss -tin dst {}", for_ss(remote)))
            .fix(Urgency::Now, "see whether small packets are lost as well", &format!("{enter}ping -c 50 -i 0.2 {remote}"))
            .fix(Urgency::WithinFiveMinutes, "see which way they take", &format!("{enter}ip route get {remote}"));
    } else {
        finding = finding.fix(Urgency::Now, "see connections that retransmit", &format!("{enter}ss -tin | grep -B1 retrans"));
    }
    finding
        .fix(Urgency::WithinFiveMinutes, "look for drops and errors of interfaces", &format!("{enter}ip -s link"))
        .fix(Urgency::WithinFiveMinutes, "look for drops of queues and shaping", &format!("{enter}tc -s qdisc show"))
        .fix(
            Urgency::Later,
            "watch the kernel's counters",
            &format!("{enter}nstat -az TcpRetransSegs TcpOutSegs TcpExtTCPTimeouts"),
        )
}
