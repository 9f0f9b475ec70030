//! Descriptors: leaked by one way each, and opened and closed by all of them.

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use crate::progress::{Progress, pause};
use crate::sys;

/// Gains descriptors of one kind at a rate, and never closes one.
pub fn leak(kind: &str, per_second: u32) -> io::Result<()> {
    let made = Progress::new("leak");
    let (passes, receives) = UnixDatagram::pair()?;
    let file = File::open("/dev/null")?;
    let mut kept: Vec<OwnedFd> = Vec::new();
    let step = Duration::from_secs(1) / per_second.max(1);
    let mut next = Instant::now();
    loop {
        match kind {
            "socket" => kept.push(UdpSocket::bind("127.0.0.1:0")?.into()),
            "pipe" => {
                let (reads, writes) = io::pipe()?;
                kept.extend([OwnedFd::from(reads), writes.into()]);
                // One call makes two.
                made.add();
                next += step;
            }
            "dup" => kept.push(sys::dup(&file)?),
            "eventfd" => kept.push(sys::eventfd()?),
            "file" => kept.push(File::open("/proc/self/stat")?.into()),
            "passed" => {
                sys::send(&passes, &file)?;
                sys::receive(&receives)?;
            }
            _ => return Err(io::Error::other(format!("`{kind}` is no kind of descriptor"))),
        }
        made.add();
        next += step;
        pause(next.saturating_duration_since(Instant::now()));
    }
}

/// Opens one of each kind and closes them all: much traffic, no growth.
pub fn churn(pause_us: u64) -> io::Result<()> {
    let made = Progress::new("churn");
    let file = File::open("/dev/null")?;
    loop {
        for _ in 0..10 {
            let all = (
                (File::open("/proc/self/stat")?, UdpSocket::bind("127.0.0.1:0")?, io::pipe()?),
                (UnixStream::pair()?, sys::dup(&file)?, sys::eventfd()?),
                (sys::memfd()?, sys::epoll(None)?),
            );
            drop(all);
            made.add();
        }
        pause(Duration::from_micros(pause_us));
    }
}
