//! Churn, full tables, and programs that stop seeing: nothing is lost in silence.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use kerno::collector::{Collectors, Options, context::Context, tcp::TcpCollector};
use kerno::platform::{Root, cgroup::Names};
use kerno_ebpf_common::tcp::{LIVE, RING_BYTES};
use kerno_signals::{CollectorStatus, Coverage, Tcp};

use super::wire::{own, tcp};
use crate::guest::{cgroup, lossy_window, sleep, window};

/// Lets this process have as many descriptors as a load balancer has.
pub fn many_descriptors() {
    let limit = libc::rlimit { rlim_cur: 65_536, rlim_max: 65_536 };
    // SAFETY: the limit lives until the call returns.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    std::fs::write("/proc/sys/net/core/somaxconn", "65535").unwrap();
}

/// Opens `count` connections over loopback and gives both their sides.
fn open(listener: &TcpListener, count: usize) -> Vec<(TcpStream, TcpStream)> {
    let to = listener.local_addr().unwrap();
    (0..count).map(|_| (TcpStream::connect(to).unwrap(), listener.accept().unwrap().0)).collect()
}

/// Connects and closes `count` times, each side in turn closing first.
pub fn churn(count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let server = thread::spawn(move || (0..count).for_each(|_| drop(listener.accept().unwrap())));
    for _ in 0..count {
        let _ = TcpStream::connect(to).unwrap().read(&mut [0]).unwrap();
    }
    server.join().unwrap();
}

fn assert_counted(tcp: &Tcp, count: u64, closed: u64) {
    let connections = tcp.total.connections.as_ref().unwrap();
    println!("measured: {} connected, {} accepted, {} closed", connections.connected, connections.accepted, connections.closed);
    assert_eq!((connections.connected, connections.accepted, connections.closed), (count, count, closed), "{connections:?}");
    let (own, totals) = (own(tcp), own(tcp).totals.as_ref().unwrap());
    // A connection in TIME_WAIT may have acknowledged a FIN, or a SYN of its successor.
    let told = own.sent + totals.resets_sent + totals.passive_opens;
    assert!((told..=told + closed / 100).contains(&totals.out_segments), "{told} {own:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_churn_past_the_ring_is_counted_whole() {
    // Twice what the ring holds, and nobody looks at it meanwhile.
    let count = RING_BYTES as usize / 60;
    std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1").unwrap();
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000").unwrap();
    let window = window(|| churn(count));
    assert_eq!(window.report("tcp").lost, 0, "{:?}", window.report("tcp"));
    let tcp = tcp(&window.families);
    assert_counted(tcp, count as u64, 2 * count as u64);
    assert_eq!(tcp.total.connections.as_ref().unwrap().handshake.count, count as u64);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_more_newborn_than_are_remembered_are_counted_whole() {
    many_descriptors();
    let count = LIVE as usize * 5 / 8;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut streams = vec![];
    let window = window(|| {
        streams = open(&listener, count);
        streams.truncate(count - 1_000);
    });
    assert_eq!(window.report("tcp").lost, 0, "{:?}", window.report("tcp"));
    assert_counted(tcp(&window.families), count as u64, 2_000);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_a_mass_close_past_the_ring_is_counted_whole() {
    many_descriptors();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut streams = open(&listener, 10_000);
    let window = window(|| {
        streams.iter_mut().for_each(|(stream, _)| stream.write_all(b"x").unwrap());
        drop(streams);
    });
    assert_eq!(window.report("tcp").lost, 0, "{:?}", window.report("tcp"));
    assert_counted(tcp(&window.families), 0, 20_000);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_births_that_find_no_room_are_counted_as_lost() {
    many_descriptors();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut streams = vec![];
    let window = lossy_window(|| streams = open(&listener, 10_000));
    let report = window.report("tcp");
    println!("measured: {report:?}");
    assert!((5_000..20_000).contains(&report.lost) && report.coverage == Some(Coverage::Partial), "{report:?}");
    assert!(report.reason.as_ref().is_some_and(|reason| reason.contains("were lost")), "{report:?}");
    drop(streams);
}

/// Ticks twice after the canary was caused, and gives what the collector then says of itself.
fn after_ticks(mut collectors: Collectors, detach: bool) -> (CollectorStatus, String) {
    for tick in 0..5 {
        collectors.tick();
        if detach && tick == 1 {
            collectors.detach("tcp");
        }
        sleep(1_000);
    }
    let reports = collectors.finish().reports;
    let report = reports.into_iter().find(|report| report.name == "tcp").unwrap();
    (report.status, report.reason.unwrap_or_default())
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_programs_that_stop_seeing_are_named() {
    let (status, reason) = after_ticks(Collectors::start(&Options::default()), false);
    assert_eq!((status, reason.as_str()), (CollectorStatus::Running, ""));
    let (status, reason) = after_ticks(Collectors::start(&Options::default()), true);
    println!("measured: detached: {reason}");
    assert!(status == CollectorStatus::Degraded && reason.contains("state_changed"), "{reason}");
    let (status, reason) = after_ticks(Collectors::start(&Options { silence: Some("tcp"), ..Options::default() }), false);
    println!("measured: silenced: {reason}");
    assert!(status == CollectorStatus::Degraded && reason.contains("state_changed"), "{reason}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_connections_belong_to_the_group_of_who_uses_them() {
    let groups = [cgroup("red"), cgroup("blue")];
    let window = window(|| {
        for (count, group) in [3, 5].into_iter().zip(&groups) {
            std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()).unwrap();
            churn(count);
        }
    });
    std::fs::write("/sys/fs/cgroup/cgroup.procs", std::process::id().to_string()).unwrap();
    for (count, path) in [(3, "/red"), (5, "/blue")] {
        let is_it =
            |group: &&kerno_signals::CgroupTraffic| group.cgroup.as_ref().and_then(|group| group.path.as_deref()) == Some(path);
        let group = tcp(&window.families).cgroups.iter().find(is_it).unwrap_or_else(|| panic!("{:?}", window.families.tcp));
        let connections = group.traffic.connections.as_ref().unwrap();
        assert_eq!((connections.connected, connections.accepted, connections.closed), (count, count, 2 * count), "{group:?}");
    }
}

/// Guest time of `count` request/response rounds, and of as many connects and closes, nanoseconds.
fn workloads(count: usize) -> (u128, u128) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to: SocketAddr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 {
            stream.write_all(&byte).unwrap();
        }
    });
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..count {
        stream.write_all(&[1]).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    let rounds = start.elapsed().as_nanos();
    drop(stream);
    server.join().unwrap();
    let start = std::time::Instant::now();
    churn(count);
    (rounds, start.elapsed().as_nanos())
}

/// The tcp collector without the others.
pub fn alone() -> TcpCollector {
    let root = Root::default();
    let names = Names::new(root.clone()).unwrap();
    TcpCollector::start(&Context::read(&root, Some(&names), None).unwrap()).unwrap()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_tcp_walk() {
    many_descriptors();
    let files: Vec<_> = (0..10_000).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let streams = open(&listener, 1_000);
    let mut collector = alone();
    let descriptors = files.len() + 2 * streams.len();
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let found = collector.walk().unwrap();
        best = best.min(start.elapsed().as_nanos());
        assert!(found >= 2_000, "{found}");
    }
    println!("measured: walk over {descriptors} descriptors, 2000 of them connections: {:.2} ms", best as f64 / 1e6);
    println!("measured:   {:.0} ns a descriptor", best as f64 / descriptors as f64);
    drop(streams);
    sleep(500);
    let start = std::time::Instant::now();
    collector.walk().unwrap();
    println!("measured:   {:.0} ns a descriptor without connections", start.elapsed().as_nanos() as f64 / 10_000.0);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_tcp_cost_of_events() {
    std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1").unwrap();
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000").unwrap();
    let _ = workloads(1_000);
    let (mut off, mut on) = ((0, 0), (0, 0));
    for _ in 0..4 {
        let (rounds, churns) = workloads(2_000);
        off = (off.0 + rounds, off.1 + churns);
        let collector = alone();
        let (rounds, churns) = workloads(2_000);
        on = (on.0 + rounds, on.1 + churns);
        drop(collector);
    }
    let share = |on: u128, off: u128| (on as f64 / off as f64 - 1.0) * 100.0;
    println!("measured: request/response {:.1} µs, with kerno {:+.2} %", off.0 as f64 / 8e6, share(on.0, off.0));
    println!("measured: connect/close {:.1} µs, with kerno {:+.2} %", off.1 as f64 / 8e6, share(on.1, off.1));
}
