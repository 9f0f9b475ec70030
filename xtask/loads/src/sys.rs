//! The system calls that the standard library does not have, each as one safe function.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call that made it succeeded, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn told(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An event counter that does not block.
pub fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: a call with numbers.
    owned(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) })
}

/// A file in memory.
pub fn memfd() -> io::Result<OwnedFd> {
    // SAFETY: the name is a constant.
    owned(unsafe { libc::memfd_create(c"load".as_ptr(), 0) })
}

/// An epoll that waits for nothing, or for one descriptor to be readable.
pub fn epoll(what: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    // SAFETY: a call with a number.
    let epoll = owned(unsafe { libc::epoll_create1(0) })?;
    if let Some(what) = what {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        // SAFETY: the event lives until the call returns.
        told(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, what.as_raw_fd(), &raw mut event) })?;
    }
    Ok(epoll)
}

/// Waits for an event, for so long at most.
pub fn epoll_wait(epoll: &OwnedFd, milliseconds: i32) {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: there is room for one event.
    unsafe { libc::epoll_wait(epoll.as_raw_fd(), &raw mut event, 1, milliseconds) };
}

/// Waits until it can be read, for so long at most.
pub fn poll(what: &impl AsRawFd, milliseconds: i32) {
    let mut entry = libc::pollfd { fd: what.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: there is one entry.
    unsafe { libc::poll(&raw mut entry, 1, milliseconds) };
}

/// Waits on a futex that nobody wakes, for so long.
pub fn futex(milliseconds: u64) {
    let (word, time) = (0_u32, timespec(milliseconds));
    // SAFETY: word and time live until the call returns.
    unsafe { libc::syscall(libc::SYS_futex, &raw const word, libc::FUTEX_WAIT, 0, &raw const time) };
}

/// Waits for a signal that nobody sends, for so long.
pub fn sigwait(milliseconds: u64) {
    let time = timespec(milliseconds);
    // SAFETY: a set of signals is plain data; set and time live until the call returns.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, libc::SIGUSR2);
        libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const time);
    }
}

/// Waits for ever.
pub fn pause() {
    // SAFETY: a call without arguments.
    unsafe { libc::pause() };
}

/// Another descriptor of the same file.
pub fn dup(fd: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: a call with a number.
    owned(unsafe { libc::dup(fd.as_raw_fd()) })
}

/// Sends a descriptor over a socket.
pub fn send(socket: &impl AsRawFd, fd: &impl AsRawFd) -> io::Result<()> {
    let (byte, mut control) = ([0_u8], [0_u64; 4]);
    let mut part = libc::iovec { iov_base: byte.as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: the message is made of buffers that live until the call returns; the control buffer has room for one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        if libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Receives what [`send`] sent, and leaves it open.
pub fn receive(socket: &impl AsRawFd) -> io::Result<()> {
    let (mut byte, mut control) = ([0_u8], [0_u64; 4]);
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: as in `send`.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as usize;
        if libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Sets the limit of descriptors, the soft one.
pub fn limit_descriptors(limit: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the limit lives until the call returns.
    told(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
}

/// Gives up the rights of root: for this thread and those that it starts.
pub fn become_nobody() -> io::Result<()> {
    const NOBODY: libc::uid_t = 65534;
    // SAFETY: a call with numbers.
    told(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) })
}

/// Makes a file that connects those who open it.
pub fn fifo(path: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: the path is a string that lives until the call returns.
    told(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })
}

/// Starts `/bin/busybox true` with `input`, which the child opens before it is another program, and waits for its end.
pub fn spawn_true(input: &std::ffi::CStr) -> io::Result<()> {
    let arguments = [c"busybox".as_ptr().cast_mut(), c"true".as_ptr().cast_mut(), std::ptr::null_mut()];
    let environment = [std::ptr::null_mut()];
    // SAFETY: actions are set up before and taken down after their use; strings are constants or live until the calls return.
    unsafe {
        let mut actions: libc::posix_spawn_file_actions_t = std::mem::zeroed();
        libc::posix_spawn_file_actions_init(&raw mut actions);
        libc::posix_spawn_file_actions_addopen(&raw mut actions, 0, input.as_ptr(), libc::O_RDONLY, 0);
        let (mut child, program) = (0, c"/bin/busybox".as_ptr());
        let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
        let error = libc::posix_spawn(&raw mut child, program, &raw const actions, std::ptr::null(), arguments, environment);
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        told(libc::waitpid(child, std::ptr::null_mut(), 0))
    }
}

/// CPU time that this thread has used, nanoseconds.
pub fn cpu_time_ns() -> u64 {
    let mut time = timespec(0);
    // SAFETY: the time lives until the call returns.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// Drops a file from the page cache.
pub fn forget(file: &impl AsRawFd) {
    // SAFETY: a call with numbers.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

fn timespec(milliseconds: u64) -> libc::timespec {
    libc::timespec { tv_sec: (milliseconds / 1_000).cast_signed(), tv_nsec: (milliseconds % 1_000 * 1_000_000).cast_signed() }
}
