//! CPU time of the whole host, and how much of it the hypervisor took: `/proc/stat`.

use super::{Error, Root};

/// CPU time since boot, summed over CPUs, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// All of it, idle time included.
    pub total: u64,
    /// Time with nothing to run, waits for disks included.
    pub idle: u64,
    /// Part of `idle` in which a task of that CPU waited for a disk.
    pub io_wait: u64,
    /// Time the hypervisor ran something else while this host wanted to run.
    pub steal: u64,
}

/// CPU time since boot.
pub fn read(root: &Root) -> Result<CpuTime, Error> {
    root.parse("/proc/stat", "a line `cpu` with at least 8 numbers", parse)
}

impl CpuTime {
    /// Share of the time since `start` that was stolen, 0–1; `None` when no time passed.
    #[must_use]
    pub fn steal_ratio_since(self, start: Self) -> Option<f64> {
        let total = self.total.checked_sub(start.total)?;
        (total > 0).then(|| self.steal.saturating_sub(start.steal) as f64 / total as f64)
    }

    /// What was added since `start`, nothing where a counter fell (`io_wait` may).
    #[must_use]
    pub fn since(self, start: Self) -> Self {
        Self {
            total: self.total.saturating_sub(start.total),
            idle: self.idle.saturating_sub(start.idle),
            io_wait: self.io_wait.saturating_sub(start.io_wait),
            steal: self.steal.saturating_sub(start.steal),
        }
    }
}

/// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; guest time is part of user time.
fn parse(text: &str) -> Option<CpuTime> {
    let fields = text.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace().take(8);
    let fields: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [_, _, _, idle, io_wait, _, _, steal] = fields[..] else { return None };
    let total = fields.iter().fold(0, |sum: u64, field| sum.saturating_add(*field));
    Some(CpuTime { total, idle: idle.saturating_add(io_wait), io_wait, steal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_time_is_not_counted_twice() {
        let time = parse("cpu  10 1 5 80 2 0 1 1 9 0\ncpu0 5 1 5 40 2 0 1 1 9 0\nintr 5\n").unwrap();
        assert_eq!(time, CpuTime { total: 100, idle: 82, io_wait: 2, steal: 1 });
        let later = CpuTime { total: 300, idle: 182, io_wait: 1, steal: 51 };
        assert_eq!(later.since(time), CpuTime { total: 200, idle: 100, io_wait: 0, steal: 50 });
        assert_eq!(later.steal_ratio_since(time), Some(0.25));
        assert_eq!(time.steal_ratio_since(time), None);
        assert_eq!(parse("cpu  10 1 5\n"), None);
    }

    #[test]
    fn the_largest_numbers_stay_the_largest() {
        let max = u64::MAX;
        let time = parse(&format!("cpu  {}\n", [max.to_string().as_str(); 10].join(" "))).unwrap();
        assert_eq!(time, CpuTime { total: max, idle: max, io_wait: max, steal: max });
        assert_eq!(time.steal_ratio_since(time), None);
    }

    #[test]
    fn this_host_has_cpu_time() {
        assert!(read(&Root::default()).unwrap().total > 0);
    }
}
