//! Work on every kernel line: two guests at a time, results counted, what cannot be had skipped loudly.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;

use super::kernel;
use super::snapshot::{self, Snapshot};
use crate::counts::Counts;

/// A guest takes one CPU and somewhat more than 1 GiB of memory.
const GUESTS_AT_ONCE: usize = 2;

/// Runs `work`, which counts `jobs` results, on a saved guest of each line.
pub fn run(lines: &[String], jobs: usize, work: impl Fn(&Snapshot) -> Result<Counts> + Sync) -> Counts {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    thread::scope(|scope| {
        for _ in 0..GUESTS_AT_ONCE.min(lines.len()) {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counts = on(line, jobs, &work);
                    total.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).merge(counts);
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn on(line: &str, jobs: usize, work: impl Fn(&Snapshot) -> Result<Counts>) -> Counts {
    let kernel = match kernel::find(line) {
        Ok(kernel) => kernel,
        Err(error) => {
            println!("{line:<7} SKIPPED: {error:#}");
            return Counts { skipped: jobs, ..Counts::default() };
        }
    };
    match snapshot::prepare(&kernel).and_then(|snapshot| work(&snapshot)) {
        Ok(counts) => counts,
        Err(error) => {
            println!("{line:<7} {} FAILED: {error:#}", kernel.version);
            Counts { failed: jobs, ..Counts::default() }
        }
    }
}
