//! Process ids that are given again within a window: what one did is not told under the other's name.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use kerno_signals::Families;

use crate::guest::{Load, window};
use crate::process::{Process, set_name, set_next_pid};

/// Reads this much of `/dev/zero` at once: milliseconds in one call.
const LONG_READ: usize = 64 << 20;

/// Calls, waits and segments of a process that has this name.
fn work(name: &std::ffi::CStr, reads: usize, segments: usize, to: SocketAddr) {
    set_name(name);
    let mut buffer = vec![0; LONG_READ];
    (0..reads).for_each(|_| File::open("/dev/zero").unwrap().read_exact(&mut buffer).unwrap());
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    (0..segments).for_each(|_| stream.write_all(b"x").unwrap());
    // Others want the CPU as well.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        std::hint::spin_loop();
    }
}

/// Reads late, so that few segments are acknowledged by themselves.
fn listen(listener: &TcpListener) {
    for stream in listener.incoming().take(2) {
        thread::sleep(Duration::from_millis(100));
        let _ = stream.unwrap().read_to_end(&mut vec![]);
    }
}

fn names_and_counts(families: &Families, pid: u32) -> Vec<(String, u64)> {
    let calls = families.syscall.as_ref().unwrap();
    let mut told: Vec<_> = calls
        .processes
        .iter()
        .filter(|process| process.caller.pid == pid && process.name == "read")
        .map(|process| (process.caller.comm.clone(), process.count))
        .collect();
    told.sort();
    told
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_reused_pid_does_not_take_over_what_another_process_did() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (to, mut pid) = (listener.local_addr().unwrap(), 0);
    // Not a thread: one that waits in `accept` has a descriptor that cannot be listed yet, and this process's are compared.
    let server = Process::start_then(|| {}, || listen(&listener));
    let hogs: Vec<_> = (0..2).map(|_| Load::hog(None)).collect();
    let window = window(|| {
        let mut first = Process::stepped(|| {}, || work(c"older", 3, 100, to));
        first.step();
        pid = first.pid();
        drop(first);
        set_next_pid(pid);
        let mut second = Process::stepped(|| {}, || work(c"younger", 5, 400, to));
        assert_eq!(second.pid(), pid, "the pid was not given again");
        second.step();
    });
    drop(hogs);
    drop(server);
    let reads = names_and_counts(&window.families, pid);
    let tasks = &window.families.sched.as_ref().unwrap().tasks;
    let waited: Vec<_> = tasks.iter().filter(|task| task.pid == pid).map(|task| (task.comm.as_str(), task.long_waits)).collect();
    let flows = &window.families.tcp.as_ref().unwrap().flows;
    let sender = flows.iter().filter_map(|flow| flow.process.as_ref()).find(|process| process.pid == pid);
    println!("measured: reads {reads:?}, waits {waited:?}, sender {sender:?}");
    assert_eq!(reads, [("older".to_owned(), 3), ("younger".to_owned(), 5)]);
    assert!(["older", "younger"].iter().all(|name| waited.iter().any(|(comm, _)| comm == name)), "{waited:?}");
    assert_eq!(sender.map(|sender| sender.comm.as_str()), Some("younger"), "{flows:?}");
}
