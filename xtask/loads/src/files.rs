//! Files: looked up where they are not, flushed at a high rate, read past the page cache.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::progress::{Progress, pause};
use crate::sys;

/// Looks for a header in forty directories and a program in as many, and finds it in the last: a compiler, a shell.
pub fn look_up(directory: &str, pause_us: u64) -> io::Result<()> {
    let made = Progress::new("lookups");
    let last = Path::new(directory).join("include-39");
    fs::create_dir_all(&last)?;
    fs::write(last.join("header.h"), "x")?;
    loop {
        for index in 0..40 {
            let place = Path::new(directory).join(format!("include-{index}"));
            let found = File::open(place.join("header.h")).is_ok();
            let _ = (fs::metadata(place.join("program")), fs::read_link(place.join("link")));
            if found != (index == 39) {
                return Err(io::Error::other(format!("found: {found} in {}", place.display())));
            }
            made.add();
        }
        // What is not there cannot be started either; the child that would be it is not even made.
        let _ = Command::new(last.join("program")).spawn();
        pause(Duration::from_micros(pause_us));
    }
}

/// Writes a page and flushes it, again and again.
pub fn sync(file: &str, pause_us: u64) -> io::Result<()> {
    let made = Progress::new("syncs");
    let mut file = File::create(file)?;
    loop {
        for _ in 0..64 {
            file.write_all(&[7; 4096])?;
            file.sync_data()?;
            made.add();
            pause(Duration::from_micros(pause_us));
        }
        file.set_len(0)?;
        io::Seek::rewind(&mut file)?;
    }
}

/// Reads single blocks, each from the disk: the file is dropped from the page cache first.
pub fn read(file: &str, size: u64, pause_ms: u64) -> io::Result<()> {
    let made = Progress::new("reads");
    let file = File::open(file)?;
    let blocks = file.metadata()?.len() / size.max(1);
    let mut block = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    for step in 0_u64.. {
        sys::forget(&file);
        // A prime step: neither the next block nor one that was read ahead.
        file.read_exact_at(&mut block, step * 7919 % blocks.max(1) * size)?;
        made.add();
        pause(Duration::from_millis(pause_ms));
    }
    Ok(())
}
