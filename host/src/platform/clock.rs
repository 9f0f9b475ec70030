//! The clock, handed to whatever needs the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// A source of time.
pub trait Clock {
    /// `CLOCK_MONOTONIC`, nanoseconds: what `bpf_ktime_get_ns` tells.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since the Unix epoch.
    fn unix_ns(&self) -> u64;
}

/// The kernel's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic_ns(&self) -> u64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a valid place for the one timespec that the call writes; the clock exists on every kernel, so the call
        // cannot fail. (rustix's `time` feature has it without `unsafe`.)
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
    }

    fn unix_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_goes_forward_in_nanoseconds() {
        let before = SystemClock.monotonic_ns();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let passed = SystemClock.monotonic_ns() - before;
        assert!((20_000_000..10_000_000_000).contains(&passed), "{passed}");
        assert!(SystemClock.unix_ns() > 1_700_000_000_000_000_000);
    }
}
