//! From the account of a window to the family: totals, classes, control groups, the flows worth telling, namespaces.

use std::collections::{BTreeMap, HashMap, HashSet};

use kerno_ebpf_common::tcp::Flow;
use kerno_signals::{Cgroup, CgroupTraffic, ClassTraffic, FlowTraffic, PeerClass, Tcp};

use super::book::Book;
use super::peers::Peers;
use super::records::address;
use super::tally::Tally;
use crate::platform::cgroup::Names;

/// Flows told: of each order a part.
const FLOWS: usize = 256;
/// Control groups told.
const CGROUPS: usize = 256;

/// Segments of one namespace's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// For the first time.
    pub sent: u64,
    /// Again, SYNs and SYN-ACKs included.
    pub retransmitted: u64,
}

/// The family without namespaces, and the sums of each of them.
pub fn family(book: &Book, peers: &Peers, names: Option<&Names>) -> (Tcp, BTreeMap<u32, Sent>) {
    let (mut total, mut other) = (Tally::default(), Tally::default());
    let mut classes: BTreeMap<PeerClass, Tally> = BTreeMap::new();
    let mut groups: HashMap<u64, Tally> = HashMap::new();
    let mut namespaces: BTreeMap<u32, Sent> = BTreeMap::new();
    let mut count = |namespace: u32, group: u64, class: Option<PeerClass>, tally: &Tally| {
        total.merge(tally);
        if let Some(class) = class {
            classes.entry(class).or_default().merge(tally);
        }
        groups.entry(group).or_default().merge(tally);
        let sums = namespaces.entry(namespace).or_default();
        sums.sent += tally.sent;
        sums.retransmitted += tally.retransmitted + tally.syn_retransmitted;
    };
    let told = chosen(&book.flows);
    let mut flows = Vec::new();
    for (flow, tally) in &book.flows {
        let remote = address(flow.remote);
        let class = peers.class(remote);
        count(flow.namespace, flow.group, Some(class), tally);
        if !told.contains(flow) {
            other.merge(tally);
            continue;
        }
        flows.push(FlowTraffic {
            remote,
            port: tally.port.filter(|port| *port != 0),
            class,
            namespace: flow.namespace,
            cgroup: named(names, flow.group),
            process: tally.worst(),
            traffic: tally.told(),
        });
    }
    for (fold, tally) in &book.folded {
        count(fold.namespace, fold.group, fold.class, tally);
        other.merge(tally);
    }
    // Those with one address side by side, as questions want them.
    flows.sort_by_key(|flow| (flow.remote, flow.namespace, flow.cgroup.as_ref().map(|cgroup| cgroup.id)));
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(group, tally)| (std::cmp::Reverse(tally.segments()), *group));
    groups.truncate(CGROUPS);
    let family = Tcp {
        total: total.told(),
        classes: classes.into_iter().map(|(class, tally)| ClassTraffic { class, traffic: tally.told() }).collect(),
        cgroups: groups
            .into_iter()
            .map(|(group, tally)| CgroupTraffic { cgroup: named(names, group), traffic: tally.told() })
            .collect(),
        flows,
        other_flows: other.told(),
        ..Tcp::default()
    };
    (family, namespaces)
}

/// A control group; `None` for the number of none.
pub fn named(names: Option<&Names>, group: u64) -> Option<Cgroup> {
    (group != 0).then(|| super::super::cgroup_of(names, group))
}

/// Half of the flows told are those with the most segments; a quarter each those that retransmitted most, and those whose connects
/// were answered least.
fn chosen(flows: &HashMap<Flow, Tally>) -> HashSet<Flow> {
    let mut chosen = HashSet::new();
    take(&mut chosen, FLOWS / 4, flows, |tally| tally.retransmitted + tally.syn_retransmitted);
    take(&mut chosen, FLOWS / 4, flows, Tally::unanswered);
    let rest = FLOWS - chosen.len();
    take(&mut chosen, rest, flows, |tally| tally.segments().max(1));
    chosen
}

/// Adds the `most` flows with the largest values that are not chosen; those of nothing are left out.
fn take(chosen: &mut HashSet<Flow>, most: usize, flows: &HashMap<Flow, Tally>, value: impl Fn(&Tally) -> u64) {
    let mut values: Vec<_> =
        flows.iter().filter(|(flow, _)| !chosen.contains(*flow)).map(|(flow, tally)| (value(tally), *flow)).collect();
    values.retain(|(value, _)| *value > 0);
    // The same window tells the same flows.
    values.sort_by_key(|(value, flow)| (std::cmp::Reverse(*value), flow.namespace, flow.remote, flow.group));
    chosen.extend(values.into_iter().take(most).map(|(_, flow)| flow));
}
