//! Threads that are asleep in every call that is made to wait, most of the time for longer than any threshold.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use crate::progress::Progress;
use crate::sys;

/// A program of its own has a limit of descriptors; many threads wait on one.
const SHARED: usize = 32;

/// Starts `count` of them and waits for ever.
pub fn run(count: u64) -> io::Result<()> {
    let woken = Progress::new("sleepers");
    let (socket, _peer) = UnixDatagram::pair()?;
    let listeners = (0..SHARED).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    let epolls = (0..SHARED).map(|_| sys::epoll(None)).collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        for index in 0..count {
            let (woken, socket, listeners, epolls) = (&woken, &socket, &listeners, &epolls);
            // Spread over some seconds, so that not all of them wake at once.
            let time = 2_000 + index * 7 % 3_000;
            let shared = usize::try_from(index).unwrap_or_default() % SHARED;
            let sleep = move || {
                loop {
                    match index % 8 {
                        0 => sys::epoll_wait(&epolls[shared], i32::try_from(time).unwrap_or(i32::MAX)),
                        1 => sys::futex(time),
                        2 => thread::sleep(Duration::from_millis(time)),
                        3 => drop(listeners[shared].accept()),
                        4 => sys::poll(socket, i32::try_from(time).unwrap_or(i32::MAX)),
                        5 => sys::pause(),
                        6 => sys::sigwait(time),
                        _ => drop(socket.recv(&mut [0; 8])),
                    }
                    woken.add();
                }
            };
            thread::Builder::new().stack_size(32 << 10).spawn_scoped(scope, sleep)?;
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    })
}
