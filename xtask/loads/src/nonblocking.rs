//! Calls that find nothing to do, as every event loop makes them: `EAGAIN` is not an error.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::progress::{Progress, pause};

/// Reads from what is empty, writes to what is full, accepts where nobody connects.
pub fn run(pause_us: u64) -> io::Result<()> {
    let made = Progress::new("nonblocking");
    let (mut empty, _keeps_it_open) = UnixStream::pair()?;
    let (mut full, _never_reads) = UnixStream::pair()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    empty.set_nonblocking(true)?;
    full.set_nonblocking(true)?;
    listener.set_nonblocking(true)?;
    while full.write(&[0; 4096]).is_ok() {}
    loop {
        for _ in 0..20 {
            let nothing = [
                empty.read(&mut [0; 64]).err().map(|error| error.kind()),
                full.write(&[0; 64]).err().map(|error| error.kind()),
                listener.accept().err().map(|error| error.kind()),
            ];
            if nothing.iter().any(|kind| *kind != Some(io::ErrorKind::WouldBlock)) {
                return Err(io::Error::other(format!("a call did something else than nothing: {nothing:?}")));
            }
            made.add();
        }
        pause(Duration::from_micros(pause_us));
    }
}
