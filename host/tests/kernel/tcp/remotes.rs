//! More addresses than can be told: the rest is summed up, and nothing is lost.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use kerno::collector::{Collectors, Options};
use kerno_signals::{Connections, Coverage, Traffic};

use super::wire::tcp;
use crate::{bench::programs::resident_bytes, guest::sleep};

const REMOTES: u32 = 100_000;

/// Connects once to each address of 127.0.0.0/8 from 127.1.0.0 on, and closes. Nothing waits to be accepted meanwhile.
fn visit(remotes: u32, mut each: impl FnMut(u32)) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 0));
    for index in 0..remotes {
        let near = TcpStream::connect(SocketAddr::from((Ipv4Addr::from(first + index), port))).unwrap();
        drop((near, listener.accept().unwrap()));
        each(index);
    }
}

fn ends(traffic: &Traffic) -> &Connections {
    traffic.connections.as_ref().unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_a_hundred_thousand_remotes_are_counted_whole_in_little_memory() {
    // What is in TIME_WAIT would take the memory of the guest.
    std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "1000").unwrap();
    std::fs::write("/proc/sys/kernel/printk", "1").unwrap();
    let mut collectors = Collectors::start(&Options::default());
    let anonymous = || resident_bytes(std::process::id(), "RssAnon:");
    let (before, mut most) = (anonymous(), 0);
    visit(REMOTES, |index| {
        if index % 1_000 == 0 {
            collectors.tick();
            most = most.max(anonymous());
        }
    });
    sleep(1_000);
    let collected = collectors.finish();
    most = most.max(anonymous());
    let report = collected.reports.iter().find(|report| report.name == "tcp").unwrap();
    assert_eq!((report.coverage, report.lost), (Some(Coverage::Full), 0), "{report:?}");
    let told = tcp(&collected.families);
    let (total, others) = (ends(&told.total), ends(&told.other_flows));
    let grown = most.saturating_sub(before);
    println!(
        "measured: {} flows told, {} connects in the rest; grown by {} KiB",
        told.flows.len(),
        others.connected,
        grown >> 10
    );
    let all = u64::from(REMOTES);
    assert_eq!((total.connected, total.accepted, total.closed), (all, all, 2 * all), "{total:?}");
    let in_flows: u64 = told.flows.iter().map(|flow| ends(&flow.traffic).connected).sum();
    assert_eq!(in_flows + others.connected, all, "{others:?}");
    assert!(told.flows.len() <= 256 && in_flows < 256, "{} flows", told.flows.len());
    let sent = |flow: &kerno_signals::FlowTraffic| flow.traffic.sent;
    assert_eq!(told.flows.iter().map(sent).sum::<u64>() + told.other_flows.sent, told.total.sent);
    assert!(grown < 24 << 20, "{grown} bytes");
}
