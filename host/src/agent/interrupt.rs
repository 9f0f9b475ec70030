//! Ctrl-C and SIGTERM: the first ends the window, the second ends kerno.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::rights;

/// Tells when the window shall end early.
#[derive(Debug)]
pub struct Interrupt(Mutex<Receiver<()>>);

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The time has passed.
    Elapsed,
    /// SIGINT or SIGTERM came.
    Interrupted,
}

impl Interrupt {
    /// Listens from now on, on a thread of its own so that a second signal is heard whatever kerno is busy with: it calls `quit`.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn listen(quit: impl Fn() + Send + 'static) -> io::Result<Self> {
        // Where the runtime has room for some of its files only, it panics.
        drop([UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?]);
        let (sender, receiver) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate) = {
            let _context = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            rights::listening();
            runtime.block_on(async {
                let mut first = true;
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if !std::mem::take(&mut first) {
                        quit();
                    }
                    // The window may be over already: then nobody waits for the news.
                    let _ = sender.send(());
                }
            });
        })?;
        Ok(Self(Mutex::new(receiver)))
    }

    /// Waits for an interrupt, at most so long.
    #[must_use]
    pub fn wait(&self, time: Duration) -> Wake {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time) {
            Ok(()) => Wake::Interrupted,
            Err(RecvTimeoutError::Timeout) => Wake::Elapsed,
            // Without the listener there are no interrupts; the time passes all the same.
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(time);
                Wake::Elapsed
            }
        }
    }
}
