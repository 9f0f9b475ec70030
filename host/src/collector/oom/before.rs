//! Kills before the window: counts since boot, counts of the groups that are still there, and what the kernel's log still holds.

use std::collections::HashMap;

use kerno_signals::{CollectorReport, OomBefore, OomGroup, OomKill, OomLimit, OomMemory, OomTrigger};

use super::{decode::group_of_path, ledger};
use crate::platform::{
    Root,
    cgroup::Names,
    kmsg::{self, Kmsg},
    oom::{self, Limit, Log, Logged},
};

/// Kills and groups told at most.
const MOST: usize = 64;

/// What was read at the window's start. It is named at its end: until then control groups are looked for anyway.
#[derive(Debug, Default)]
pub struct Before {
    since_boot: u64,
    groups: Vec<(String, u64)>,
    kills: Vec<Logged>,
    log_refused: Option<String>,
}

impl Before {
    /// Reads counts and the log. `groups` are those of the memory controller.
    pub fn read(root: &Root, since_boot: u64, groups: Option<&Names>) -> Self {
        match Kmsg::open(root) {
            Ok(mut log) => Self::read_with(since_boot, groups, &mut log, &mut Log::default()),
            Err(error) => Self::without_log(since_boot, groups, kmsg::why_refused(&error)),
        }
    }

    /// The same with an open log, which is read to its end.
    pub fn read_with(since_boot: u64, groups: Option<&Names>, log: &mut Kmsg, lines: &mut Log) -> Self {
        let counts = Self::counts(since_boot, groups);
        match log.read() {
            Ok(records) => {
                let kills = records.iter().filter_map(|record| lines.note(record));
                let mut kills: Vec<_> = kills.filter(|kill| !kill.again).collect();
                let kills = kills.split_off(kills.len().saturating_sub(MOST));
                Self { kills, ..counts }
            }
            Err(error) => Self { log_refused: Some(error.to_string()), ..counts },
        }
    }

    /// The same where the log may not be read.
    pub fn without_log(since_boot: u64, groups: Option<&Names>, why: String) -> Self {
        Self { log_refused: Some(why), ..Self::counts(since_boot, groups) }
    }

    fn counts(since_boot: u64, groups: Option<&Names>) -> Self {
        // Without a kill no group has any: the files of thousands need not be read.
        let groups = groups.filter(|_| since_boot > 0).map(oom::kills_by_group).unwrap_or_default();
        Self { since_boot, groups, ..Self::default() }
    }

    /// Kills of each group by its path.
    pub fn by_group(&self) -> HashMap<String, u64> {
        self.groups.iter().cloned().collect()
    }

    /// With names.
    pub fn tell(self, names: Option<&Names>) -> OomBefore {
        let group = |(path, kills): (String, u64)| OomGroup {
            cgroup: Some(group_of_path(names, &path)),
            limit: OomLimit::Unknown,
            kills,
        };
        let mut groups: Vec<_> = self.groups.into_iter().map(group).collect();
        ledger::sort(&mut groups);
        groups.truncate(MOST);
        OomBefore {
            since_boot: self.since_boot,
            groups,
            kills: self.kills.into_iter().map(|kill| named(kill, names)).collect(),
            log_refused: self.log_refused,
        }
    }

    /// Says that earlier kills have no names, where there were any. The window itself is seen all the same.
    pub fn state_refusal(&self, report: CollectorReport) -> CollectorReport {
        let Some(why) = self.log_refused.as_ref().filter(|_| self.since_boot > 0) else { return report };
        let reason = format!("{} kills before the window have no names: {why}", self.since_boot);
        CollectorReport {
            reason: Some(report.reason.map_or(reason.clone(), |first| format!("{first}; {reason}"))),
            fix: report.fix.or_else(|| Some("grant kerno CAP_SYSLOG, or look with `dmesg`".to_owned())),
            ..report
        }
    }
}

/// A kill of the log, with its groups named.
pub fn named(kill: Logged, names: Option<&Names>) -> OomKill {
    let Logged { at_ns, case, pid, comm, group, limit, memory, score_adj, trigger, again: _ } = kill;
    OomKill {
        at_ns,
        case,
        pid,
        comm,
        cgroup: group.map(|path| group_of_path(names, &path)),
        limit: match limit {
            Limit::Unknown => OomLimit::Unknown,
            Limit::Host => OomLimit::Host,
            Limit::Nodes => OomLimit::Nodes,
            Limit::Group(path) => OomLimit::Cgroup(group_of_path(names, &path)),
        },
        memory: memory.map(|[anon, file, shmem]| OomMemory { anon, file, shmem }),
        score_adj,
        score: None,
        trigger: trigger.map(|(comm, pid)| OomTrigger { pid, comm, cgroup: None }),
    }
}
