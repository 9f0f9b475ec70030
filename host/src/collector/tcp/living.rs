//! The connections that a walk at the window's end finds: each once, and no more of them than there is room for.

use std::collections::HashSet;

use kerno_ebpf_common::tcp::Connection;

use super::book::{Book, CONNECTIONS};

/// The connections.
#[derive(Default)]
pub struct Living {
    /// Those of which it is known what they did in the window.
    known: Vec<Connection>,
    /// The others: nothing but that they are there is told of them.
    others: Vec<Connection>,
    /// Sockets that the walk found, as far as it matters that it did.
    pub seen: HashSet<u64>,
    /// Known ones that found no room.
    pub beyond: u64,
}

impl Living {
    /// Takes one that a descriptor leads to. Another descriptor may have led to it before.
    pub fn note(&mut self, told: Connection, book: &Book) {
        if book.knows(&told) {
            if self.seen.insert(told.socket) {
                self.keep(told);
            }
        } else if !self.is_full() && self.seen.insert(told.socket) {
            self.others.push(told);
        }
    }

    fn is_full(&self) -> bool {
        self.known.len() + self.others.len() >= CONNECTIONS
    }

    fn keep(&mut self, told: Connection) {
        if self.is_full() && self.others.pop().is_none() {
            self.beyond += 1;
        } else {
            self.known.push(told);
        }
    }

    /// Takes those without a descriptor.
    pub fn extend(&mut self, orphans: Vec<Connection>) {
        orphans.into_iter().for_each(|told| self.keep(told));
    }

    /// Settles all but those that have ended since, which have told their last counters themselves.
    pub fn settle(self, ended: &HashSet<(u64, u64)>, book: &mut Book, now_ns: u64) {
        book.beyond += self.beyond;
        let all = self.known.into_iter().chain(self.others);
        for told in all.filter(|told| !ended.contains(&(told.socket, told.since))) {
            book.alive(told, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::{connection, found};
    use super::super::peers::Peers;
    use super::*;
    use kerno_ebpf_common::tcp::{CONNECTED, FOUND};

    const MORE: u64 = 3 * CONNECTIONS as u64;

    /// The window of a host with more connections than are kept, each of which sends ten segments, of which two again.
    #[test]
    fn more_connections_than_there_is_room_for_are_counted_and_those_kept_are_told_exactly() {
        let mut book = Book::begin(1, Peers::default());
        (0..MORE).for_each(|socket| book.found(&found(socket, 1_000, 50, 900)));
        assert_eq!(book.beyond, MORE - CONNECTIONS as u64);
        // The kernel tells them in another order, two descriptors of each, and some born in the window.
        let mut living = Living::default();
        for socket in (0..MORE).rev().flat_map(|socket| [socket, socket]) {
            living.note(found(socket, 1_010, 52, 908), &book);
        }
        for socket in MORE..MORE + 100 {
            living.note(Connection { kind: FOUND, state: 1, ..connection(socket, CONNECTED) }, &book);
        }
        assert!(living.known.len() == CONNECTIONS && living.others.is_empty() && living.seen.len() <= 2 * CONNECTIONS + 100);
        living.settle(&HashSet::new(), &mut book, 2);
        let tally = book.flows.values().next().unwrap();
        let kept = CONNECTIONS as u64;
        assert_eq!((tally.sent, tally.retransmitted, tally.connected), (kept * 8, kept * 2, 0));
        assert_eq!(book.beyond, MORE - kept + 100);
    }

    #[test]
    fn one_that_has_ended_meanwhile_is_not_told_twice() {
        let mut book = Book::begin(1, Peers::default());
        let mut living = Living::default();
        living.note(connection(7, CONNECTED), &book);
        living.extend(vec![connection(8, CONNECTED)]);
        living.settle(&HashSet::from([(7, connection(7, CONNECTED).since)]), &mut book, 2);
        assert_eq!(book.flows.values().map(|tally| tally.connected).sum::<u64>(), 1);
    }
}
