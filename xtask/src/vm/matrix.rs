//! Work on every kernel line: two guests at a time, results counted, what cannot be had skipped loudly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
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

/// Runs `work`, which counts one result, for each job of each line: two jobs at a time, also of one line.
pub fn each<J: Sync>(lines: &[(String, Vec<J>)], work: impl Fn(&Snapshot, &J) -> Result<Counts> + Sync) -> Counts {
    let jobs: Vec<(usize, &J)> =
        lines.iter().enumerate().flat_map(|(line, (_, jobs))| jobs.iter().map(move |job| (line, job))).collect();
    // One guest per line, prepared by whoever needs it first.
    let guests: Vec<OnceLock<Option<Snapshot>>> = lines.iter().map(|_| OnceLock::new()).collect();
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    let add = |counts| total.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).merge(counts);
    thread::scope(|scope| {
        for _ in 0..GUESTS_AT_ONCE.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((line, job)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (name, of_line) = &lines[*line];
                    let guest = guests[*line].get_or_init(|| {
                        let mut prepared = None;
                        let counts = on(name, of_line.len(), |snapshot| {
                            prepared = Some(snapshot.clone());
                            Ok(Counts::default())
                        });
                        add(counts);
                        prepared
                    });
                    let Some(guest) = guest else { continue };
                    add(work(guest, job).unwrap_or_else(|error| {
                        println!("{name:<7} {} FAILED: {error:#}", guest.kernel.version);
                        Counts::failed(1, format!("one on {name}: {error:#}"))
                    }));
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn on(line: &str, jobs: usize, work: impl FnOnce(&Snapshot) -> Result<Counts>) -> Counts {
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
            Counts::failed(jobs, format!("{jobs} on {line}: {error:#}"))
        }
    }
}
