//! CPU time of the thread that asks: what a rule takes of it does not depend on how long it waited for a CPU.

use std::time::Duration;

/// Used by this thread so far.
pub(super) fn of_this_thread() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec`; the clock is there on every Linux. (rustix's `time` feature has it without `unsafe`.)
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_passes_while_the_thread_computes_and_not_while_it_sleeps() {
        let before = of_this_thread();
        std::thread::sleep(Duration::from_millis(50));
        assert!(of_this_thread() - before < Duration::from_millis(40));
        let (begun, before) = (Instant::now(), of_this_thread());
        while of_this_thread() - before < Duration::from_millis(20) {
            assert!(begun.elapsed() < Duration::from_secs(60));
        }
    }
}
