//! Processes: started late, started in storms, computing.

use std::fs::File;
use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::progress::{Progress, pause};
use crate::sys;

/// Starts children whose first act, before they are another program, waits so long. The parent waits in `vfork` by design.
pub fn spawn_late(late_ms: u64) -> io::Result<()> {
    let made = Progress::new("spawns");
    let (path, text) = (c"/tmp/late", "/tmp/late");
    sys::fifo(path)?;
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(late_ms));
            // Opens once the child waits at the other end.
            let _ = File::options().write(true).open(text);
        }
    });
    loop {
        sys::spawn_true(path)?;
        made.add();
    }
}

/// Workers that each start one program that computes, wait for its end, pause, and start the next.
pub fn storm(width: u64, busy_ms: &str, pause_ms: u64) -> io::Result<()> {
    let made = Progress::new("storm");
    let program = std::env::current_exe()?;
    thread::scope(|scope| {
        for worker in 0..width {
            let (made, program) = (made.clone(), &program);
            scope.spawn(move || -> io::Result<()> {
                // They do not start in step.
                pause(Duration::from_millis(pause_ms * worker / width));
                loop {
                    Command::new(program).args(["compute", busy_ms]).status()?;
                    made.add();
                    pause(Duration::from_millis(pause_ms));
                }
            });
        }
    });
    Ok(())
}

/// Uses so much CPU time.
pub fn compute(busy_ms: u64) {
    let end = sys::cpu_time_ns() + busy_ms * 1_000_000;
    while sys::cpu_time_ns() < end {
        for number in 0..1_000_u32 {
            std::hint::black_box(number);
        }
    }
}
