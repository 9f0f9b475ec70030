//! Pressure stall information: `/proc/pressure/*`, and `*.pressure` of control groups.

use std::path::Path;

use kerno_signals::Stall;

use super::{Error, Root, cgroup::file};

/// Stall time of one resource since boot, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Time in which at least one task was stalled.
    pub some_us: u64,
    /// Time in which all tasks were; `None` where the kernel does not tell (`cpu` before 5.13).
    pub full_us: Option<u64>,
}

impl Pressure {
    /// Stall time since `start`.
    #[must_use]
    pub fn since(self, start: Self) -> Stall {
        let ns = |now: u64, then: u64| now.saturating_sub(then).saturating_mul(1_000);
        let full_ns = self.full_us.zip(start.full_us).map(|(now, then)| ns(now, then));
        Stall { some_ns: ns(self.some_us, start.some_us), full_ns }
    }
}

/// Pressure of `cpu`, `io` or `memory` in the group of a directory of the unified hierarchy; `None` when the group is gone or the
/// kernel does not keep it.
pub fn of_group(directory: &Path, resource: &str) -> Result<Option<Pressure>, Error> {
    file::parse(directory, &format!("{resource}.pressure"), "a line `some … total=`", parse)
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
    fn stall_time_is_what_was_added() {
        let at = |some_us, full_us| Pressure { some_us, full_us };
        let stall = |some_ns, full_ns| Stall { some_ns, full_ns };
        assert_eq!(at(1_500, Some(9)).since(at(1_000, Some(7))), stall(500_000, Some(2_000)));
        assert_eq!(at(1_500, None).since(at(1_600, None)), stall(0, None));
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
