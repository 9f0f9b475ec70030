//! Every way to get a descriptor. What is made stays open.

use std::{
    mem::forget,
    net::{TcpListener, TcpStream},
    os::{fd::IntoRawFd, unix::net::UnixStream},
};

use crate::{process::open_null, rights};

#[path = "routes/ring.rs"]
mod ring;

/// A route that is one call, which returns the descriptor.
macro_rules! call {
    ($call:expr) => {
        || {
            // SAFETY: a call with numbers and strings that end in NUL.
            let descriptor = unsafe { $call };
            assert!(i64::from(descriptor) >= 0, "{}", std::io::Error::last_os_error());
        }
    };
}

/// A route that is one call, which writes two descriptors.
macro_rules! pair {
    ($ends:ident, $call:expr) => {
        || {
            let mut both = [0; 2];
            let $ends = both.as_mut_ptr();
            // SAFETY: room for what the call writes.
            assert_eq!(unsafe { $call }, 0, "{}", std::io::Error::last_os_error());
        }
    };
}

/// Name, how many descriptors one call makes, and the call.
pub const ALL: [(&str, u64, fn()); 15] = [
    ("open", 1, || forget(open_null())),
    ("socket", 1, || forget(std::net::UdpSocket::bind("127.0.0.1:0").unwrap())),
    ("accept", 3, accept),
    ("pipe", 2, pair!(ends, libc::pipe(ends))),
    ("socketpair", 2, pair!(ends, libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends))),
    ("dup", 1, call!(libc::dup(0))),
    ("fcntl", 1, call!(libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 100))),
    ("eventfd", 1, call!(libc::eventfd(0, 0))),
    ("memfd", 1, call!(libc::memfd_create(c"x".as_ptr(), 0))),
    ("epoll", 1, call!(libc::epoll_create1(0))),
    ("timerfd", 1, call!(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0))),
    ("inotify", 1, call!(libc::inotify_init1(0))),
    ("pidfd_open", 1, call!(libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0))),
    ("SCM_RIGHTS", 1, receive),
    ("io_uring", 2, ring::open),
];

/// The listening socket, the one that connects and the one that is accepted.
fn accept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    forget(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    forget(listener.accept().unwrap());
    forget(listener);
}

/// A descriptor that came in a message.
fn receive() {
    let (from, to) = UnixStream::pair().unwrap();
    rights::send(&from, &open_null());
    assert!(rights::receive(&to).into_raw_fd() > 2);
}
