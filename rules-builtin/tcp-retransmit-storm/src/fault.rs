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
    /// By its index among those that were seen.
    Namespace(usize),
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
    fn of(place: Place, loss: Loss, syns: Option<u64>) -> Self {
        Self { place, loss, syns, flows: Vec::new(), others: Vec::new() }
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
        let mut node = Fault::of(Place::Node, all, seen.total.syn_retransmitted);
        node.others = faults.iter().map(named).collect();
        node.flows = faults.swap_remove(0).flows;
        return vec![node];
    }
    let groups = cgroups(seen, &faults);
    if groups.len() > 1 && seen.crosses(&all) && faults.is_empty() {
        let mut node = Fault::of(Place::Node, all, seen.total.syn_retransmitted);
        node.others = groups.iter().map(named).collect();
        return vec![node];
    }
    faults.extend(folded(groups));
    if faults.is_empty() {
        faults.extend(namespace(seen));
    }
    if faults.is_empty() && seen.crosses(&all) {
        faults.push(Fault::of(Place::Node, all, seen.total.syn_retransmitted));
    }
    faults
}

/// Destinations past the threshold. Both ends of a connection within the node are seen here: of such the worst stands for all.
fn destinations(seen: &Seen<'_>) -> Vec<Fault> {
    let few = seen.total.sent as f64 * seen.signals.parameter("client_share");
    let mut faults: Vec<Fault> = Vec::new();
    for destination in seen.signals.lossy_destinations(seen.min, seen.threshold, ASKED) {
        // A client of a public service with a bad line is no fault of this node's.
        if destination.class == PeerClass::Public && destination.port.is_none() && (destination.segments.sent as f64) < few {
            continue;
        }
        let flows = seen.signals.flows(&destination.remote, destination.namespace, TALKERS);
        let loss = seen.of(&destination.segments, &flows);
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
        let syns = destination.segments.syn_retransmitted;
        let mut fault = Fault::of(Place::Destination(destination), loss, syns);
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
        let loss = seen.of(&group.segments, &[]);
        let cgroup = group.cgroup.filter(|cgroup| seen.crosses(&loss) && !talks(cgroup))?;
        Some(Fault::of(Place::Cgroup(cgroup), loss, group.segments.syn_retransmitted))
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
    let mut worst: Option<(usize, &NetworkNamespace, Loss)> = None;
    for (index, namespace) in seen.namespaces.iter().enumerate() {
        let Some(loss) = Seen::of_namespace(namespace).filter(|loss| seen.crosses(loss)) else { continue };
        if worst.is_none_or(|(.., worst)| loss.lost > worst.lost) {
            worst = Some((index, namespace, loss));
        }
    }
    let (index, worst, loss) = worst?;
    let syns = worst.totals.as_ref().map(|totals| totals.syn_retransmitted);
    Some(Fault::of(if worst.own { Place::Node } else { Place::Namespace(index) }, loss, syns))
}

fn named(fault: &Fault) -> (String, Loss) {
    let name = match &fault.place {
        Place::Destination(destination) => destination.display_name(),
        Place::Cgroup(cgroup) => cgroup.display_name(),
        Place::Namespace(_) | Place::Node => "this host".to_owned(),
    };
    (name, fault.loss)
}
