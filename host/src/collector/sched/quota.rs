//! Tells a group's run-queue delay apart from the time that a CPU quota held it back, which only the cpu collector counts.

use std::collections::HashMap;

use kerno_signals::{Cpu, Sched};

use crate::platform::cgroup::above;

/// Adds to each group the throttled time of its own quota and of those above it. It stays unknown where none has a quota.
pub fn add(sched: &mut Sched, cpu: &Cpu) {
    let throttled: HashMap<&str, u64> =
        cpu.cgroups.iter().filter_map(|group| Some((group.cgroup.path.as_deref()?, group.throttling?.throttled_ns))).collect();
    for group in &mut sched.cgroups {
        let upwards = std::iter::successors(group.cgroup.path.as_deref(), |path| above(path));
        group.throttled_ns = upwards.filter_map(|path| throttled.get(path).copied()).reduce(u64::saturating_add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_signals::{Cgroup, CgroupCpu, CgroupDelay, Latency, Throttling};

    #[test]
    fn quotas_on_the_way_up_add_up() {
        let group = |path: &str| Cgroup { path: Some(path.into()), ..Cgroup::default() };
        let limited = |path: &str, throttled_ns| CgroupCpu {
            cgroup: group(path),
            throttling: Some(Throttling { periods: 5, throttled_periods: 5, throttled_ns }),
            ..CgroupCpu::default()
        };
        let free = CgroupCpu { cgroup: group("/free"), ..CgroupCpu::default() };
        let cpu = Cpu { cgroups: vec![limited("/a", 30), limited("/a/b", 7), limited("/ab", 9), free], ..Cpu::default() };
        let delay = |path: &str| CgroupDelay {
            cgroup: group(path),
            delay: Latency::default(),
            background_waits: 0,
            cpu_ns: 0,
            throttled_ns: None,
            lowest_weight: false,
        };
        let cases = [("/a/b/c", Some(37)), ("/a", Some(30)), ("/ab", Some(9)), ("/free", None), ("/", None)];
        let mut sched = Sched { cgroups: cases.iter().map(|(path, _)| delay(path)).collect(), ..Sched::default() };
        add(&mut sched, &cpu);
        for ((path, expected), group) in cases.iter().zip(&sched.cgroups) {
            assert_eq!(group.throttled_ns, *expected, "{path}");
        }
    }
}
