//! Asks the kernel for the TCP sockets of kerno's own network namespace, over a netlink socket.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::platform::net::diag::{self, Socket};

/// Sockets taken at most: a machine with more has its totals alone.
const MOST: usize = 1 << 20;

/// Hands over all TCP sockets with a connection, IPv4 and IPv6.
///
/// # Errors
///
/// When netlink is not to be had (sandboxes), the kernel has no `tcp_diag`, or there are too many. What was handed over before is
/// not all.
pub fn sockets(mut take: impl FnMut(Socket)) -> io::Result<()> {
    let mut found = 0;
    for family in [libc::AF_INET, libc::AF_INET6] {
        let netlink = open()?;
        send(&netlink, &diag::question(family as u8))?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = receive(&netlink, &mut buffer)?;
            let answer = diag::answer(&buffer[..length]);
            if let Some(error) = answer.error.filter(|error| *error != 0) {
                return Err(io::Error::from_raw_os_error(error));
            }
            found += answer.sockets.len();
            answer.sockets.into_iter().for_each(&mut take);
            if found > MOST {
                return Err(io::Error::other("there are more than a million TCP sockets"));
            }
            if answer.done || length == 0 {
                break;
            }
        }
    }
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    let patience = libc::timeval { tv_sec: 2, tv_usec: 0 };
    // SAFETY: calls with numbers, and with a structure that is as long as is said; the descriptor is nobody else's.
    unsafe {
        let descriptor = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(descriptor);
        let length = size_of::<libc::timeval>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const patience).cast(), length);
        Ok(socket)
    }
}

fn send(socket: &OwnedFd, message: &[u8]) -> io::Result<()> {
    // SAFETY: the message is as long as is said, and lives until the call returns.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said, and lives until the call returns.
    let length = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut found = Vec::new();
        match sockets(|socket| found.push(socket)) {
            Ok(()) => {
                let ours = found.iter().find(|socket| socket.remote_port == port).unwrap();
                assert_eq!((ours.state, ours.remote), (1, "127.0.0.1".parse::<std::net::IpAddr>().unwrap()));
                assert!(ours.cookie != 0 && ours.sent >= 2, "{ours:?}");
            }
            // Not every kernel has the module, nor every sandbox netlink: then it must be an error.
            Err(error) => assert!(error.raw_os_error().is_some(), "{error}"),
        }
        drop(stream);
    }
}
