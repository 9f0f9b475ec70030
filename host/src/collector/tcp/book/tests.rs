//! Tests of the account, with records as the kernel would tell them.

use kerno_ebpf_common::tcp::{CLOSED, FIN_WAIT1, FOUND, Owner as KernelOwner};
use kerno_signals::Latency;

use super::*;

const SECOND: u64 = 1_000_000_000;

pub fn connection(socket: u64, birth: u8) -> Connection {
    Connection {
        socket,
        since: if birth == UNKNOWN { 0 } else { 5 * SECOND },
        handshake_ns: if birth == CONNECTED { 30_000_000 } else { 0 },
        owner: KernelOwner { group: 7, tgid: 42, start: 1, comm: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0" },
        remote: [0, 0, u32::from_ne_bytes([0, 0, 255, 255]), u32::from_ne_bytes([10, 0, 0, 9])],
        namespace: 4_026_531_840,
        sent: 100,
        retransmitted: 10,
        syn_retransmitted: 0,
        data_sent: 80,
        srtt: 8 * 2_000,
        min_rtt: 1_500,
        error: 0,
        remote_port: 443_u16.to_be(),
        local_port: 50_000,
        kind: CLOSED,
        state: FIN_WAIT1,
        birth,
        padding: 0,
    }
}

pub fn found(socket: u64, sent: u32, retransmitted: u32, data_sent: u32) -> Connection {
    Connection { sent, retransmitted, data_sent, kind: FOUND, state: 1, ..connection(socket, UNKNOWN) }
}

fn begin(found: &[Connection]) -> Book {
    let mut book = Book::begin(SECOND, Peers::default());
    found.iter().for_each(|told| book.found(told));
    book
}

fn only(book: &Book) -> &Tally {
    let mut all = book.flows.values();
    let tally = all.next().unwrap();
    assert!(all.next().is_none());
    tally
}

#[test]
fn a_connection_that_was_there_counts_from_the_start() {
    let mut book = begin(&[found(1, 1_000, 50, 900), found(1, 1_000, 50, 900)]);
    book.event(Connection {
        owner: KernelOwner { tgid: 0, ..connection(1, UNKNOWN).owner },
        ..found_closed(1, 1_200, 70, 1_050)
    });
    let tally = only(&book);
    assert_eq!((tally.sent, tally.retransmitted, tally.closed), (180, 20, 1));
    assert_eq!(tally.rtt.told(), Latency::from_samples(vec![2_000_000; 150]));
    assert_eq!((tally.min_rtt_ns, tally.connected), (Some(1_500_000), 0));
    // Its end does not say who had it; the walk did.
    assert_eq!(tally.worst().unwrap().pid, 42);
}

fn found_closed(socket: u64, sent: u32, retransmitted: u32, data_sent: u32) -> Connection {
    Connection { kind: CLOSED, ..found(socket, sent, retransmitted, data_sent) }
}

#[test]
fn a_connection_of_unknown_age_counts_nothing_it_sent() {
    let mut book = begin(&[]);
    book.event(found_closed(1, 5_000, 400, 4_000));
    let tally = only(&book);
    assert_eq!((tally.sent, tally.retransmitted, tally.closed, tally.rtt.told().count), (0, 0, 1, 0));
}

#[test]
fn one_born_in_the_window_counts_whole_and_its_handshake_is_kept() {
    let mut book = begin(&[]);
    book.event(connection(1, CONNECTED));
    book.event(Connection { syn_retransmitted: 1, handshake_ns: 1_030_000_000, ..connection(2, CONNECTED) });
    let tally = only(&book);
    assert_eq!((tally.sent, tally.retransmitted, tally.syn_retransmitted), (180, 10 + 9, 1));
    assert_eq!((tally.connected, tally.retried, tally.closed, tally.port), (2, 1, 2, Some(443)));
    assert_eq!(tally.handshake.told(), Latency::from_samples([30_000_000]));
    assert_eq!(tally.retried_handshake.told(), Latency::from_samples([1_030_000_000]));
}

#[test]
fn syn_acks_sent_again_are_not_among_the_segments_sent() {
    let mut book = begin(&[]);
    book.event(Connection { syn_retransmitted: 3, ..connection(1, ACCEPTED) });
    let tally = only(&book);
    assert_eq!((tally.sent, tally.retransmitted, tally.syn_retransmitted, tally.accepted), (93, 7, 3, 1));
    assert_eq!(tally.port, None);
}

#[test]
fn each_way_to_fail_is_told_apart() {
    let mut book = begin(&[]);
    let fails = |error, sent| Connection {
        error,
        sent,
        retransmitted: 0,
        data_sent: 0,
        kind: FAILED,
        state: SYN_SENT,
        ..connection(1, CONNECTING)
    };
    [fails(111, 1), fails(110, 7), fails(0, 1), fails(0, 0), fails(113, 1)].into_iter().for_each(|told| book.event(told));
    let tally = only(&book);
    assert_eq!((tally.refused, tally.timed_out, tally.abandoned, tally.failed), (1, 1, 1, 2));
    assert_eq!((tally.connected, tally.closed), (0, 0));
}

#[test]
fn a_connect_in_flight_is_told_with_its_age_and_its_syns() {
    let mut book = begin(&[Connection { state: SYN_SENT, ..found(2, 1, 0, 0) }]);
    let waits = |told: Connection| Connection { sent: 3, retransmitted: 2, data_sent: 0, kind: FOUND, state: SYN_SENT, ..told };
    book.alive(waits(connection(1, CONNECTING)), 9 * SECOND);
    book.alive(waits(connection(2, UNKNOWN)), 9 * SECOND);
    let tally = only(&book);
    assert_eq!((tally.in_flight, tally.oldest_in_flight_ns), (2, 8 * SECOND));
    assert_eq!((tally.sent, tally.retransmitted, tally.syn_retransmitted), (1, 0, 4));
    assert_eq!((tally.closed, tally.failed, tally.connected), (0, 0, 0));
}

#[test]
fn what_the_kernel_had_no_room_for_is_adopted() {
    let mut book = begin(&[]);
    let birth = |socket, birth| Connection { kind: BORN, sent: 0, retransmitted: 0, state: 0, ..connection(socket, birth) };
    book.event(birth(1, CONNECTING));
    book.event(birth(2, ACCEPTED));
    assert_eq!(book.missing(&HashSet::from([2])), [1]);
    book.event(Connection { birth: UNKNOWN, ..connection(1, UNKNOWN) });
    book.alive(Connection { state: 1, kind: FOUND, ..connection(2, UNKNOWN) }, 9 * SECOND);
    let tally = only(&book);
    assert_eq!((tally.connected, tally.accepted, tally.closed, tally.sent), (1, 1, 1, 180));
    // Nobody saw when it was answered.
    assert_eq!(tally.handshake.told().count, 0);
}

#[test]
fn sums_of_the_kernel_count_like_single_connections() {
    let (mut book, flow) = (begin(&[]), Flow { group: 7, remote: [0; 4], namespace: 3, padding: 0 });
    let sums = Sums {
        connected: 4,
        retried: 1,
        handshake_ns: 3 * 40_000,
        closed: 4,
        sent: 400,
        retransmitted: 30,
        syn_retransmitted: 1,
        rtt_weight: 10,
        rtt_us: 10 * 500,
        ..Sums::default()
    };
    book.sums(&[(Some(flow), 3, sums), (None, 3, sums)]);
    let fold = Fold { namespace: 3, group: 0, class: None };
    for tally in [&book.flows[&flow], &book.folded[&fold]] {
        assert_eq!((tally.sent, tally.retransmitted, tally.syn_retransmitted), (370, 29, 1));
        assert_eq!(tally.handshake.told(), Latency::from_samples([40_000; 3]));
        assert_eq!(tally.rtt.told(), Latency::from_samples([500_000; 10]));
    }
}

#[test]
fn a_hundred_thousand_remotes_are_folded_and_nothing_is_lost() {
    let mut book = begin(&[]);
    for index in 0..100_000_u32 {
        let mut told = connection(u64::from(index), CONNECTED);
        told.remote[3] = index.to_be();
        told.sent = if index % 1_000 == 999 { 5_000 } else { 12 };
        told.retransmitted = 2;
        book.event(told);
    }
    assert!(book.flows.len() <= 2 * FLOWS);
    let all = || book.flows.values().chain(book.folded.values());
    assert_eq!(all().map(|tally| tally.connected).sum::<u64>(), 100_000);
    assert_eq!(all().map(|tally| tally.sent).sum::<u64>(), 99_900 * 10 + 100 * 4_998);
    assert_eq!(all().map(|tally| tally.retransmitted).sum::<u64>(), 200_000);
    // The heavy ones keep their names.
    assert_eq!(book.flows.values().filter(|tally| tally.sent > 4_000).count(), 100);
}
