//! How far a load got: a number in a file, by which a scenario proves that it did what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, thread};

/// Counts what a load did. It is written to `/tmp/load-<name>` four times a second.
#[derive(Clone)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Starts to count.
    pub fn new(name: &'static str) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&count);
        thread::spawn(move || {
            loop {
                // Written beside and renamed: who reads it must not find it empty.
                let (partial, file) = (format!("/tmp/.load-{name}"), format!("/tmp/load-{name}"));
                let _ =
                    fs::write(&partial, format!("{}\n", told.load(Ordering::Relaxed))).and_then(|()| fs::rename(partial, file));
                thread::sleep(Duration::from_millis(250));
            }
        });
        Self(count)
    }

    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sleeps; not at all for 0.
pub fn pause(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}
