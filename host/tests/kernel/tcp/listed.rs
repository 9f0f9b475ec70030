//! Without eBPF: the connections that the kernel lists over netlink.

use std::net::TcpStream;

use kerno::collector::{Collected, Collectors, Options};
use kerno_signals::{CollectorReport, CollectorStatus, Tcp};

use super::wire::{FAR, NEAR, Wire, exchange, far_listener, own};
use crate::guest::{is_near, modprobe, sleep};

fn measured(work: impl FnOnce()) -> (Tcp, CollectorReport) {
    let mut collectors = Collectors::start(&Options { ebpf: false, ..Options::default() });
    work();
    collectors.tick();
    let Collected { families, reports, .. } = collectors.finish();
    let report = reports.into_iter().find(|report| report.name == "tcp").unwrap();
    assert_eq!(report.status, CollectorStatus::Degraded, "{report:?}");
    (families.tcp.unwrap(), report)
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_ebpf_the_kernel_lists_round_trip_times_and_losses_of_every_connection() {
    modprobe("tcp_diag", &[]);
    let wire = Wire::new();
    let listeners = FAR.map(far_listener);
    let connect = |listener: &std::net::TcpListener| {
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    };
    // One from before the window, with losses that are not the window's; one from inside of it.
    wire.impair("delay 30ms loss 20%");
    let mut old = connect(&listeners[0]);
    exchange(&mut old.0, &mut old.1, 200_000);
    wire.impair("delay 30ms");
    sleep(5_000);
    let mut young = None;
    let (told, report) = measured(|| {
        exchange(&mut old.0, &mut old.1, 100_000);
        wire.impair("delay 30ms loss 5%");
        let mut pair = connect(&listeners[1]);
        exchange(&mut pair.0, &mut pair.1, 400_000);
        young = Some(pair);
        wire.impair("delay 30ms");
        // So that what it remembers of the round trips is the wire's.
        let pair = young.as_mut().unwrap();
        for _ in 0..40 {
            exchange(&mut pair.0, &mut pair.1, 1_000);
        }
    });
    println!("measured: source {}", report.source);
    assert!(report.source.contains("sock_diag"), "{report:?}");
    let flow = |address: &str| {
        let remote = address.parse::<std::net::IpAddr>().unwrap();
        told.flows.iter().find(|flow| flow.remote == remote).unwrap_or_else(|| panic!("no {remote}: {told:#?}"))
    };
    for (address, lossy) in [(FAR[0], false), (FAR[1], true)] {
        let traffic = &flow(address).traffic;
        let (rtt, min_rtt) = (traffic.rtt.quantile_ns(0.5).unwrap(), traffic.min_rtt_ns.unwrap());
        println!(
            "measured: {address}: {} segments, {} again, rtt {:.2} ms, smallest {:.2} ms",
            traffic.sent,
            traffic.retransmitted,
            rtt as f64 / 1e6,
            min_rtt as f64 / 1e6
        );
        assert!(is_near(rtt, 30_000_000, 0.1) && is_near(min_rtt, 30_000_000, 0.1), "{traffic:?}");
        assert_eq!(traffic.retransmitted > 0, lossy, "{traffic:?}");
        // What fits into a segment of an Ethernet.
        assert!(traffic.sent >= if lossy { 400_000 } else { 100_000 } / 1_448, "{traffic:?}");
        assert!(traffic.connections.is_none(), "it cannot know: {traffic:?}");
    }
    let namespace = own(&told);
    let totals = namespace.totals.as_ref().unwrap();
    // Nothing was closed: what the connections retransmitted is all that the kernel did, and what they sent all but SYN-ACKs.
    assert_eq!(namespace.retransmitted, totals.retransmitted, "{namespace:?}");
    assert_eq!(namespace.sent + totals.resets_sent + totals.passive_opens, totals.out_segments, "{namespace:?}");
    assert!(
        told.flows.iter().all(|flow| !NEAR.contains(&flow.remote.to_string().as_str())),
        "the far side is another namespace's"
    );
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn without_the_kernels_list_the_totals_are_told_alone() {
    let (told, report) = measured(|| super::limits::churn(20));
    println!("measured: source {}", report.source);
    assert!(!report.source.contains("sock_diag"), "{report:?}");
    assert!(told.flows.is_empty(), "{told:?}");
    assert!(own(&told).totals.as_ref().is_some_and(|totals| totals.active_opens >= 20), "{told:?}");
}
