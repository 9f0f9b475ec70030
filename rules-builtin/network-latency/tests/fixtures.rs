//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_network_latency::NetworkLatency;
use kerno_rules_sdk::testing::{Window, snapshot};
use kerno_rules_sdk::{EntityKind, Severity};
use snapshot::{Connections, Coverage, Latency, PeerClass, Tcp};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

fn tcp(window: &mut Window) -> &mut Tcp {
    window.snapshot().families.tcp.as_mut().unwrap()
}

const MS: u64 = 1_000_000;

/// A window with one destination of a class: so many handshakes and round trips, of so many nanoseconds each.
fn only(class: PeerClass, handshakes: (usize, u64), round_trips: (usize, u64), min_ns: Option<u64>) -> Window {
    let mut window = window("quiet-few");
    let tcp = tcp(&mut window);
    tcp.flows[0].class = class;
    for traffic in [&mut tcp.flows[0].traffic, &mut tcp.total] {
        traffic.rtt = Latency::from_samples(vec![round_trips.1; round_trips.0]);
        traffic.min_rtt_ns = min_ns;
        let connections = traffic.connections.as_mut().unwrap();
        connections.handshake = Latency::from_samples(vec![handshakes.1; handshakes.0]);
        connections.connected = handshakes.0 as u64;
    }
    window
}

#[test]
fn a_destination_with_slow_handshakes_is_named_and_lost_syns_are_counted_apart() {
    let outcome = window("fires-handshake").judge::<NetworkLatency>();
    outcome.fires(Severity::Warning).mentions("tracepath -n 10.0.0.5").mentions("web-worker (pid 712) of web.service");
    let finding = outcome.only_finding();
    assert_eq!((finding.entity.kind, finding.entity.names[0].value.as_str()), (EntityKind::Remote, "10.0.0.5"));
    assert!(finding.title.starts_with("10.0.0.5:5432 is slow to reach: handshake p50 1"), "{}", finding.title);
    let value = |key: &str| finding.evidence.iter().find(|one| one.key == key).map(|one| one.value);
    // A connect of 1.18 s was a SYN sent twice: not the path.
    assert!(finding.signal.value < 0.16, "{}", finding.signal.value);
    assert_eq!(value("connects after a lost SYN, not among them"), Some(2.0));
    assert_eq!(value("connects timed out"), Some(1.0));
}

#[test]
fn public_destinations_may_take_longer() {
    let outcome = window("fires-public").judge::<NetworkLatency>();
    outcome.fires(Severity::Warning);
    assert_eq!(outcome.only_finding().entity.names[0].value, "203.0.113.80");
    window("quiet-far").judge::<NetworkLatency>().is_quiet().mentions("203.0.113.81:443, threshold 300 ms");
}

#[test]
fn long_lived_connections_are_judged_by_round_trips() {
    window("fires-queue")
        .judge::<NetworkLatency>()
        .fires(Severity::Warning)
        .mentions("smoothed round trip p50 2")
        .mentions("segments wait in a queue")
        .mentions("nsenter -t 5120 -n ss -tin dst 10.0.0.5");
    only(PeerClass::Private, (0, 0), (20, 110 * MS), Some(80 * MS)).judge::<NetworkLatency>().fires(Severity::Warning);
}

#[test]
fn of_many_slow_destinations_the_worst_are_named_and_all_are_counted() {
    let outcome = window("fires-everywhere").judge::<NetworkLatency>();
    assert_eq!((outcome.findings().len(), outcome.findings()[0].entity.names[0].value.as_str()), (5, "10.0.0.8"));
    let all = outcome.findings()[0].evidence.iter().find(|one| one.key == "destinations past their threshold");
    assert_eq!(all.unwrap().value, 8.0);
}

#[test]
fn both_ends_on_this_node_are_one_finding() {
    let mut local = only(PeerClass::NodeLocal, (5, 120 * MS), (0, 0), None);
    let mut mirror = tcp(&mut local).flows[0].clone();
    mirror.remote = "10.0.0.77".parse().unwrap();
    tcp(&mut local).flows.push(mirror);
    let outcome = local.judge::<NetworkLatency>();
    outcome.mentions("p50 of 10.0.0.77");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Remote);
}

#[test]
fn a_handshake_of_a_second_is_a_lost_syn_not_a_slow_path() {
    window("quiet-lost-syns")
        .judge::<NetworkLatency>()
        .is_quiet()
        .mentions("7 connects needed more than one SYN")
        .mentions("2 connects got no answer");
}

/// As `only`, with connects that ended so.
fn connects(connected: u64, change: impl Fn(&mut Connections)) -> Window {
    let mut window = only(PeerClass::Private, (0, 0), (0, 0), None);
    let tcp = tcp(&mut window);
    for traffic in [&mut tcp.flows[0].traffic, &mut tcp.total] {
        let connections = traffic.connections.as_mut().unwrap();
        connections.connected = connected;
        change(connections);
    }
    window
}

#[test]
fn a_destination_that_does_not_answer_is_named() {
    let outcome = connects(2, |all| (all.timed_out, all.abandoned, all.syn_retransmitted) = (4, 3, 30)).judge::<NetworkLatency>();
    outcome.fires(Severity::Warning).mentions("state syn-sent dst 10.0.0.5").mentions("neither accepts nor refuses");
    let finding = outcome.only_finding();
    assert_eq!(finding.title, "7 of 9 connects to 10.0.0.5:5432 were not answered");
    assert_eq!((finding.signal.value, finding.signal.threshold), (7.0 / 9.0, 0.5));
    // One that is slow as well is told once.
    let mut slow = only(PeerClass::Private, (5, 150 * MS), (0, 0), None);
    tcp(&mut slow).flows[0].traffic.connections.as_mut().unwrap().timed_out = 5;
    assert_eq!(slow.judge::<NetworkLatency>().only_finding().title, "5 of 10 connects to 10.0.0.5:5432 were not answered");
}

#[test]
fn connects_without_an_answer_count_from_half_of_enough_of_them() {
    let of = |connected, unanswered| connects(connected, |all| all.timed_out = unanswered).judge::<NetworkLatency>();
    of(5, 5).fires(Severity::Warning);
    of(6, 5).is_quiet().mentions("5 connects got no answer");
    of(0, 5).fires(Severity::Warning);
    of(0, 4).is_quiet().mentions("4 connects got no answer");
    of(4, 1).is_quiet().mentions("1 connect got no answer");
    let strict = connects(5, |all| all.timed_out = 5).parameter("unanswered_share", 0.6);
    strict.judge::<NetworkLatency>().is_quiet();
}

#[test]
fn refused_connects_are_answered_and_young_ones_may_still_be() {
    connects(0, |all| all.refused = 900).judge::<NetworkLatency>().is_quiet().does_not_mention("no answer");
    connects(5, |all| (all.refused, all.timed_out) = (1, 5)).judge::<NetworkLatency>().is_quiet();
    // A crowd of connects that began as the window ended.
    let waiting = |age_ns, syns| {
        connects(0, |all| (all.in_flight, all.oldest_in_flight_ns, all.syn_retransmitted) = (40, Some(age_ns), syns))
            .judge::<NetworkLatency>()
    };
    waiting(30 * MS, 0).is_quiet();
    waiting(999 * MS, 40).is_quiet();
    waiting(3_000 * MS, 80).fires(Severity::Warning).mentions("40 of 40 connects");
    waiting(3_000 * MS, 4).is_quiet();
}

#[test]
fn the_other_sides_thinking_time_is_not_the_network() {
    window("quiet-thinking").judge::<NetworkLatency>().is_quiet();
    // More than it and delayed acknowledgements explain.
    let queued = only(PeerClass::Private, (9, MS), (99, 110 * MS), Some(MS));
    queued.judge::<NetworkLatency>().fires(Severity::Warning);
    let excused = only(PeerClass::Private, (9, MS), (99, 100 * MS), Some(MS)).parameter("latency_p50", 0.050);
    excused.judge::<NetworkLatency>().is_quiet();
}

#[test]
fn the_thresholds_hold_at_their_edges() {
    let near = [PeerClass::NodeLocal, PeerClass::Cluster, PeerClass::Private];
    // A histogram tells a duration by 3 %.
    for (class, threshold) in near.map(|class| (class, 100 * MS)).into_iter().chain([(PeerClass::Public, 300 * MS)]) {
        only(class, (5, threshold * 97 / 100), (0, 0), None).judge::<NetworkLatency>().is_quiet();
        only(class, (5, threshold * 104 / 100), (0, 0), None).judge::<NetworkLatency>().fires(Severity::Warning);
        only(class, (0, 0), (20, threshold * 97 / 100), Some(threshold)).judge::<NetworkLatency>().is_quiet();
        only(class, (0, 0), (20, threshold * 104 / 100), Some(threshold)).judge::<NetworkLatency>().fires(Severity::Warning);
        // One sample below the minimum.
        only(class, (4, 2 * threshold), (19, 2 * threshold), None).judge::<NetworkLatency>().is_quiet();
    }
}

#[test]
fn few_samples_are_quiet_with_their_number() {
    let reason = "2 connects, 5 to one destination needed; 8 round-trip samples, 20 needed";
    window("quiet-few").judge::<NetworkLatency>().is_quiet().mentions(reason);
}

#[test]
fn files_losses_and_blindness_are_never_quiet() {
    let mut files = window("quiet-far");
    files.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    files.judge::<NetworkLatency>().is_not_evaluated().mentions("does not tell of handshakes");
    let mut slow = window("fires-queue");
    slow.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    assert!(slow.judge::<NetworkLatency>().fires(Severity::Warning).findings()[0].confidence < 0.5);
    let mut lossy = window("fires-handshake");
    lossy.snapshot().collectors[0].lost = 40;
    lossy.judge::<NetworkLatency>().is_not_evaluated().mentions("incomplete (losses)");
    let mut blind = window("quiet-far");
    blind.snapshot().collectors[0].blind_ratio = 0.5;
    blind.judge::<NetworkLatency>().is_not_evaluated();
}
