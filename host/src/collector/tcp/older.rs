//! Connections from before the window whose ends the kernel added up: what they sent in their whole lives, less what they had sent
//! when the window began.

use std::collections::HashMap;

use kerno_ebpf_common::tcp::{Connection, Flow, Sums};

/// Network namespace and address of the other side: what a connection keeps for life, unlike its control group.
type Remote = (u32, [u32; 4]);

/// What some connections had sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    connections: u64,
    sent: u64,
    retransmitted: u64,
}

impl Account {
    fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.sent += other.sent;
        self.retransmitted += other.retransmitted;
    }

    fn of(sums: &Sums) -> Self {
        Self { connections: sums.older, sent: sums.older_sent, retransmitted: sums.older_retransmitted }
    }
}

/// The kernel's sums of a flow, or of a namespace where it had no room for one.
pub type Summed = (Option<Flow>, u32, Sums);

/// What was sent within the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Retransmitted ones too.
    pub sent: u64,
    pub retransmitted: u64,
}

/// The connections that were there when the window began and of which nothing was told since.
#[derive(Debug, Default)]
pub struct Older(HashMap<Remote, Account>);

impl Older {
    /// A connection was there, with these counters.
    pub fn note(&mut self, told: &Connection) {
        let account = Account { connections: 1, sent: told.sent.into(), retransmitted: told.retransmitted.into() };
        self.0.entry((told.namespace, told.remote)).or_default().add(account);
    }

    /// It is told by itself. `sent` and `retransmitted` are those it was noted with.
    pub fn settled(&mut self, told: &Connection, sent: u32, retransmitted: u32) {
        if let Some(account) = self.0.get_mut(&(told.namespace, told.remote)) {
            account.connections = account.connections.saturating_sub(1);
            account.sent = account.sent.saturating_sub(sent.into());
            account.retransmitted = account.retransmitted.saturating_sub(retransmitted.into());
            if account.connections == 0 {
                self.0.remove(&(told.namespace, told.remote));
            }
        }
    }

    /// What those that the kernel added up sent within the window, for each of its sums; `None` where that is not known, because others
    /// are among them that were not noted.
    pub fn within(self, all: &[Summed]) -> Vec<Option<Within>> {
        let mut ends: HashMap<(u32, Option<[u32; 4]>), Account> = HashMap::new();
        let key = |(flow, namespace, _): &Summed| (*namespace, flow.map(|flow| flow.remote));
        for summed in all {
            ends.entry(key(summed)).or_default().add(Account::of(&summed.2));
        }
        let mut starts: HashMap<(u32, Option<[u32; 4]>), Account> = HashMap::new();
        for ((namespace, remote), account) in self.0 {
            let flow = (namespace, Some(remote));
            let of = if ends.contains_key(&flow) { flow } else { (namespace, None) };
            starts.entry(of).or_default().add(account);
        }
        // Groups with connections to one address share by their number what these sent.
        let mut shared: HashMap<(u32, Option<[u32; 4]>), u64> = HashMap::new();
        let share = |summed: &Summed| {
            let (end, start) = (ends.get(&key(summed))?, starts.get(&key(summed)).copied().unwrap_or_default());
            if end.connections != start.connections {
                return (summed.2.older == 0).then(Within::default);
            }
            let before = shared.entry(key(summed)).or_default();
            let after = *before + summed.2.older;
            let part = |total: u64| {
                let upto = |connections: u64| u128::from(total) * u128::from(connections) / u128::from(end.connections.max(1));
                u64::try_from(upto(after) - upto(*before)).unwrap_or(u64::MAX)
            };
            let told = Within {
                sent: part(since(end.sent, start.sent)),
                retransmitted: part(since(end.retransmitted, start.retransmitted)),
            };
            *before = after;
            Some(told)
        };
        all.iter().map(share).collect()
    }
}

/// Each connection's counter has 32 bits: a sum of them is known by that much, which is more than a window can send.
fn since(end: u64, start: u64) -> u64 {
    u64::from(end.wrapping_sub(start) as u32)
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::found;
    use super::*;

    fn of(remote: u32, socket: u64, sent: u32) -> Connection {
        Connection { remote: [0, 0, 0, remote], ..found(socket, sent, 2, 0) }
    }

    fn summed(remote: Option<u32>, group: u64, older: u64, older_sent: u64) -> Summed {
        let namespace = found(1, 0, 0, 0).namespace;
        let flow = remote.map(|remote| Flow { group, remote: [0, 0, 0, remote], namespace, padding: 0 });
        (flow, namespace, Sums { older, older_sent, older_retransmitted: 3 * older, ..Sums::default() })
    }

    #[test]
    fn what_was_sent_before_is_taken_off_and_groups_share_the_rest() {
        let mut older = Older::default();
        (0..5).for_each(|socket| older.note(&of(9, socket, 100)));
        // One of them is told by itself.
        older.settled(&of(9, 4, 777), 100, 2);
        let within = older.within(&[summed(Some(9), 1, 1, 103), summed(Some(9), 2, 3, 307)]);
        let told: Vec<_> = within.into_iter().map(Option::unwrap).collect();
        assert_eq!(told.iter().map(|within| (within.sent, within.retransmitted)).collect::<Vec<_>>(), [(2, 1), (8, 3)]);
    }

    #[test]
    fn a_namespaces_sums_are_those_of_all_remotes_that_have_none() {
        let mut older = Older::default();
        (0..4).for_each(|socket| older.note(&of(socket as u32, socket, 10)));
        let within = older.within(&[summed(Some(0), 1, 1, 15), summed(None, 0, 3, 60)]);
        assert_eq!(within, [Some(Within { sent: 5, retransmitted: 1 }), Some(Within { sent: 30, retransmitted: 3 })]);
    }

    #[test]
    fn a_counter_that_begins_anew_hides_nothing() {
        let mut older = Older::default();
        older.note(&of(9, 1, u32::MAX - 4));
        older.note(&of(9, 2, 100));
        let within = older.within(&[summed(Some(9), 1, 2, 5 + 130)]);
        assert_eq!(within.first().unwrap().unwrap().sent, 10 + 30);
    }

    #[test]
    fn where_others_were_added_up_as_well_nothing_is_known() {
        let mut older = Older::default();
        older.note(&of(9, 1, 100));
        assert_eq!(older.within(&[summed(Some(9), 1, 2, 300), summed(Some(8), 1, 0, 0)]), [None, Some(Within::default())]);
    }
}
