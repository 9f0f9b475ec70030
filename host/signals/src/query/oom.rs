//! Questions about kills for lack of memory.

use std::cmp::Reverse;

use serde::Serialize;

use super::{CgroupView, first};
use crate::{Cgroup, Oom, OomGroup, OomKill, OomLimit};

/// Whose memory was short; spelled as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/oom.wit says it")]
pub enum ShortageView {
    Host,
    Nodes,
    Cgroup,
    Unknown,
}

/// Kills in one control group for one shortage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/oom.wit says it")]
pub struct GroupKillsView {
    pub cgroup: Option<CgroupView>,
    pub shortage: ShortageView,
    pub limited: Option<CgroupView>,
    pub kills: u64,
}

/// The task that asked for memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/oom.wit says it")]
pub struct TriggerView {
    pub pid: Option<u32>,
    pub comm: String,
    pub cgroup: Option<CgroupView>,
}

/// One victim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/oom.wit says it")]
pub struct VictimView {
    pub pid: u32,
    pub comm: String,
    pub cgroup: Option<CgroupView>,
    pub shortage: ShortageView,
    pub limited: Option<CgroupView>,
    pub rss: Option<u64>,
    pub score_adjustment: Option<i32>,
    pub trigger: Option<TriggerView>,
}

/// Kills by control group and shortage, most first.
#[must_use]
pub fn group_kills(oom: &Oom, limit: u32) -> Vec<GroupKillsView> {
    let told = |group: &OomGroup| {
        let (shortage, limited) = shortage(&group.limit);
        GroupKillsView { cgroup: view(group.cgroup.as_ref()), shortage, limited, kills: group.kills }
    };
    oom.groups.iter().take(limit as usize).map(told).collect()
}

/// Victims of which more is known, the largest first; of one control group, or of all.
#[must_use]
pub fn victims(oom: &Oom, cgroup: Option<u64>, limit: u32) -> Vec<VictimView> {
    let is_of = |kill: &&OomKill| cgroup.is_none_or(|id| kill.cgroup.as_ref().is_some_and(|of| of.id == id));
    let kills: Vec<&OomKill> = oom.kills.iter().filter(is_of).collect();
    first(
        kills,
        limit,
        |kill| (Reverse(kill.memory.map(|memory| memory.rss())), kill.at_ns, kill.pid),
        |kill| {
            let (shortage, limited) = shortage(&kill.limit);
            VictimView {
                pid: kill.pid,
                comm: kill.comm.clone(),
                cgroup: view(kill.cgroup.as_ref()),
                shortage,
                limited,
                rss: kill.memory.map(|memory| memory.rss()),
                score_adjustment: kill.score_adj,
                trigger: kill.trigger.as_ref().map(|trigger| TriggerView {
                    pid: trigger.pid,
                    comm: trigger.comm.clone(),
                    cgroup: view(trigger.cgroup.as_ref()),
                }),
            }
        },
    )
}

fn view(cgroup: Option<&Cgroup>) -> Option<CgroupView> {
    cgroup.map(CgroupView::from)
}

fn shortage(limit: &OomLimit) -> (ShortageView, Option<CgroupView>) {
    match limit {
        OomLimit::Host => (ShortageView::Host, None),
        OomLimit::Nodes => (ShortageView::Nodes, None),
        OomLimit::Cgroup(cgroup) => (ShortageView::Cgroup, Some(cgroup.into())),
        OomLimit::Unknown => (ShortageView::Unknown, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OomMemory;

    fn kill(pid: u32, group: u64, rss: Option<u64>) -> OomKill {
        OomKill {
            at_ns: u64::from(pid),
            case: 1,
            pid,
            comm: "x".to_owned(),
            cgroup: Some(Cgroup { id: group, ..Cgroup::default() }),
            limit: OomLimit::Cgroup(Cgroup { id: 1, ..Cgroup::default() }),
            memory: rss.map(|anon| OomMemory { anon, ..OomMemory::default() }),
            score_adj: None,
            score: None,
            trigger: None,
        }
    }

    #[test]
    fn victims_are_the_groups_own_largest_first_and_unknown_sizes_last() {
        let oom = Oom {
            kills: vec![kill(1, 7, None), kill(2, 7, Some(10)), kill(3, 8, Some(99)), kill(4, 7, Some(20))],
            ..Oom::default()
        };
        let pids = |cgroup, limit| victims(&oom, cgroup, limit).iter().map(|victim| victim.pid).collect::<Vec<_>>();
        assert_eq!((pids(Some(7), 9), pids(None, 1), pids(Some(9), 9)), (vec![4, 2, 1], vec![3], vec![]));
        let first = &victims(&oom, None, 1)[0];
        assert_eq!((first.shortage, first.limited.as_ref().map(|group| group.id)), (ShortageView::Cgroup, Some(1)));
    }
}
