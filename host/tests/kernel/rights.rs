//! Descriptors in messages from one process to another (`SCM_RIGHTS`).

use std::{
    mem::zeroed,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

/// Calls `exchange` with a message of one byte that has room for one descriptor, which is in it already.
fn with_message<T>(descriptor: i32, exchange: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut space = [0_u64; 4];
    let mut byte = 1_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: everything that the message points to lives until the exchange is over.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = space.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(descriptor);
        exchange(&mut message)
    }
}

/// Sends a descriptor; the sender keeps its own.
pub fn send(to: &UnixStream, descriptor: &impl AsRawFd) {
    // SAFETY: a whole message.
    let sent = with_message(descriptor.as_raw_fd(), |message| unsafe { libc::sendmsg(to.as_raw_fd(), message, 0) });
    assert_eq!(sent, 1);
}

/// Waits for one.
pub fn receive(from: &UnixStream) -> OwnedFd {
    with_message(-1, |message| {
        // SAFETY: room for a message with one descriptor, which nobody else owns.
        unsafe {
            assert_eq!(libc::recvmsg(from.as_raw_fd(), message, 0), 1);
            let header = libc::CMSG_FIRSTHDR(message);
            assert!(!header.is_null());
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned())
        }
    })
}
