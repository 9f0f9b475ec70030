//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_tcp_retransmit_storm::TcpRetransmitStorm as Storm;
use kerno_rules_sdk::testing::{Window, snapshot};
use kerno_rules_sdk::{EntityKind, Severity};
use snapshot::{Coverage, Tcp};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

fn tcp(window: &mut Window) -> &mut Tcp {
    window.snapshot().families.tcp.as_mut().unwrap()
}

/// A window in which one destination was sent so many segments, so many of them again, and nothing else.
fn only(sent: u64, retransmitted: u64) -> Window {
    let mut window = window("quiet-few");
    let tcp = tcp(&mut window);
    let flows = tcp.flows.iter_mut().map(|flow| &mut flow.traffic);
    let groups = tcp.cgroups.iter_mut().map(|group| &mut group.traffic);
    let classes = tcp.classes.iter_mut().map(|class| &mut class.traffic);
    for traffic in flows.chain(groups).chain(classes).chain([&mut tcp.total]) {
        (traffic.sent, traffic.retransmitted) = (sent, retransmitted);
    }
    for namespace in &mut tcp.namespaces {
        (namespace.sent, namespace.retransmitted) = (sent, retransmitted);
        let totals = namespace.totals.as_mut().unwrap();
        (totals.out_segments, totals.retransmitted) = (sent, retransmitted);
    }
    window
}

#[test]
fn one_remote_is_found_though_the_host_total_is_diluted() {
    let outcome = window("fires-one-remote").judge::<Storm>();
    outcome.fires(Severity::Critical).mentions("ss -tin dst 10.0.0.5").mentions("web-worker (pid 712) of web.service");
    let finding = outcome.only_finding();
    assert_eq!((finding.entity.kind, finding.entity.names[0].value.as_str()), (EntityKind::Remote, "10.0.0.5"));
    assert_eq!(finding.title, "8.2 % of 1,000 segments to 10.0.0.5:5432 are lost and sent again");
    assert!((finding.signal.value - 0.082).abs() < 1e-9 && finding.signal.threshold == 0.02);
    assert!(finding.cause.contains("Of the 49,000 other segments of this host 0.01 % are lost"), "{}", finding.cause);
    // SYNs are counted apart.
    let syns = finding.evidence.iter().find(|one| one.key.starts_with("SYNs")).unwrap();
    assert_eq!(syns.value, 3.0);
}

#[test]
fn a_loss_inside_one_namespace_over_ipv6_names_who_talks_and_enters_it() {
    window("fires-pod-namespace")
        .judge::<Storm>()
        .fires(Severity::Critical)
        .mentions("[fd07::9]:443")
        .mentions("java (pid 5120) of container 0123456789ab")
        .mentions("nsenter -t 5120 -n ss -tin dst '[fd07::9]'");
}

#[test]
fn losses_spread_over_many_remotes_of_one_unit_are_the_units() {
    let outcome = window("fires-spread").judge::<Storm>();
    let finding = outcome.only_finding();
    assert_eq!((finding.entity.kind, finding.entity.names[0].value.as_str()), (EntityKind::Unit, "web.service"));
    // Below its minimum the host's total is what is left, and it is diluted.
    window("fires-spread").parameter("min_segments", 801.0).judge::<Storm>().is_quiet().mentions("1.43 % of 2,800");
}

#[test]
fn many_lossy_remotes_are_the_nodes() {
    let outcome = window("fires-spread").parameter("min_segments", 40.0).judge::<Storm>();
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Node);
    assert!(finding.cause.starts_with("20 destinations or groups lose at once"), "{}", finding.cause);
}

#[test]
fn a_full_accept_queue_is_its_own_cause() {
    let outcome = window("fires-accept-queue").judge::<Storm>();
    outcome.fires(Severity::Critical).mentions("Not the network: a listener in the network namespace of container 0123456789ab");
    outcome.mentions("Its accept queue was full 130 times").mentions("nsenter -t 5120 -n ss -ltnp");
    // Both ends are on this node: one finding.
    assert_eq!(outcome.only_finding().entity.names[0].value, "10.88.0.2");
    let mut elsewhere = window("fires-accept-queue");
    for namespace in &mut tcp(&mut elsewhere).namespaces {
        namespace.totals.as_mut().unwrap().listen_overflows = 8;
    }
    elsewhere.judge::<Storm>().fires(Severity::Critical).does_not_mention("accept queue");
}

#[test]
fn the_kernels_totals_are_enough_to_fire_and_seldom_enough_for_quiet() {
    let outcome = window("fires-counters-only").judge::<Storm>();
    outcome.fires(Severity::Critical);
    let finding = &outcome.findings()[0];
    assert!(finding.confidence < 0.5, "{}", finding.confidence);
    let mut few = only(5_000, 60);
    few.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    few.judge::<Storm>().is_not_evaluated().mentions("losses of one destination may hide");
    // Two segments cannot be more than 2 % of any hundred.
    let mut none = only(5_000, 2);
    none.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    none.judge::<Storm>().is_quiet().mentions("of 5,000 segments lost, threshold 2 %");
}

#[test]
fn what_the_other_side_reports_as_duplicates_is_no_loss() {
    window("quiet-duplicates").judge::<Storm>().is_quiet().mentions("93.3 % of them needlessly");
    let mut lost = window("quiet-duplicates");
    tcp(&mut lost).namespaces[0].totals.as_mut().unwrap().duplicates_reported = 190;
    lost.judge::<Storm>().fires(Severity::Critical).mentions("2.2 % of 5,000").mentions("of them needlessly");
    // Where the totals could not be read nobody knows.
    let mut unknown = window("quiet-duplicates");
    tcp(&mut unknown).namespaces[0].totals = None;
    unknown.judge::<Storm>().fires(Severity::Critical).mentions("6 % of 5,000");
}

#[test]
fn syns_are_told_apart() {
    window("quiet-syns").judge::<Storm>().is_quiet().mentions("300 SYNs sent again");
    // Without an account of connections they are in the count, and taken off by the kernel's own.
    let mut untold = window("quiet-syns");
    untold.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    let tcp = tcp(&mut untold);
    tcp.total.connections = None;
    tcp.total.retransmitted = 300;
    for traffic in tcp.flows.iter_mut().map(|flow| &mut flow.traffic) {
        (traffic.connections, traffic.retransmitted) = (None, 300);
    }
    untold.judge::<Storm>().is_quiet();
}

#[test]
fn one_client_with_a_bad_line_is_not_this_nodes_fault() {
    window("quiet-one-mobile-client").judge::<Storm>().is_quiet().mentions("most to 203.0.113.7, 10 % of 200");
    window("quiet-one-mobile-client").parameter("client_share", 0.01).judge::<Storm>().fires(Severity::Critical);
    // One that this node connects to is.
    let mut server = window("quiet-one-mobile-client");
    let flows = &mut tcp(&mut server).flows;
    flows.iter_mut().find(|flow| flow.remote.to_string() == "203.0.113.7").unwrap().port = Some(443);
    server.judge::<Storm>().fires(Severity::Critical);
}

#[test]
fn the_threshold_and_the_minimum_hold_at_their_edges() {
    only(100, 3).judge::<Storm>().fires(Severity::Critical).mentions("3 % of 100 segments");
    only(100, 2).judge::<Storm>().is_quiet().mentions("2 % of 100 segments lost, threshold 2 %");
    only(99, 99).judge::<Storm>().is_quiet().mentions("99 segments, 100 needed");
    only(10_000, 201).judge::<Storm>().fires(Severity::Critical);
    only(10_000, 200).judge::<Storm>().is_quiet();
    window("quiet-few").judge::<Storm>().is_quiet().mentions("12 segments, 100 needed");
}

#[test]
fn losses_and_blindness_of_the_collector_are_never_quiet() {
    let mut lossy = window("quiet-duplicates");
    lossy.snapshot().collectors[0].lost = 40;
    lossy.judge::<Storm>().is_not_evaluated().mentions("incomplete (losses): 40 of 440 tcp events lost");
    // The kernel's totals are whole whatever was lost.
    let mut spread = only(5_000, 400);
    spread.snapshot().collectors[0].lost = 400;
    let outcome = spread.judge::<Storm>();
    outcome.fires(Severity::Critical);
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Node);
    let mut blind = window("quiet-syns");
    blind.snapshot().collectors[0].blind_ratio = 0.5;
    blind.judge::<Storm>().is_not_evaluated();
    let mut none = window("quiet-syns");
    none.snapshot().families.tcp = None;
    none.judge::<Storm>().is_not_evaluated().mentions("tcp was not measured");
}

#[test]
fn counts_of_any_size_are_judged() {
    let mut huge = only(u64::MAX, u64::MAX);
    for namespace in &mut tcp(&mut huge).namespaces {
        namespace.totals.as_mut().unwrap().duplicates_reported = u64::MAX;
    }
    huge.judge::<Storm>().is_quiet();
    only(u64::MAX, u64::MAX).judge::<Storm>().fires(Severity::Critical);
    only(0, u64::MAX).judge::<Storm>().is_quiet();
}
