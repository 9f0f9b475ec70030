//! Whose limit of memory is filled, and who fills it: control groups nest, and one fault is to be told once.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Cgroup, CgroupMemory, MemoryLimit, MemoryOrder, Signals};

/// Groups that are asked for.
const ASKED: u32 = 64;

/// A limit of memory that is filled.
#[derive(Clone, Debug)]
pub struct FilledLimit {
    /// The limit and whose it is.
    pub limit: MemoryLimit,
    /// The group that has it; where that was not told, the fullest group below it.
    pub group: CgroupMemory,
}

impl FilledLimit {
    /// Share of the limit that is used and cannot be reclaimed.
    #[must_use]
    pub fn used(&self) -> f64 {
        self.group.working_set as f64 / self.limit.bytes.max(1) as f64
    }

    /// Whether most of the memory that fills one of the two limits fills the other as well, one group being below the other.
    #[must_use]
    pub fn is_same_use(&self, other: &Self) -> bool {
        let holds = |lower: &CgroupMemory, upper: &CgroupMemory| {
            lower.cgroup.is_below(&upper.cgroup) && lower.working_set >= upper.working_set / 2
        };
        holds(&self.group, &other.group) || holds(&other.group, &self.group)
    }
}

impl Signals {
    /// Limits of control groups that are filled to at least `min_use` (a ratio), fullest first, each once: with `hard` those that
    /// kill, else also those that slow down. Groups in which nothing but kerno runs are left out.
    #[must_use]
    pub fn filled_limits(&self, hard: bool, min_use: f64) -> Vec<FilledLimit> {
        let mut filled: Vec<FilledLimit> = Vec::new();
        let order = if hard { MemoryOrder::UseOfHardLimit } else { MemoryOrder::UseOfLimit };
        for group in self.memory_groups(order, None, min_use, ASKED) {
            let Some(limit) = (if hard { &group.hard_limit } else { &group.limit }) else { continue };
            if !filled.iter().any(|known| known.limit.cgroup.path == limit.cgroup.path) {
                filled.push(FilledLimit { limit: limit.clone(), group });
            }
        }
        filled.retain(|filled| !filled.group.own);
        filled
    }

    /// Who holds the memory of a group: the lowest group below it with at least four fifths of its working set. None when that is
    /// spread over several, or when only names would be lost: the group is a unit or a container, what is below it is neither.
    #[must_use]
    pub fn memory_holder(&self, group: &CgroupMemory) -> Option<CgroupMemory> {
        // Without a path they would be groups anywhere.
        let path = group.cgroup.path.as_deref()?;
        let is_named = |cgroup: &Cgroup| cgroup.unit.is_some() || cgroup.container.is_some();
        let mut below = self.memory_groups(MemoryOrder::WorkingSet, Some(path), group.working_set as f64 * 0.8, ASKED);
        below.retain(|one| {
            group.working_set > 0
                && (is_named(&one.cgroup) || !is_named(&group.cgroup))
                // A container is the unit of what happens in it.
                && (one.cgroup.container.is_some() || group.cgroup.container.is_none())
        });
        // On one way down the lowest has the longest path.
        below.into_iter().max_by_key(|one| one.cgroup.path.as_ref().map_or(0, String::len))
    }
}

#[cfg(all(test, feature = "testing"))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]
mod tests {
    use std::collections::BTreeMap;

    use kerno_signals::{CgroupMemory, LimitKind, Memory, MemoryLimit, Snapshot};

    use super::*;
    use crate::signals::Source;

    const HOST: &str = r#"{"host": {"name": "h", "kernel": "6", "arch": "x86_64", "cpus": 2, "memory_bytes": 1000, "environment": "systemd",
        "cluster": null, "steal_ratio": null, "cpu_pressure_ratio": null}, "window": {"start_unix_ns": 0, "duration_ns": 1000, "interrupted": false},
        "collectors": [], "families": {}}"#;

    fn group(path: &str, working_set_bytes: u64, limit: Option<(u64, &str)>) -> CgroupMemory {
        let mut group = CgroupMemory { working_set_bytes, ..CgroupMemory::default() };
        group.cgroup.path = Some(path.to_owned());
        group.cgroup.unit = path.rsplit('/').next().filter(|name| name.contains('.')).map(str::to_owned);
        group.limit = limit.map(|(bytes, path)| MemoryLimit { bytes, kind: LimitKind::Max, path: path.to_owned() });
        group
    }

    fn signals(cgroups: Vec<CgroupMemory>) -> Signals {
        let mut snapshot: Snapshot = serde_json::from_str(HOST).unwrap();
        snapshot.families.memory = Some(Memory { cgroups, ..Memory::default() });
        Signals(Source { snapshot, parameters: BTreeMap::new() })
    }

    fn path(group: &crate::CgroupMemory) -> &str {
        group.cgroup.path.as_deref().unwrap()
    }

    #[test]
    fn a_limit_is_told_once_by_the_group_that_has_it_and_kernos_own_never() {
        let limit = Some((100, "/pod"));
        let mut own = group("/kerno.service", 99, Some((100, "/kerno.service")));
        own.own = true;
        let all = vec![group("/pod/app", 95, limit), group("/pod", 96, limit), own, group("/web", 91, Some((100, "/web")))];
        let filled = signals(all).filled_limits(false, 0.9);
        assert_eq!(filled.iter().map(|filled| path(&filled.group)).collect::<Vec<_>>(), ["/pod", "/web"]);
        assert_eq!(filled[0].used(), 0.96);
        assert!(!filled[0].is_same_use(&filled[1]));
    }

    #[test]
    fn limits_on_one_way_up_are_the_same_use_when_the_lower_group_has_half_of_it() {
        let of = |lower: u64| {
            let all = vec![group("/pod", 100, Some((100, "/pod"))), group("/pod/app", lower, Some((lower, "/pod/app")))];
            let filled = signals(all).filled_limits(false, 0.9);
            filled[0].is_same_use(&filled[1]) && filled[1].is_same_use(&filled[0])
        };
        assert_eq!((of(50), of(49)), (true, false));
    }

    #[test]
    fn the_holder_is_the_lowest_with_most_of_it_and_never_loses_a_name() {
        let holder = |all: Vec<CgroupMemory>| {
            let signals = signals(all);
            let top = signals.memory_groups(MemoryOrder::WorkingSet, None, 0.0, 1).remove(0);
            signals.memory_holder(&top).map(|group| path(&group).to_owned())
        };
        let slice = || group("/x.slice", 100, None);
        assert_eq!(holder(vec![slice(), group("/x.slice/a.service", 80, None)]).as_deref(), Some("/x.slice/a.service"));
        assert_eq!(holder(vec![slice(), group("/x.slice/a.service", 79, None)]), None);
        assert_eq!(holder(vec![slice(), group("/x.slice/plain", 90, None)]), None);
        let nested = vec![group("/pod", 100, None), group("/pod/app", 95, None), group("/pod/app/deep", 90, None)];
        assert_eq!(holder(nested).as_deref(), Some("/pod/app/deep"));
    }
}
