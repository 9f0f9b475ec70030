//! Texts of real kernels.

use super::*;

/// 5.10 with the controller.
const STAT_5_10: &str =
    "usage_usec 4032115\nuser_usec 4024104\nsystem_usec 8011\nnr_periods 81\nnr_throttled 80\nthrottled_usec 4038467\n";
/// 6.1 and 6.12 count bursts as well, 6.12 also time as forced idle and niced.
const STAT_6_12: &str = "usage_usec 4032115\nuser_usec 4024104\nsystem_usec 8011\nnice_usec 0\ncore_sched.force_idle_usec 0\n\
    nr_periods 81\nnr_throttled 80\nthrottled_usec 4038467\nnr_bursts 0\nburst_usec 0\n";
const STAT_WITHOUT_CONTROLLER: &str = "usage_usec 4032115\nuser_usec 4024104\nsystem_usec 8011\n";
const STAT_V1: &str = "nr_periods 81\nnr_throttled 80\nthrottled_time 4038467123\nwait_sum 51\n";

fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(directory.path().join(name), text).unwrap());
    directory
}

#[test]
fn accounts_of_every_kernel_and_version() {
    let throttling = |throttled_ns| Some(Throttling { periods: 81, throttled_periods: 80, throttled_ns });
    for (text, version, expected) in [
        (STAT_5_10, Version::V2, Stat { usage_ns: Some(4_032_115_000), throttling: throttling(4_038_467_000) }),
        (STAT_6_12, Version::V2, Stat { usage_ns: Some(4_032_115_000), throttling: throttling(4_038_467_000) }),
        (STAT_WITHOUT_CONTROLLER, Version::V2, Stat { usage_ns: Some(4_032_115_000), throttling: None }),
        (STAT_V1, Version::V1, Stat { usage_ns: None, throttling: throttling(4_038_467_123) }),
        ("", Version::V1, Stat::default()),
    ] {
        assert_eq!(parse_stat(text, version), Some(expected), "{text}");
    }
    assert_eq!(parse_stat("", Version::V2), None);
}

#[test]
fn the_largest_number_stays_the_largest() {
    let text = format!("usage_usec {max}\nnr_periods 1\nnr_throttled 1\nthrottled_usec {max}\n", max = u64::MAX);
    let stat = parse_stat(&text, Version::V2).unwrap();
    assert_eq!((stat.usage_ns, stat.throttling.unwrap().throttled_ns), (Some(u64::MAX), u64::MAX));
    assert_eq!(parse_max(&format!("{} 100000\n", u64::MAX)), None);
}

#[test]
fn quotas_of_both_versions() {
    let read = |files: &[(&str, &str)], version| quota(group(files).path(), version).unwrap();
    let half = |burst_ns| Some(Quota { quota_ns: 50_000_000, period_ns: 100_000_000, burst_ns });
    assert_eq!(read(&[("cpu.max", "50000 100000\n")], Version::V2), half(0));
    assert_eq!(read(&[("cpu.max", "50000 100000\n"), ("cpu.max.burst", "20000\n")], Version::V2), half(20_000_000));
    assert_eq!(read(&[("cpu.max", "max 100000\n")], Version::V2), None);
    assert_eq!(read(&[], Version::V2), None);
    assert_eq!(read(&[("cpu.cfs_quota_us", "50000\n"), ("cpu.cfs_period_us", "100000\n")], Version::V1), half(0));
    assert_eq!(read(&[("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_period_us", "100000\n")], Version::V1), None);
    assert!(quota(group(&[("cpu.max", "nonsense\n")]).path(), Version::V2).is_err());
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
        let weight = weight(group(&[(file, text)]).path(), version).unwrap();
        assert_eq!((weight.lowest, weight.idle), (lowest, file == "cpu.idle" && lowest), "{file} {text}");
    }
    assert_eq!(weight(group(&[]).path(), Version::V2).unwrap(), Weight::default());
}

#[test]
fn cpus_are_counted_and_an_empty_set_says_nothing() {
    for (name, text, version, expected) in [
        ("cpuset.cpus.effective", "0-3,8\n", Version::V2, Some(5)),
        ("cpuset.cpus.effective", "\n", Version::V2, None),
        ("cpuset.effective_cpus", "1\n", Version::V1, Some(1)),
        ("other", "1\n", Version::V2, None),
    ] {
        assert_eq!(cpus(group(&[(name, text)]).path(), version).unwrap(), expected, "{name} {text:?}");
    }
    assert_eq!(usage_v1(group(&[("cpuacct.usage", "123456789\n")]).path()).unwrap(), Some(123_456_789));
}
