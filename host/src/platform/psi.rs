//! Pressure stall information: `/proc/pressure/*`.

use super::{Error, Root};

/// Stall time of one resource since boot, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Time in which at least one task was stalled.
    pub some_us: u64,
    /// Time in which all tasks were; `None` where the kernel does not tell (`cpu` before 5.13).
    pub full_us: Option<u64>,
}

impl Pressure {
    /// Share of `elapsed_ns` since `start` in which some task was stalled, 0–1; `None` when no time passed.
    #[must_use]
    pub fn some_ratio_since(self, start: Self, elapsed_ns: u64) -> Option<f64> {
        let stalled_ns = self.some_us.saturating_sub(start.some_us).saturating_mul(1_000);
        // The kernel adds up lazily: a little of the time before the start may be in it.
        (elapsed_ns > 0).then(|| (stalled_ns as f64 / elapsed_ns as f64).min(1.0))
    }
}

/// Pressure of `cpu`, `io` or `memory`. Reading fails with `EOPNOTSUPP` when the kernel was booted with `psi=0`.
pub fn read(root: &Root, resource: &str) -> Result<Pressure, Error> {
    root.parse(format!("/proc/pressure/{resource}"), "a line `some … total=`", parse)
}

fn parse(text: &str) -> Option<Pressure> {
    let total = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
    };
    Some(Pressure { some_us: total("some ")?, full_us: total("full ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_the_time_that_passed() {
        let at = |some_us| Pressure { some_us, full_us: None };
        assert_eq!(at(1_500).some_ratio_since(at(1_000), 2_000_000), Some(0.25));
        assert_eq!(at(9_000).some_ratio_since(at(1_000), 2_000_000), Some(1.0));
        assert_eq!(at(1_500).some_ratio_since(at(1_000), 0), None);
    }

    #[test]
    fn totals_of_both_forms_are_read() {
        let some = "some avg10=0.05 avg60=0.16 avg300=1.56 total=47494420\n";
        assert_eq!(parse(some), Some(Pressure { some_us: 47_494_420, full_us: None }));
        let both = format!("{some}full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
        assert_eq!(parse(&both), Some(Pressure { some_us: 47_494_420, full_us: Some(7) }));
        assert_eq!(parse(""), None);
    }
}
