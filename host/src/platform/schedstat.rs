//! Time that tasks waited for a CPU, as the scheduler counts it: `/proc/schedstat` and `/proc/<pid>/task/<tid>/schedstat`.

use super::{Error, Root};

/// Waits since boot or since the task's birth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Time on a CPU, nanoseconds.
    pub cpu_ns: u64,
    /// Time spent runnable without one, nanoseconds.
    pub delay_ns: u64,
    /// How often a CPU was given to the task; each time ended a wait, of nothing at the least.
    pub count: u64,
}

impl Waits {
    /// Adds another account; what would not fit stays the largest number.
    pub fn add(&mut self, other: Self) {
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        self.delay_ns = self.delay_ns.saturating_add(other.delay_ns);
        self.count = self.count.saturating_add(other.count);
    }

    /// What was added since `start`, nothing where a counter fell.
    #[must_use]
    pub fn since(self, start: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(start.cpu_ns),
            delay_ns: self.delay_ns.saturating_sub(start.delay_ns),
            count: self.count.saturating_sub(start.count),
        }
    }
}

/// All CPUs together, the idle task left out by the kernel. Needs `CONFIG_SCHEDSTATS`.
pub fn host(root: &Root) -> Result<Waits, Error> {
    root.parse("/proc/schedstat", "version 15 to 17 with CPU lines of 9 numbers", parse_host)
}

/// One thread. Needs `CONFIG_SCHED_INFO`.
pub fn thread(root: &Root, pid: u32, tid: u32) -> Result<Waits, Error> {
    root.parse(format!("/proc/{pid}/task/{tid}/schedstat"), "three numbers", parse_thread)
}

/// `cpu<N> yld_count 0 sched_count sched_goidle ttwu_count ttwu_local rq_cpu_time run_delay pcount`: the same nine numbers in
/// versions 15 (2.6.37), 16 (6.11) and 17 (6.15), which differ in the `domain` lines only. An unknown version is refused.
fn parse_host(text: &str) -> Option<Waits> {
    let version: u32 = text.lines().next()?.strip_prefix("version ")?.trim().parse().ok()?;
    if !(15..=17).contains(&version) {
        return None;
    }
    let mut sum = None::<Waits>;
    for line in text.lines().filter(|line| line.starts_with("cpu")) {
        let fields: Vec<u64> = line.split_whitespace().skip(1).map(|field| field.parse().ok()).collect::<Option<_>>()?;
        let [_, _, _, _, _, _, cpu_ns, delay_ns, count] = fields[..] else { return None };
        sum.get_or_insert_default().add(Waits { cpu_ns, delay_ns, count });
    }
    sum
}

fn parse_thread(text: &str) -> Option<Waits> {
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    Some(Waits { cpu_ns: fields.next()??, delay_ns: fields.next()??, count: fields.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_version_has_the_same_cpu_line() {
        for (version, domain) in [(15, "domain0 3 1 2 3"), (16, "domain0 3 1 2 3"), (17, "domain0 MC 3 1 2 3")] {
            let text = format!(
                "version {version}\ntimestamp 4295\ncpu0 0 0 9 1 5 5 1000 200 30\n{domain}\ncpu1 7 0 9 1 5 5 4000 50 6\n{domain}\n"
            );
            assert_eq!(parse_host(&text), Some(Waits { cpu_ns: 5000, delay_ns: 250, count: 36 }), "version {version}");
        }
    }

    #[test]
    fn an_unknown_layout_is_refused_rather_than_guessed() {
        assert_eq!(parse_host("version 14\ncpu0 0 0 0 0 0 9 1 5 5 1000 200 30\n"), None);
        assert_eq!(parse_host("version 18\ncpu0 0 0 9 1 5 5 1000 200 30\n"), None);
        assert_eq!(parse_host("version 17\ncpu0 0 0 9 1 5 5 1000 200\n"), None);
        assert_eq!(parse_host("version 17\ntimestamp 1\n"), None);
    }

    #[test]
    fn the_largest_numbers_stay_the_largest() {
        let max = u64::MAX;
        let numbers = [max.to_string().as_str(); 9].join(" ");
        let waits = Waits { cpu_ns: max, delay_ns: max, count: max };
        assert_eq!(parse_host(&format!("version 17\ncpu0 {numbers}\ncpu1 {numbers}\n")), Some(waits));
        assert_eq!(parse_thread(&numbers), Some(waits));
    }

    #[test]
    fn a_thread_has_three_numbers() {
        assert_eq!(parse_thread("118381 81521 2\n"), Some(Waits { cpu_ns: 118_381, delay_ns: 81_521, count: 2 }));
        assert_eq!(parse_thread("118381 81521\n"), None);
    }
}
