//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_tcp_rtt_degradation::TcpRttDegradation as Rtt;
use kerno_rules_sdk::testing::{Window, snapshot};
use kerno_rules_sdk::{EntityKind, Severity};
use snapshot::{Coverage, Latency, PeerClass, Tcp, Traffic};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

fn tcp(window: &mut Window) -> &mut Tcp {
    window.snapshot().families.tcp.as_mut().unwrap()
}

/// A window in which one destination of a class has so many samples of so many nanoseconds, over a path that takes `path_ns`.
fn only(class: PeerClass, samples: usize, rtt_ns: u64, path_ns: u64) -> Window {
    let mut window = window("quiet-few");
    let tcp = tcp(&mut window);
    tcp.flows[0].class = class;
    for traffic in [&mut tcp.flows[0].traffic, &mut tcp.total] {
        traffic.rtt = Latency::from_samples(vec![rtt_ns; samples]);
        traffic.min_rtt_ns = Some(path_ns);
        traffic.connections.as_mut().unwrap().handshake = Latency::from_samples([path_ns; 3]);
    }
    window
}

fn traffic(window: &mut Window) -> &mut Traffic {
    &mut tcp(window).flows[0].traffic
}

#[test]
fn a_slow_peer_is_named_with_the_path_that_its_handshakes_took() {
    let outcome = window("fires-slow-peer").judge::<Rtt>();
    outcome.fires(Severity::Warning).mentions("ss -tin dst 10.0.0.5").mentions("web-worker (pid 712) of web.service");
    let finding = outcome.only_finding();
    assert_eq!((finding.entity.kind, finding.entity.names[0].value.as_str()), (EntityKind::Remote, "10.0.0.5"));
    assert!(finding.title.starts_with("10.0.0.5:5432 is slow to answer: smoothed round trip p99 4"), "{}", finding.title);
    assert!(finding.cause.contains("not the application behind it: handshakes with 10.0.0.5:5432 take 3"), "{}", finding.cause);
}

#[test]
fn connections_that_live_long_tell_by_their_smallest_round_trip() {
    window("fires-long-lived")
        .judge::<Rtt>()
        .fires(Severity::Warning)
        .mentions("Even the smallest round trip to 10.0.0.5:5432 took 12.2 ms")
        .mentions("nsenter -t 5120 -n ping -c 20 -i 0.2 10.0.0.5");
}

#[test]
fn a_queue_on_a_path_that_can_be_short_is_told_as_one() {
    window("fires-queue").judge::<Rtt>().fires(Severity::Warning).mentions("can take 18 ms").mentions("segments wait in a queue");
}

#[test]
fn both_ends_on_this_node_are_one_finding() {
    let outcome = window("fires-node-local").judge::<Rtt>();
    outcome.fires(Severity::Warning).mentions("tc -s qdisc show").mentions("smoothed round trip p99 to 10.7.0.1");
    assert_eq!(outcome.only_finding().entity.names[0].value, "10.7.0.2");
}

#[test]
fn many_slow_destinations_are_this_nodes() {
    let outcome = window("fires-everywhere").judge::<Rtt>();
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Node);
    assert!(finding.title.starts_with("Round trips to 6 destinations are slow, slowest to 10.0.0.6"), "{}", finding.title);
}

#[test]
fn delayed_acknowledgements_and_thinking_are_not_distance() {
    window("quiet-delayed-acks")
        .judge::<Rtt>()
        .is_quiet()
        .mentions("10.0.0.5:5432: the path takes 3")
        .mentions("the rest is delayed acknowledgements or the other side's own time")
        .mentions("so is 1 more");
    // What they cannot explain is a queue.
    only(PeerClass::Private, 100, 99_000_000, 300_000).judge::<Rtt>().is_quiet();
    only(PeerClass::Private, 100, 101_000_000, 300_000).judge::<Rtt>().fires(Severity::Warning).mentions("wait in a queue");
}

#[test]
fn a_peer_that_is_always_far_is_not_degraded() {
    window("quiet-far").judge::<Rtt>().is_quiet().mentions("it is always that far, the smallest was 178 ms");
    // A detour: 1.5 times its smallest.
    let mut detour = only(PeerClass::Public, 100, 280_000_000, 180_000_000);
    detour.judge::<Rtt>().fires(Severity::Warning);
    traffic(&mut detour).min_rtt_ns = Some(190_000_000);
    detour.judge::<Rtt>().is_quiet();
}

#[test]
fn the_thresholds_hold_at_their_edges_for_each_class() {
    let (ms, us) = (1_000_000, 1_000);
    for class in [PeerClass::NodeLocal, PeerClass::Cluster, PeerClass::Private] {
        only(class, 100, 10 * ms, 10 * ms).judge::<Rtt>().is_quiet().mentions("threshold 10 ms");
        only(class, 100, 10 * ms + 100 * us, 10 * ms + 50 * us).judge::<Rtt>().fires(Severity::Warning);
    }
    // In public networks the same is nothing.
    only(PeerClass::Public, 100, 90 * ms, 50 * ms).judge::<Rtt>().is_quiet().mentions("threshold 100 ms");
    let mut public = only(PeerClass::Public, 100, 105 * ms, 105 * ms);
    public.judge::<Rtt>().is_quiet();
    traffic(&mut public).min_rtt_ns = Some(20 * ms);
    public.judge::<Rtt>().fires(Severity::Warning);
    // The minimum sample, and one below.
    only(PeerClass::Private, 100, 80 * ms, 76 * ms).judge::<Rtt>().fires(Severity::Warning);
    let below = only(PeerClass::Private, 99, 80 * ms, 76 * ms).judge::<Rtt>();
    below.is_quiet().mentions("99 segments with data, 100 to one destination needed");
}

#[test]
fn few_samples_are_told_as_the_longest() {
    let fired = only(PeerClass::Private, 40, 80_000_000, 76_000_000).parameter("min_segments", 20.0).judge::<Rtt>();
    fired.fires(Severity::Warning).mentions("smoothed round trip max 80 ms of 40 segments").does_not_mention("p99 80");
    window("quiet-few").judge::<Rtt>().is_quiet();
}

#[test]
fn connections_that_sent_nothing_have_nothing_new_to_tell() {
    window("quiet-idle").judge::<Rtt>().is_quiet().mentions("0 segments with data");
}

#[test]
fn where_neither_handshake_nor_minimum_is_known_it_is_said() {
    let mut unknown = only(PeerClass::Private, 100, 30_000_000, 0);
    (traffic(&mut unknown).connections, traffic(&mut unknown).min_rtt_ns) = (None, None);
    let outcome = unknown.judge::<Rtt>();
    outcome.fires(Severity::Warning).mentions("neither a handshake nor a smallest round trip tells");
    assert!(outcome.only_finding().confidence < 0.6);
}

#[test]
fn files_losses_and_blindness_are_never_quiet() {
    let mut files = window("quiet-delayed-acks");
    files.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    files.judge::<Rtt>().is_not_evaluated().mentions("in kerno's own network namespace only");
    let mut slow = window("fires-slow-peer");
    slow.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    let outcome = slow.judge::<Rtt>();
    assert!(outcome.fires(Severity::Warning).findings()[0].confidence < 0.5);
    let mut lossy = window("fires-slow-peer");
    lossy.snapshot().collectors[0].lost = 40;
    lossy.judge::<Rtt>().is_not_evaluated().mentions("incomplete (losses): 9.09 % of 440 tcp events lost");
    let mut blind = window("quiet-far");
    blind.snapshot().collectors[0].blind_ratio = 0.5;
    blind.judge::<Rtt>().is_not_evaluated();
}
