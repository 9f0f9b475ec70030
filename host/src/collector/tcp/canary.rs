//! The canary: a connect to a port of loopback that is kept closed, which the programs must see end.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A port of loopback that nobody listens at, because a socket that does not listen holds it.
pub struct Canary {
    _holder: OwnedFd,
    address: libc::sockaddr_in,
}

impl Canary {
    /// Takes a free port; `None` where there is no loopback.
    pub fn new() -> Option<Self> {
        let holder = socket()?;
        let mut address = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
            sin_zero: [0; 8],
        };
        let mut length = LENGTH;
        // SAFETY: the address is as long as is said, and lives until both calls return.
        let taken = unsafe {
            libc::bind(holder.as_raw_fd(), (&raw const address).cast(), LENGTH) == 0
                && libc::getsockname(holder.as_raw_fd(), (&raw mut address).cast(), &raw mut length) == 0
        };
        taken.then_some(Self { _holder: holder, address })
    }

    /// The port, in network byte order.
    pub fn port(&self) -> u16 {
        self.address.sin_port
    }

    /// Connects and closes at once. Whether a SYN was sent: then a program on the sockets' states sees the connect end before this
    /// returns, however it ends.
    pub fn sing(&self) -> bool {
        let Some(socket) = socket() else { return false };
        // SAFETY: as in `new`.
        let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const self.address).cast(), LENGTH) };
        let error = std::io::Error::last_os_error().raw_os_error();
        result != 0 && matches!(error, Some(libc::EINPROGRESS | libc::ECONNREFUSED))
    }
}

const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

/// A TCP socket whose connect does not wait.
fn socket() -> Option<OwnedFd> {
    // SAFETY: a call with three numbers; the descriptor it returns is nobody else's.
    unsafe {
        let descriptor = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0);
        (descriptor >= 0).then(|| OwnedFd::from_raw_fd(descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers() {
        // A build container may have no loopback.
        if let Some(canary) = Canary::new() {
            assert!(canary.sing() && canary.sing());
        }
    }
}
