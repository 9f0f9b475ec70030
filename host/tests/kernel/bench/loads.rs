//! Workloads of a fixed size, each in a process of its own: what they take is what one operation takes.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use crate::{child::Child, guest::sleep};

/// A loop over one operation.
pub struct Workload {
    pub name: &'static str,
    operations: u32,
    work: Box<dyn Fn(u32)>,
}

impl Workload {
    /// Nanoseconds an operation took.
    pub fn run(&self) -> f64 {
        let (mut from, to) = pipe();
        // SAFETY: the child makes system calls on its own memory and ends without unwinding or running the parent's destructors.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "no process");
        if child == 0 {
            (self.work)(self.operations / 20);
            let start = Instant::now();
            (self.work)(self.operations);
            let taken = u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
            let _ = File::from(to).write_all(&taken.to_ne_bytes());
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) };
        }
        drop(to);
        let mut taken = [0; 8];
        from.read_exact(&mut taken).unwrap();
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        u64::from_ne_bytes(taken) as f64 / f64::from(self.operations)
    }
}

pub fn all(disk: &Path) -> Vec<Workload> {
    let load = |name, operations, work: Box<dyn Fn(u32)>| Workload { name, operations, work };
    let disk = PathBuf::from(disk);
    vec![
        load("getppid", 100_000, Box::new(getppid)),
        load("pipe, one CPU", 10_000, Box::new(|rounds| ping_pong(rounds, [0, 0]))),
        load("pipe, two CPUs", 10_000, Box::new(|rounds| ping_pong(rounds, [0, 1]))),
        load("disk", 2_000, Box::new(move |writes| write(writes, &disk))),
        load("tcp request", 4_000, Box::new(requests)),
        load("tcp connect", 1_000, Box::new(connects)),
    ]
}

/// So many descriptors more, in a process of their own.
pub fn descriptors(number: u32) -> Child {
    let child = Child::start("descriptors", move || {
        let limit = libc::rlimit { rlim_cur: u64::from(number) + 4_096, rlim_max: u64::from(number) + 4_096 };
        // SAFETY: the limit lives until the call returns; opening and sleeping have no memory but a constant string.
        unsafe {
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            for _ in 0..number {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
            }
            libc::sleep(1_000);
        }
    });
    let all = format!("/proc/{}/fd", child.pid());
    while fs::read_dir(&all).unwrap().count() < number as usize {
        sleep(100);
    }
    child
}

fn getppid(calls: u32) {
    pin(0);
    for _ in 0..calls {
        // SAFETY: a call without arguments; the C library does not keep its answer.
        unsafe { libc::getppid() };
    }
}

/// A byte there and back, by two threads of which each runs on its CPU.
fn ping_pong(rounds: u32, cpus: [usize; 2]) {
    let ((mut there, from_here), (mut here, from_there)) = (pipe(), pipe());
    let echo = thread::spawn(move || {
        pin(cpus[1]);
        let (mut byte, mut back) = ([0], File::from(from_there));
        while there.read_exact(&mut byte).is_ok() && back.write_all(&byte).is_ok() {}
    });
    pin(cpus[0]);
    let (mut byte, mut out) = ([1], File::from(from_here));
    for _ in 0..rounds {
        out.write_all(&byte).unwrap();
        here.read_exact(&mut byte).unwrap();
    }
    drop(out);
    echo.join().unwrap();
}

fn write(writes: u32, disk: &Path) {
    const PAGE: usize = 4096;
    pin(0);
    let file = File::options().write(true).custom_flags(libc::O_DIRECT).open(disk).unwrap();
    let buffer = vec![0_u8; 2 * PAGE];
    let start = buffer.as_ptr().align_offset(PAGE);
    for index in 0..writes {
        file.write_all_at(&buffer[start..start + PAGE], u64::from(index % 1_024) * PAGE as u64).unwrap();
    }
}

fn server() -> (SocketAddrV4, TcpListener) {
    let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), listener)
}

/// One byte asked, one answered, over one connection.
fn requests(number: u32) {
    let (address, listener) = server();
    let echo = thread::spawn(move || {
        pin(0);
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
    });
    pin(0);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut byte = [1];
    for _ in 0..number {
        stream.write_all(&byte).unwrap();
        stream.read_exact(&mut byte).unwrap();
    }
    drop(stream);
    echo.join().unwrap();
}

/// Connections that are made and closed.
fn connects(number: u32) {
    let (address, listener) = server();
    let accept = thread::spawn(move || {
        pin(0);
        for _ in 0..number {
            drop(listener.accept().unwrap());
        }
    });
    pin(0);
    for _ in 0..number {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server closes first, so that no local port waits.
        let _ = stream.read(&mut [0]);
    }
    accept.join().unwrap();
}

fn pin(cpu: usize) {
    // SAFETY: the set is plain bits and lives until the call returns.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
}

fn pipe() -> (File, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the place is valid for the two numbers that the call writes, which nobody else owns yet.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let (from, to) = (File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]));
        assert!(from.as_raw_fd() >= 0);
        (from, to)
    }
}
