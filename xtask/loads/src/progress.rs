//! How far a load got: a number in a file, by which a scenario proves that it did what it says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Counts what a load did. It is written to `/tmp/load-<name>` four times a second.
#[derive(Clone)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Starts to count. The file stays open: a load may give up its rights, or use up its descriptors.
    pub fn new(name: &'static str) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&count);
        let file = File::create(format!("/tmp/load-{name}"));
        thread::spawn(move || {
            loop {
                if let Ok(file) = &file {
                    // A number that only grows is never shorter than the one that it replaces.
                    let _ = file.write_all_at(format!("{}\n", told.load(Ordering::Relaxed)).as_bytes(), 0);
                }
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
