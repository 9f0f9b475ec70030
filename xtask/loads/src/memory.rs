//! Memory: growing at a rate, and a heap of one size that is used all over.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::Duration;

use crate::progress::Progress;

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;

/// Grows to so many MiB at a rate, in steps of a quarter MiB, and keeps it.
pub fn grow(size: usize, per_second: u32) -> io::Result<()> {
    let grown = Progress::new("grow");
    let mut kept = Vec::new();
    for _ in 0..size * 4 {
        kept.push(black_box(vec![1_u8; MIB / 4]));
        grown.add();
        thread::sleep(Duration::from_secs(1) / (per_second.max(1) * 4));
    }
    keep(&mut kept)
}

/// Has so many MiB at once and writes to every page again and again.
pub fn heap(size: usize) -> io::Result<()> {
    let mut kept = vec![vec![1_u8; MIB]; size];
    let passes = Progress::new("heap");
    passes.add();
    keep(&mut kept)
}

fn keep(kept: &mut [Vec<u8>]) -> ! {
    loop {
        for part in &mut *kept {
            for at in (0..part.len()).step_by(PAGE) {
                part[at] = part[at].wrapping_add(1);
            }
            black_box(&part);
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
