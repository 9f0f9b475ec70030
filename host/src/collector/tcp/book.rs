//! The account of a window: connections as they are found, born and ended, settled into sums by flow. Without a kernel.

use std::collections::{HashMap, HashSet};

use kerno_ebpf_common::tcp::{
    ACCEPTED, BORN, CONNECTED, CONNECTING, Connection, FAILED, Flow, OWN, Owner as KernelOwner, REFUSED, SYN_SENT, Sums,
    TIMED_OUT, UNKNOWN,
};
use kerno_signals::PeerClass;

use super::older::{Older, Summed};
use super::peers::Peers;
use super::records::address;
use super::tally::{Sender, Tally};
use crate::collector::context::command;

/// Flows kept singly; past twice as many the smaller half is folded together.
const FLOWS: usize = 4096;
/// Connections that are kept one by one: of all that the window needs to know of them, about 16 MiB. Of each, 33 bytes are kept from
/// its beginning and 112 at its end; a table is full at seven eighths of a power of two.
pub const CONNECTIONS: usize = 57_344;
/// Births of which the kernel had no room to remember anything, 65 bytes each.
const BIRTHS: usize = 57_344;
/// Owners of the connections there were at the start, about 60 bytes each; those beyond are told where the end of one tells its own.
const OWNERS: usize = 14_336;

/// Where a connection's counters stood when the window began, and whose it was.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    sent: u32,
    retransmitted: u32,
    data_sent: u32,
    /// Index of the owner.
    owner: u32,
    connecting: bool,
}

/// What is known of a connection's birth.
#[derive(Clone, Copy)]
struct Birth {
    since: u64,
    sent: u32,
    retransmitted: u32,
    syn_retransmitted: u32,
    birth: u8,
    owner: KernelOwner,
}

#[derive(Clone, Debug, PartialEq)]
struct Owner {
    group: u64,
    pid: u32,
    start: u32,
    comm: [u8; 16],
}

impl Owner {
    fn of(told: &Connection) -> Self {
        let KernelOwner { group, tgid, start, comm } = told.owner;
        Self { group, pid: tgid, start, comm }
    }
}

/// Connections that have no name of their own any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fold {
    /// Network namespace.
    pub namespace: u32,
    /// Control group id; 0 when unknown.
    pub group: u64,
    /// What the other sides are; `None` when not even that is known.
    pub class: Option<PeerClass>,
}

/// The account.
#[derive(Default)]
pub struct Book {
    /// When the window began, nanoseconds since boot.
    start_ns: u64,
    peers: Peers,
    baseline: HashMap<u64, Baseline>,
    owners: Vec<Owner>,
    owner_of: HashMap<(u32, u32, u64), u32>,
    births: HashMap<u64, Birth>,
    older: Older,
    /// By flow.
    pub flows: HashMap<Flow, Tally>,
    /// What was folded.
    pub folded: HashMap<Fold, Tally>,
    /// Births that could not be kept.
    pub lost: u64,
    /// Connections found beyond those that are kept. One that has several descriptors may be counted several times.
    pub beyond: u64,
}

impl Book {
    /// Begins, before the connections that there are were [`found`](Self::found).
    pub fn begin(start_ns: u64, peers: Peers) -> Self {
        Self { start_ns, peers, ..Self::default() }
    }

    /// A connection that a walk at the window's start found.
    pub fn found(&mut self, told: &Connection) {
        // One that was born since the programs run needs no baseline.
        if told.birth != UNKNOWN || self.baseline.contains_key(&told.socket) {
            return;
        }
        if self.baseline.len() >= CONNECTIONS {
            self.beyond += 1;
            return;
        }
        let owner = self.intern(told);
        let (sent, retransmitted, data_sent) = (told.sent, told.retransmitted, told.data_sent);
        let connecting = told.state == SYN_SENT;
        self.older.note(told);
        self.baseline.insert(told.socket, Baseline { sent, retransmitted, data_sent, owner, connecting });
    }

    /// Index of the owner; one that there is none at when there are too many.
    fn intern(&mut self, told: &Connection) -> u32 {
        let Self { owners, owner_of, .. } = self;
        let (key, next) = ((told.owner.tgid, told.owner.start, told.owner.group), owners.len());
        if next >= OWNERS && !owner_of.contains_key(&key) {
            return u32::MAX;
        }
        *owner_of.entry(key).or_insert_with(|| {
            owners.push(Owner::of(told));
            next as u32
        })
    }

    /// Whether what a connection did in the window is known.
    pub fn knows(&self, told: &Connection) -> bool {
        told.birth != UNKNOWN || self.baseline.contains_key(&told.socket) || self.births.contains_key(&told.socket)
    }

    /// A connection ended, or was born where the kernel had no room for it.
    pub fn event(&mut self, mut told: Connection) {
        if told.kind == BORN {
            self.baseline.remove(&told.socket);
            if self.births.len() < BIRTHS {
                let Connection { since, sent, retransmitted, syn_retransmitted, birth, owner, .. } = told;
                self.births.insert(told.socket, Birth { since, sent, retransmitted, syn_retransmitted, birth, owner });
            } else {
                self.lost += 1;
            }
            return;
        }
        if told.birth == UNKNOWN
            && let Some(birth) = self.births.remove(&told.socket)
        {
            adopt(&mut told, &birth);
        }
        let before = self.before(&told);
        self.settle(&told, before, None);
    }

    /// Sockets that should still live but that a walk did not find: they have no descriptor.
    pub fn missing(&self, seen: &HashSet<u64>) -> Vec<u64> {
        self.baseline.keys().chain(self.births.keys()).filter(|socket| !seen.contains(socket)).copied().collect()
    }

    /// A connection that lives when the window ends.
    pub fn alive(&mut self, mut told: Connection, now_ns: u64) {
        if told.birth == OWN {
            return;
        }
        if told.birth == UNKNOWN
            && let Some(birth) = self.births.remove(&told.socket)
        {
            adopt(&mut told, &birth);
        }
        let before = self.before(&told);
        self.settle(&told, before, Some(now_ns));
    }

    /// Where a connection's counters stood when the window began. Another that had its socket has ended untold.
    fn before(&mut self, told: &Connection) -> Option<Baseline> {
        let before = self.baseline.remove(&told.socket).filter(|_| told.birth == UNKNOWN)?;
        self.older.settled(told, before.sent, before.retransmitted);
        Some(before)
    }

    /// All sums that the kernel kept, once every connection that was told by itself is settled.
    pub fn sums(&mut self, all: &[Summed]) {
        let within = std::mem::take(&mut self.older).within(all);
        for ((flow, namespace, sums), older) in all.iter().zip(within) {
            let tally = self.summed(*flow, *namespace);
            count(tally, sums);
            match older {
                Some(older) => {
                    tally.sent += older.sent.saturating_sub(older.retransmitted);
                    tally.retransmitted += older.retransmitted;
                }
                None => self.lost += sums.older,
            }
        }
    }

    /// What connections of a flow are counted in, or of a namespace where there was no room for that.
    fn summed(&mut self, flow: Option<Flow>, namespace: u32) -> &mut Tally {
        match flow {
            Some(flow) => self.tally(flow),
            None => self.folded.entry(Fold { namespace, group: 0, class: None }).or_default(),
        }
    }

    /// Adds what a connection did in the window to its flow. `alive_at` is the window's end when it still lives.
    fn settle(&mut self, told: &Connection, before: Option<Baseline>, alive_at: Option<u64>) {
        let mut owner = Owner::of(told);
        if owner.pid == 0
            && let Some(known) = before.and_then(|before| self.owners.get(before.owner as usize))
        {
            owner = known.clone();
        }
        // What was born before the window and was not found at its start has counters of unknown age: an orphan, as a rule.
        let base = match (told.birth, before) {
            (UNKNOWN, Some(before)) => (before.sent, before.retransmitted, before.data_sent),
            (UNKNOWN, None) => (told.sent, told.retransmitted, told.data_sent),
            _ => (0, 0, 0),
        };
        let all_retransmitted = told.retransmitted.wrapping_sub(base.1);
        let connecting = told.birth == CONNECTING || told.birth == UNKNOWN && told.state == SYN_SENT;
        let syn_retransmitted = if connecting { all_retransmitted } else { told.syn_retransmitted.min(all_retransmitted) };
        // SYN-ACKs sent again are in the socket's account of retransmitted segments, but not in that of sent ones.
        let sent_again = if told.birth == ACCEPTED { all_retransmitted - syn_retransmitted } else { all_retransmitted };
        let sent = u64::from(told.sent.wrapping_sub(base.0).saturating_sub(sent_again));
        let retransmitted = u64::from(all_retransmitted - syn_retransmitted);

        let flow = Flow { group: owner.group, remote: told.remote, namespace: told.namespace, padding: 0 };
        let start_ns = self.start_ns;
        let tally = self.tally(flow);
        tally.sent += sent;
        tally.retransmitted += retransmitted;
        tally.syn_retransmitted += u64::from(syn_retransmitted);
        if told.birth == CONNECTED {
            tally.connected += 1;
            let timed = u64::from(told.handshake_ns > 0);
            if told.syn_retransmitted > 0 {
                tally.retried += 1;
                tally.retried_handshake.add(told.handshake_ns, timed);
            } else {
                tally.handshake.add(told.handshake_ns, timed);
            }
        } else if told.birth == ACCEPTED {
            tally.accepted += 1;
        } else if before.is_some_and(|before| before.connecting) && !connecting {
            // Its connect began before the window: nobody knows how long it took.
            tally.connected += 1;
        }
        if let Some(now) = alive_at {
            if connecting {
                tally.in_flight += 1;
                let since = if told.birth == CONNECTING { told.since } else { start_ns };
                tally.oldest_in_flight_ns = tally.oldest_in_flight_ns.max(now.saturating_sub(since));
            }
        } else if told.kind == FAILED || connecting {
            match told.error {
                REFUSED => tally.refused += 1,
                TIMED_OUT => tally.timed_out += 1,
                0 if told.sent > 0 => tally.abandoned += 1,
                _ => tally.failed += 1,
            }
        } else {
            tally.closed += 1;
        }
        let data_sent = u64::from(told.data_sent.wrapping_sub(base.2));
        if data_sent > 0 && told.srtt > 0 {
            tally.rtt.add(u64::from(told.srtt) * 1_000 / 8, data_sent);
            let min_rtt = (told.min_rtt != u32::MAX).then_some(u64::from(told.min_rtt) * 1_000);
            tally.min_rtt_ns = tally.min_rtt_ns.into_iter().chain(min_rtt).min();
        }
        if matches!(told.birth, CONNECTING | CONNECTED) {
            tally.note_port(u16::from_be(told.remote_port));
        }
        if owner.pid != 0 {
            let retransmitted = u64::from(all_retransmitted);
            tally.note_sender(Sender { pid: owner.pid, start: owner.start, comm: command(&owner.comm), sent, retransmitted });
        }
    }

    /// The sums of a flow.
    pub fn tally(&mut self, flow: Flow) -> &mut Tally {
        if self.flows.len() >= 2 * FLOWS && !self.flows.contains_key(&flow) {
            self.fold();
        }
        self.flows.entry(flow).or_default()
    }

    /// Folds the flows with the fewest segments together.
    fn fold(&mut self) {
        let mut sizes: Vec<_> = self.flows.values().map(weight).collect();
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        let median = sizes.get(FLOWS).copied().unwrap_or(0);
        // Of those that weigh as much as the first that must go, some stay.
        let mut room = FLOWS - sizes.partition_point(|size| *size > median);
        let folded = &mut self.folded;
        let peers = &self.peers;
        self.flows.retain(|flow, tally| {
            if weight(tally) > median {
                return true;
            }
            if weight(tally) == median && room > 0 {
                room -= 1;
                return true;
            }
            let class = Some(peers.class(address(flow.remote)));
            folded.entry(Fold { namespace: flow.namespace, group: flow.group, class }).or_default().merge(tally);
            false
        });
    }
}

/// Adds the kernel's sums.
fn count(tally: &mut Tally, sums: &Sums) {
    let Sums { connected, retried, handshake_ns, accepted, refused, timed_out, abandoned, failed, closed, .. } = *sums;
    tally.merge(&Tally {
        connected,
        retried,
        accepted,
        refused,
        timed_out,
        abandoned,
        failed,
        closed,
        syn_retransmitted: sums.syn_retransmitted,
        sent: sums.sent - sums.retransmitted.min(sums.sent),
        retransmitted: sums.retransmitted - sums.syn_retransmitted.min(sums.retransmitted),
        ..Tally::default()
    });
    // Their distribution is not known: each counts as the average.
    let quick = connected - retried;
    tally.handshake.add(handshake_ns.checked_div(quick).unwrap_or(0), quick);
    tally.rtt.add(sums.rtt_us.checked_div(sums.rtt_weight).unwrap_or(0) * 1_000, sums.rtt_weight);
}

/// What makes a flow worth its name.
fn weight(tally: &Tally) -> u64 {
    tally.segments() + 16 * (tally.retransmitted + tally.syn_retransmitted)
}

/// Gives a connection that the kernel had no room for what is known of its birth.
fn adopt(told: &mut Connection, birth: &Birth) {
    told.since = birth.since;
    told.sent = told.sent.wrapping_sub(birth.sent);
    told.retransmitted = told.retransmitted.wrapping_sub(birth.retransmitted);
    told.syn_retransmitted = birth.syn_retransmitted;
    if told.owner.tgid == 0 {
        told.owner = birth.owner;
    }
    // When a connect was answered, nobody has seen; that it was, its state tells.
    let answered = birth.birth == CONNECTING && told.kind != FAILED && told.state != SYN_SENT;
    told.birth = if answered { CONNECTED } else { birth.birth };
}

#[cfg(test)]
pub(super) mod tests;
