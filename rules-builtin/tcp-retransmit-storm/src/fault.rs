//! Where segments are lost: the smallest part of the traffic that explains it.

use kerno_rules_sdk::prelude::*;

use crate::loss::{Loss, Seen};

/// Destinations that are looked at, most sent again first.
const ASKED: u32 = 64;
/// Who talks to one of them.
const TALKERS: u32 = 16;
/// Destinations that have a finding of their own; when more lose at once, this node is what they have in common.
const MOST: usize = 3;

/// What loses.
pub(crate) enum Place {
    Destination(Destination),
    Cgroup(Cgroup),
    Namespace(NetworkNamespace),
    Class(PeerClass),
    Node,
}

/// One fault.
pub(crate) struct Fault {
    pub place: Place,
    pub loss: Loss,
    /// SYNs and SYN-ACKs sent again, where they are told apart.
    pub syns: Option<u64>,
    /// Who talks to the destination.
    pub flows: Vec<Flow>,
    /// Other parts of the traffic past the threshold.
    pub others: Vec<(String, Loss)>,
}

impl Fault {
    fn of(place: Place, loss: Loss, traffic: Option<&Traffic>) -> Self {
        Self { place, loss, syns: traffic.and_then(Seen::syns), flows: Vec::new(), others: Vec::new() }
    }
}

pub(crate) fn find(seen: &Seen<'_>) -> Vec<Fault> {
    if seen.is_lossy {
        return namespace(seen).into_iter().collect();
    }
    let mut faults = destinations(seen);
    let all = seen.of(&seen.total, &[]);
    let rest = faults.iter().fold(all, |rest, fault| rest.without(fault.loss));
    if faults.len() > MOST || !faults.is_empty() && seen.crosses(&rest) {
        let mut node = Fault::of(Place::Node, all, Some(&seen.total));
        node.flows = faults.first().map(|fault| fault.flows.clone()).unwrap_or_default();
        node.others = faults.iter().map(named).collect();
        return vec![node];
    }
    let groups = cgroups(seen, &faults);
    if groups.len() > 1 && seen.crosses(&all) && faults.is_empty() {
        let mut node = Fault::of(Place::Node, all, Some(&seen.total));
        node.others = groups.iter().map(named).collect();
        return vec![node];
    }
    faults.extend(folded(groups));
    if faults.is_empty() {
        faults.extend(namespace(seen));
    }
    if faults.is_empty() {
        let classes = seen.signals.tcp_classes();
        let lossy = classes.iter().map(|of| (of, seen.of(&of.traffic, &[]))).filter(|(_, loss)| seen.crosses(loss));
        let worst = lossy.max_by(|a, b| a.1.lost.total_cmp(&b.1.lost));
        faults.extend(worst.map(|(of, loss)| Fault::of(Place::Class(of.class), loss, Some(&of.traffic))));
    }
    if faults.is_empty() && seen.crosses(&all) {
        faults.push(Fault::of(Place::Node, all, Some(&seen.total)));
    }
    faults
}

/// Destinations past the threshold. Both ends of a connection within the node are seen here: of such the worst stands for all.
fn destinations(seen: &Seen<'_>) -> Vec<Fault> {
    let public = seen.signals.tcp_classes().into_iter().find(|of| of.class == PeerClass::Public);
    let public = public.map_or(0, |of| of.traffic.sent) as f64 * seen.signals.parameter("client_share");
    let mut faults: Vec<Fault> = Vec::new();
    for destination in seen.signals.destinations_by_retransmits(seen.min, seen.threshold, ASKED) {
        // A client of a public service with a bad line is no fault of this node's.
        let is_client = destination.port.is_none()
            && destination.traffic.connections.as_ref().is_none_or(|all| all.connected == 0)
            && destination.class == PeerClass::Public;
        if is_client && (destination.traffic.sent as f64) < public {
            continue;
        }
        let flows = seen.signals.flows(&destination.remote, destination.namespace, TALKERS);
        let loss = seen.of(&destination.traffic, &flows);
        if !seen.crosses(&loss) {
            continue;
        }
        let is_here = |fault: &&mut Fault| matches!(&fault.place, Place::Destination(of) if of.class == PeerClass::NodeLocal);
        if destination.class == PeerClass::NodeLocal
            && let Some(worse) = faults.iter_mut().find(is_here)
        {
            worse.others.push((destination.display_name(), loss));
            worse.flows.extend(flows);
            continue;
        }
        let mut fault = Fault::of(Place::Destination(destination), loss, None);
        if let Place::Destination(destination) = &fault.place {
            fault.syns = Seen::syns(&destination.traffic);
        }
        fault.flows = flows;
        faults.push(fault);
    }
    faults
}

/// Control groups past the threshold that do not talk to a destination that is.
fn cgroups(seen: &Seen<'_>, faults: &[Fault]) -> Vec<Fault> {
    let talks = |cgroup: &Cgroup| {
        let mut groups = faults.iter().flat_map(|fault| &fault.flows).filter_map(|flow| flow.cgroup.as_ref());
        groups.any(|other| other.id == cgroup.id && other.path == cgroup.path)
    };
    let groups = seen.signals.tcp_cgroups(seen.min, seen.threshold, ASKED).into_iter().filter_map(|group| {
        let loss = seen.of(&group.traffic, &[]);
        let cgroup = group.cgroup.filter(|cgroup| seen.crosses(&loss) && !talks(cgroup))?;
        Some(Fault::of(Place::Cgroup(cgroup), loss, Some(&group.traffic)))
    });
    groups.collect()
}

/// The worst of several, the others as its evidence.
fn folded(faults: Vec<Fault>) -> Option<Fault> {
    let mut faults = faults.into_iter();
    let mut worst = faults.next()?;
    worst.others = faults.map(|fault| named(&fault)).collect();
    Some(worst)
}

/// The network namespace that lost most, by the kernel's own count.
fn namespace(seen: &Seen<'_>) -> Option<Fault> {
    let lossy = seen.namespaces.iter().filter_map(|namespace| Some((namespace, Seen::of_namespace(namespace)?)));
    let (worst, loss) = lossy.filter(|(_, loss)| seen.crosses(loss)).max_by(|a, b| a.1.lost.total_cmp(&b.1.lost))?;
    let mut fault = Fault::of(if worst.own { Place::Node } else { Place::Namespace(worst.clone()) }, loss, None);
    fault.syns = worst.totals.as_ref().map(|totals| totals.syn_retransmitted);
    Some(fault)
}

fn named(fault: &Fault) -> (String, Loss) {
    let name = match &fault.place {
        Place::Destination(destination) => destination.display_name(),
        Place::Cgroup(cgroup) => cgroup.display_name(),
        Place::Namespace(_) | Place::Class(_) | Place::Node => "this host".to_owned(),
    };
    (name, fault.loss)
}
