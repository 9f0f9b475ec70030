//! The kills of a window: the latest of them, and how many there were in each control group.

use std::collections::{HashMap, VecDeque};

use kerno_signals::{Cgroup, Oom, OomBefore, OomGroup, OomKill, OomLimit};

/// Kills kept at most.
const KILLS: usize = 256;

/// Control groups and limits that are kept apart at most.
const GROUPS: usize = 1_024;

/// Fills while the window is open.
#[derive(Debug, Default)]
pub struct Ledger {
    kills: VecDeque<OomKill>,
    groups: HashMap<(Cgroup, OomLimit), u64>,
    /// Kills in groups beyond [`GROUPS`].
    beyond: u64,
}

impl Ledger {
    /// Takes one kill.
    pub fn note(&mut self, kill: OomKill) {
        if let Some(cgroup) = &kill.cgroup {
            self.add(cgroup.clone(), kill.limit.clone(), 1);
        }
        if self.kills.len() >= KILLS {
            self.kills.pop_front();
        }
        self.kills.push_back(kill);
    }

    /// Takes kills of which only the group is known.
    pub fn add(&mut self, cgroup: Cgroup, limit: OomLimit, kills: u64) {
        let key = (cgroup, limit);
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            self.beyond += kills;
            return;
        }
        *self.groups.entry(key).or_default() += kills;
    }

    /// Kills so far in the group of a path, as far as they are known.
    pub fn known(&self, path: &str) -> u64 {
        let of_group = self.groups.iter().filter(|((cgroup, _), _)| cgroup.path.as_deref() == Some(path));
        of_group.map(|(_, kills)| kills).sum()
    }

    /// The family. `total` is the kernel's own count.
    pub fn tell(self, total: u64, before: Option<OomBefore>) -> Oom {
        let groups = self.groups.into_iter().map(|((cgroup, limit), kills)| OomGroup { cgroup: Some(cgroup), limit, kills });
        let mut groups: Vec<_> = groups.collect();
        sort(&mut groups);
        if self.beyond > 0 {
            groups.push(OomGroup { cgroup: None, limit: OomLimit::Unknown, kills: self.beyond });
        }
        let named = groups.iter().map(|group| group.kills).sum();
        Oom { total, kills: self.kills.into(), groups, unnamed: total.saturating_sub(named), before }
    }
}

/// Most kills first; equal ones in a fixed order.
pub fn sort(groups: &mut [OomGroup]) {
    let path = |group: &OomGroup| group.cgroup.as_ref().map(|cgroup| (cgroup.path.clone(), cgroup.id));
    groups.sort_by_cached_key(|group| (std::cmp::Reverse(group.kills), path(group)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::oom::decode::group_of_path;

    fn kill(pid: u32, path: &str, limit: OomLimit) -> OomKill {
        OomKill {
            at_ns: u64::from(pid),
            case: 1,
            pid,
            comm: "x".to_owned(),
            cgroup: Some(group_of_path(None, path)),
            limit,
            memory: None,
            score_adj: None,
            score: None,
            trigger: None,
        }
    }

    #[test]
    fn kills_are_counted_by_group_and_limit() {
        let mut ledger = Ledger::default();
        let limit = OomLimit::Cgroup(group_of_path(None, "/a"));
        for (pid, path, limit) in
            [(1, "/a/b", limit.clone()), (2, "/a/b", OomLimit::Host), (3, "/a/b", limit.clone()), (4, "/c", OomLimit::Host)]
        {
            ledger.note(kill(pid, path, limit));
        }
        ledger.note(OomKill { cgroup: None, ..kill(5, "", OomLimit::Unknown) });
        assert_eq!((ledger.known("/a/b"), ledger.known("/c"), ledger.known("/d")), (3, 1, 0));
        let told = ledger.tell(6, None);
        let groups: Vec<_> = told.groups.iter().map(|group| (group.kills, &group.limit)).collect();
        assert_eq!(groups, [(2, &limit), (1, &OomLimit::Host), (1, &OomLimit::Host)]);
        assert_eq!((told.total, told.unnamed, told.kills.len()), (6, 2, 5));
    }

    #[test]
    fn a_storm_keeps_the_latest_kills_and_all_counts() {
        let mut ledger = Ledger::default();
        let kills = 3 * GROUPS as u32;
        (0..kills).for_each(|pid| ledger.note(kill(pid, &format!("/g{pid}"), OomLimit::Host)));
        (0..5).for_each(|pid| ledger.note(kill(pid, "/g0", OomLimit::Host)));
        let told = ledger.tell(u64::from(kills) + 5, None);
        assert_eq!((told.kills.len(), told.groups.len(), told.unnamed), (KILLS, GROUPS + 1, 0));
        assert_eq!((told.groups[0].kills, told.kills[KILLS - 1].pid), (6, 4));
        let beyond = told.groups.last().unwrap();
        assert_eq!((&beyond.cgroup, beyond.kills), (&None, 2 * GROUPS as u64));
    }
}
