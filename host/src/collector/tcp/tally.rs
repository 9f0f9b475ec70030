//! Sums over connections as they are settled, and what is told of them.

use std::collections::BTreeMap;

use kerno_ebpf_common::histogram::{BUCKETS, bucket_of};
use kerno_signals::{Connections, Histogram, Latency, NetworkProcess, Traffic};

/// Processes that a flow remembers; the one with most segments of those left out takes the place of the smallest.
const PROCESSES: usize = 4;

/// A distribution while it grows.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    count: u64,
    sum_ns: u64,
    max_ns: u64,
    buckets: BTreeMap<u16, u64>,
}

impl Spread {
    /// Counts a duration `times` times.
    pub fn add(&mut self, duration_ns: u64, times: u64) {
        if times > 0 {
            self.count += times;
            self.sum_ns = self.sum_ns.saturating_add(duration_ns.saturating_mul(times));
            self.max_ns = self.max_ns.max(duration_ns);
            *self.buckets.entry(bucket_of(duration_ns) as u16).or_default() += times;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        other.buckets.iter().for_each(|(bucket, times)| *self.buckets.entry(*bucket).or_default() += times);
    }

    /// What is told of it.
    pub fn told(&self) -> Latency {
        let counts = (0..BUCKETS as u16).map(|bucket| self.buckets.get(&bucket).copied().unwrap_or(0));
        Latency {
            count: self.count,
            sum_ns: self.sum_ns,
            max_ns: Some(self.max_ns),
            histogram: Some(Histogram::from_counts(counts)),
        }
    }
}

/// A process and what it sent.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Process id.
    pub pid: u32,
    /// Tells it from others that had this id, where that is known.
    pub start: u32,
    /// Command name.
    pub comm: String,
    /// Segments sent.
    pub sent: u64,
    /// Segments retransmitted.
    pub retransmitted: u64,
}

/// What some connections did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub connected: u64,
    pub retried: u64,
    pub accepted: u64,
    pub refused: u64,
    pub timed_out: u64,
    pub abandoned: u64,
    pub failed: u64,
    pub in_flight: u64,
    pub oldest_in_flight_ns: u64,
    pub closed: u64,
    /// With SYN-ACKs.
    pub syn_retransmitted: u64,
    /// For the first time.
    pub sent: u64,
    /// Without SYNs and SYN-ACKs.
    pub retransmitted: u64,
    pub handshake: Spread,
    pub retried_handshake: Spread,
    pub rtt: Spread,
    pub min_rtt_ns: Option<u64>,
    /// Ports that were connected to: `Some(0)` is several.
    pub port: Option<u16>,
    pub senders: Vec<Sender>,
}

impl Tally {
    /// Segments in all.
    pub fn segments(&self) -> u64 {
        self.sent + self.retransmitted + self.syn_retransmitted
    }

    /// Connects that ended without a connection, or have not ended.
    pub fn unanswered(&self) -> u64 {
        self.refused + self.timed_out + self.abandoned + self.failed + self.in_flight
    }

    /// Notes a port that was connected to.
    pub fn note_port(&mut self, port: u16) {
        self.port = Some(match self.port {
            Some(known) if known != port => 0,
            _ => port,
        });
    }

    /// Notes what a process sent.
    pub fn note_sender(&mut self, sender: Sender) {
        if let Some(known) = self.senders.iter_mut().find(|known| (known.pid, known.start) == (sender.pid, sender.start)) {
            known.sent += sender.sent;
            known.retransmitted += sender.retransmitted;
        } else if self.senders.len() < PROCESSES {
            self.senders.push(sender);
        } else if let Some(least) = self.senders.iter_mut().min_by_key(|known| (known.retransmitted, known.sent))
            && (least.retransmitted, least.sent) < (sender.retransmitted, sender.sent)
        {
            *least = sender;
        }
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        for (sum, value) in [
            (&mut self.connected, other.connected),
            (&mut self.retried, other.retried),
            (&mut self.accepted, other.accepted),
            (&mut self.refused, other.refused),
            (&mut self.timed_out, other.timed_out),
            (&mut self.abandoned, other.abandoned),
            (&mut self.failed, other.failed),
            (&mut self.in_flight, other.in_flight),
            (&mut self.closed, other.closed),
            (&mut self.syn_retransmitted, other.syn_retransmitted),
            (&mut self.sent, other.sent),
            (&mut self.retransmitted, other.retransmitted),
        ] {
            *sum += value;
        }
        self.oldest_in_flight_ns = self.oldest_in_flight_ns.max(other.oldest_in_flight_ns);
        self.handshake.merge(&other.handshake);
        self.retried_handshake.merge(&other.retried_handshake);
        self.rtt.merge(&other.rtt);
        self.min_rtt_ns = self.min_rtt_ns.into_iter().chain(other.min_rtt_ns).min();
    }

    /// What is told of it.
    pub fn told(&self) -> Traffic {
        Traffic {
            connections: Some(Connections {
                connected: self.connected,
                retried: self.retried,
                accepted: self.accepted,
                refused: self.refused,
                timed_out: self.timed_out,
                abandoned: self.abandoned,
                failed: self.failed,
                in_flight: self.in_flight,
                oldest_in_flight_ns: (self.in_flight > 0).then_some(self.oldest_in_flight_ns),
                closed: self.closed,
                syn_retransmitted: self.syn_retransmitted,
                handshake: self.handshake.told(),
                retried_handshake: self.retried_handshake.told(),
            }),
            sent: self.sent,
            retransmitted: self.retransmitted,
            rtt: self.rtt.told(),
            min_rtt_ns: self.min_rtt_ns,
        }
    }

    /// The process to name.
    pub fn worst(&self) -> Option<NetworkProcess> {
        let worst = self.senders.iter().max_by_key(|sender| (sender.retransmitted, sender.sent))?;
        Some(NetworkProcess { pid: worst.pid, comm: worst.comm.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weighted_spread_is_a_latency_of_as_many_samples() {
        let mut spread = Spread::default();
        spread.add(5_000, 3);
        spread.add(90_000, 1);
        spread.add(1, 0);
        assert_eq!(spread.told(), Latency::from_samples([5_000, 5_000, 5_000, 90_000]));
    }

    #[test]
    fn several_ports_are_no_port() {
        let mut tally = Tally::default();
        tally.note_port(80);
        tally.note_port(80);
        assert_eq!(tally.port, Some(80));
        tally.note_port(81);
        tally.note_port(80);
        assert_eq!(tally.port, Some(0));
    }

    #[test]
    fn a_pid_that_is_given_again_is_another_process() {
        let mut tally = Tally::default();
        for (start, comm, sent) in [(1, "older", 10), (2, "younger", 30), (1, "older", 5)] {
            tally.note_sender(Sender { pid: 7, start, comm: comm.to_owned(), sent, retransmitted: 0 });
        }
        let sent: Vec<_> = tally.senders.iter().map(|sender| (sender.comm.as_str(), sender.sent)).collect();
        assert_eq!(sent, [("older", 15), ("younger", 30)]);
        assert_eq!(tally.worst().unwrap().comm, "younger");
    }

    #[test]
    fn of_many_processes_the_worst_is_kept() {
        let mut tally = Tally::default();
        for pid in 1..100 {
            tally.note_sender(Sender { pid, start: 0, comm: format!("p{pid}"), sent: 10, retransmitted: u64::from(pid == 50) });
        }
        assert_eq!(tally.worst().unwrap(), NetworkProcess { pid: 50, comm: "p50".to_owned() });
        assert_eq!(tally.senders.len(), PROCESSES);
    }
}
