//! When directories are to be read again: at once when the kernel says that something happened in them, and now and then in any case,
//! for it does not tell all: a watched directory may be replaced by another one, and a queue of events has an end.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// How often they are looked at without being asked to.
const POLL: Duration = Duration::from_secs(2);
/// A change is read when nothing has happened for so long, or after so long in any case: writing takes several steps.
const QUIET: Duration = Duration::from_millis(15);
const BUSY: Duration = Duration::from_millis(60);

/// Watched directories.
pub(super) struct Watch {
    directories: Vec<PathBuf>,
    /// `None` where the kernel has no watch left to give.
    watcher: Option<RecommendedWatcher>,
    /// Whether that was told.
    told: bool,
}

impl Watch {
    /// Watches from now on.
    pub(super) fn start(directories: Vec<PathBuf>) -> (Self, Receiver<()>) {
        let (sender, changes) = channel();
        let watcher = watcher(sender).inspect_err(|error| {
            tracing::warn!(%error, "directories of rules are only looked at every {} s", POLL.as_secs());
        });
        let mut watch = Self { directories, watcher: watcher.ok(), told: false };
        watch.renew();
        (watch, changes)
    }

    /// Waits until it is time to look; whether it is worth it, or nobody wants to know any more.
    pub(super) fn wait(&mut self, changes: &Receiver<()>, stopped: &Receiver<()>) -> bool {
        let begun = Instant::now();
        loop {
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                return false;
            }
            // Short enough that nobody waits for the end.
            match changes.recv_timeout(Duration::from_millis(50)) {
                Ok(()) => break,
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < POLL => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.renew();
                    return true;
                }
                // Without a watcher there is only time.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(50)),
            }
            if begun.elapsed() >= POLL {
                return true;
            }
        }
        let begun = Instant::now();
        while begun.elapsed() < BUSY && changes.recv_timeout(QUIET).is_ok() {}
        true
    }

    /// A directory that was not there, or that another one has taken the place of, is watched as well.
    fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for directory in &self.directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive)
                && !std::mem::replace(&mut self.told, true)
            {
                tracing::warn!(%error, "a directory of rules is only looked at every {} s", POLL.as_secs());
            }
        }
    }
}

fn watcher(changed: Sender<()>) -> notify::Result<RecommendedWatcher> {
    // Whatever it was, an error or a queue that overflowed: it is a reason to look. Reading is not: it would wake its own reader.
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.as_ref().map_or(true, |event| !event.kind.is_access()) {
            // Nobody listens any more.
            let _ = changed.send(());
        }
    })
}
