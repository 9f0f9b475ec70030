//! Process ids that are given again within a window: what one did is not told under the other's name.

use std::{
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

use crate::guest::{Load, window};
use crate::process::{Process, set_name, set_next_pid};

/// Reads this much of `/dev/zero` at once: milliseconds in one call.
const LONG_READ: usize = 64 << 20;

/// A process of this name that makes so many long calls, and wants a CPU that others want as well; it ends when it has stepped.
fn start(name: &'static std::ffi::CStr, reads: usize) -> Process {
    let work = move || {
        let mut buffer = vec![1; LONG_READ];
        (0..reads).for_each(|_| File::open("/dev/zero").unwrap().read_exact(&mut buffer).unwrap());
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        // SAFETY: a call with a number.
        unsafe { libc::_exit(0) };
    };
    Process::stepped(|| set_name(name), work)
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_reused_pid_does_not_take_over_what_another_process_did() {
    let hogs: Vec<_> = (0..2).map(|_| Load::hog(None)).collect();
    let mut pid = 0;
    let window = window(|| {
        let mut first = start(c"older", 3);
        pid = first.pid();
        first.step();
        first.wait_for_death(Duration::from_secs(20));
        set_next_pid(pid);
        let mut second = start(c"younger", 5);
        assert_eq!(second.pid(), pid, "the pid was not given again");
        second.step();
        second.wait_for_death(Duration::from_secs(20));
    });
    drop(hogs);
    let slow = &window.families.syscall.as_ref().unwrap().processes;
    let is_read = |process: &&kerno_signals::SlowProcess| process.caller.pid == pid && process.name == "read";
    let mut reads: Vec<_> = slow.iter().filter(is_read).map(|slow| (slow.caller.comm.as_str(), slow.count)).collect();
    reads.sort_unstable();
    let tasks = window.sched.tasks.iter().filter(|task| task.pid == pid);
    let waits: Vec<_> = tasks.map(|task| (task.comm.as_str(), task.long_waits)).collect();
    println!("measured: reads {reads:?}, waits {waits:?}");
    assert_eq!(reads, [("older", 3), ("younger", 5)]);
    // Each has the name that it had at its first long wait.
    assert_eq!(waits.len(), 2, "{waits:?}");
}
