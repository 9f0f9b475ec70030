//! What the CPU controller does to one group: quota, throttled time, weight.

use std::path::Path;

use super::Version;

/// CPU settings and throttling of a group itself, ancestors not included. Absent files leave the defaults: the root group and
/// groups without the controller have none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Time that its quota held tasks back, nanoseconds since the group was made, summed over CPUs. `None` without a quota.
    pub throttled_ns: Option<u64>,
    /// It has the lowest weight there is.
    pub lowest_weight: bool,
}

impl Control {
    /// Reads the files of a group's directory.
    #[must_use]
    pub fn read(directory: &Path, version: Version) -> Self {
        let read = |file: &str| std::fs::read_to_string(directory.join(file)).ok();
        match version {
            Version::V2 => Self::parse(
                read("cpu.max").is_some_and(|max| has_quota_v2(&max)).then(|| read("cpu.stat")).flatten().as_deref(),
                "throttled_usec",
                1_000,
                read("cpu.idle").as_deref(),
                read("cpu.weight").as_deref(),
                1,
            ),
            Version::V1 => Self::parse(
                read("cpu.cfs_quota_us").is_some_and(|quota| has_quota_v1(&quota)).then(|| read("cpu.stat")).flatten().as_deref(),
                "throttled_time",
                1,
                read("cpu.idle").as_deref(),
                read("cpu.shares").as_deref(),
                2,
            ),
        }
    }

    fn parse(stat: Option<&str>, key: &str, unit_ns: u64, idle: Option<&str>, weight: Option<&str>, lowest: u64) -> Self {
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        let throttled_ns = stat.and_then(|stat| {
            let value = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
            Some(value.trim().parse::<u64>().ok()?.saturating_mul(unit_ns))
        });
        let idle = number(idle) == Some(1);
        Self { throttled_ns, lowest_weight: idle || number(weight).is_some_and(|weight| weight <= lowest) }
    }
}

/// `cpu.max`: `max 100000` or `quota period`.
fn has_quota_v2(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|quota| quota.parse::<u64>().is_ok())
}

/// `cpu.cfs_quota_us`: -1 without a quota.
fn has_quota_v1(text: &str) -> bool {
    text.trim().parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)], version: Version) -> Control {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Control::read(directory.path(), version)
    }

    #[test]
    fn throttled_time_is_told_only_with_a_quota() {
        let stat = ("cpu.stat", "usage_usec 9\nnr_periods 5\nnr_throttled 3\nthrottled_usec 250\n");
        assert_eq!(group(&[("cpu.max", "20000 100000\n"), stat], Version::V2).throttled_ns, Some(250_000));
        assert_eq!(group(&[("cpu.max", "max 100000\n"), stat], Version::V2).throttled_ns, None);
        assert_eq!(group(&[], Version::V2), Control::default());

        let stat = ("cpu.stat", "nr_periods 5\nnr_throttled 3\nthrottled_time 250\n");
        assert_eq!(group(&[("cpu.cfs_quota_us", "20000\n"), stat], Version::V1).throttled_ns, Some(250));
        assert_eq!(group(&[("cpu.cfs_quota_us", "-1\n"), stat], Version::V1).throttled_ns, None);
    }

    #[test]
    fn the_largest_number_stays_the_largest() {
        let stat = format!("throttled_usec {}\n", u64::MAX);
        let found = group(&[("cpu.max", "20000 100000\n"), ("cpu.stat", &stat)], Version::V2);
        assert_eq!(found.throttled_ns, Some(u64::MAX));
    }

    #[test]
    fn the_lowest_weight_of_each_version() {
        for (file, text, version, lowest) in [
            ("cpu.weight", "1\n", Version::V2, true),
            ("cpu.weight", "100\n", Version::V2, false),
            ("cpu.shares", "2\n", Version::V1, true),
            ("cpu.shares", "1024\n", Version::V1, false),
            ("cpu.idle", "1\n", Version::V2, true),
            ("cpu.idle", "0\n", Version::V2, false),
        ] {
            assert_eq!(group(&[(file, text)], version).lowest_weight, lowest, "{file} {text}");
        }
    }
}
