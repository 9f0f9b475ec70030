//! Ends of connections that are not a plain close, sockets with more than one process, and peers that take their time.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::AsRawFd, unix::net::UnixStream},
    thread,
};

use super::{
    connections,
    wire::{FAR, Wire, far_listener, namespace, own, tcp},
};
use crate::{
    guest::{sleep, window},
    process::Process,
    rights,
};

/// Closes with a reset instead of a FIN.
fn reset(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = size_of::<libc::linger>() as libc::socklen_t;
    let option = (&raw const linger).cast();
    // SAFETY: an option that lives until the call returns and is as long as is said.
    assert_eq!(unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, option, length) }, 0);
    drop(stream);
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_connections_that_the_other_side_resets_are_closed_and_the_kernel_counts_the_resets() {
    let wire = Wire::new();
    let listener = far_listener(FAR[0]);
    let to = listener.local_addr().unwrap();
    let window = window(|| {
        for _ in 0..10 {
            let mut near = TcpStream::connect(to).unwrap();
            let (mut far, _) = listener.accept().unwrap();
            near.write_all(b"x").unwrap();
            far.read_exact(&mut [0]).unwrap();
            reset(far);
            let error = near.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    });
    let told = tcp(&window.families);
    let ends = connections(told);
    println!("measured: {ends:?}");
    assert_eq!((ends.connected, ends.accepted, ends.closed, ends.unsuccessful()), (10, 10, 20, 0), "{ends:?}");
    assert_eq!((told.total.retransmitted, ends.in_flight), (0, 0), "a reset is no loss: {told:?}");
    let totals = |number| namespace(told, number).totals.clone().unwrap();
    let (near, far) = (totals(own(told).number), totals(wire.number()));
    // The kernel counts a reset connection on both its sides.
    assert_eq!((near.established_resets, far.established_resets, far.resets_sent), (10, 10, 10), "{near:?} {far:?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_sockets_that_were_passed_to_another_process_are_counted_once() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut other = Process::stepped(|| {}, || (0..3).for_each(|_| std::mem::forget(rights::receive(&theirs))));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let connect = || (TcpStream::connect(to).unwrap(), listener.accept().unwrap().0);
    // One from before the window, two from inside of it.
    let mut pairs = vec![connect()];
    let window = window(|| {
        pairs.extend([connect(), connect()]);
        for (near, _) in &pairs {
            rights::send(&ours, near);
        }
        other.step();
        for (near, far) in &mut pairs {
            for _ in 0..50 {
                near.write_all(b"x").unwrap();
                far.read_exact(&mut [0]).unwrap();
            }
        }
    });
    let held = std::fs::read_dir(format!("/proc/{}/fd", other.pid())).unwrap();
    let sockets: Vec<_> = held.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect();
    let ours = |stream: &TcpStream| std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
    assert!(pairs.iter().all(|(near, _)| sockets.contains(&ours(near))), "the other process has them: {sockets:?}");
    let told = tcp(&window.families);
    let ends = connections(told);
    assert_eq!((ends.connected, ends.accepted, ends.closed), (2, 2, 0), "{ends:?}");
    // Every segment that the kernel sent, and none twice.
    super::assert_adds_up(own(told), 0, 0);
    let flow = told.flows.iter().find(|flow| flow.port == Some(to.port())).unwrap_or_else(|| panic!("{:?}", told.flows));
    println!(
        "measured: {} segments sent to the listener, {} weigh in its round-trip times",
        flow.traffic.sent, flow.traffic.rtt.count
    );
    assert!((150..400).contains(&flow.traffic.sent), "{flow:?}");
}

/// Asks twenty times, of a peer at this address that thinks so long before it answers.
fn talk(address: &str, think: u64) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..20 {
            stream.read_exact(&mut [0]).unwrap();
            sleep(think);
            stream.write_all(b"y").unwrap();
        }
    });
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    for _ in 0..20 {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    server.join().unwrap();
}

/// A peer that thinks acknowledges late: by 40 ms at most, and by its answer if that comes sooner.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn tcp_delayed_acknowledgements_move_the_smoothed_round_trip_time_and_never_the_smallest() {
    const PEERS: [(&str, u64); 4] = [("127.0.1.1", 0), ("127.0.1.2", 30), ("127.0.1.3", 100), ("127.0.1.4", 300)];
    let window = window(|| {
        let clients = PEERS.map(|(address, think)| thread::spawn(move || talk(address, think)));
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let flows = &tcp(&window.families).flows;
    for (address, think) in PEERS {
        let remote = address.parse::<std::net::IpAddr>().unwrap();
        let flow = flows.iter().find(|flow| flow.remote == remote).unwrap_or_else(|| panic!("{flows:?}"));
        let told = &flow.traffic;
        let (rtt, min_rtt) = (told.rtt.max_ns.unwrap(), told.min_rtt_ns.unwrap());
        println!(
            "measured: {think} ms of thinking: smoothed {:.3} ms, smallest {:.3} ms",
            rtt as f64 / 1e6,
            min_rtt as f64 / 1e6
        );
        assert!(told.rtt.count >= 20 && min_rtt < 1_000_000, "{told:?}");
        // It moves only where the answer comes before the acknowledgement must.
        let most = if think == 30 { 31_000_000 } else { 1_000_000 };
        assert!(rtt < most, "{think} ms of thinking: {told:?}");
        assert_eq!(told.retransmitted, 0, "{told:?}");
    }
}
