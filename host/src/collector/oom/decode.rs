//! From the kernel's record of a kill to one that is named.

use kerno_ebpf_common::oom::{Kill, LEVELS, NAME, NO_LEVEL};
use kerno_signals::{Cgroup, OomKill, OomLimit, OomMemory, OomTrigger};

use crate::{
    collector::{cgroup_of, context::command},
    platform::cgroup::{self, Names},
};

/// What is the same for all records.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Groups are told apart in the hierarchy that has the memory controller as well: numbers of limits are numbers of groups.
    pub same_hierarchy: bool,
    /// Bytes of a page.
    pub page: u64,
}

/// `enum oom_constraint`, whose values have not changed since it came.
mod constraint {
    pub const NONE: u32 = 0;
    pub const CPUSET: u32 = 1;
    pub const MEMORY_POLICY: u32 = 2;
}

impl Decoder {
    /// Names a kill.
    pub fn kill(&self, record: &Kill, names: Option<&Names>) -> OomKill {
        let [files, anonymous, _swapped, shared] = record.pages;
        let bytes = |pages: i64| u64::try_from(pages).unwrap_or(0).saturating_mul(self.page);
        let has_case = record.case != 0;
        // The kernel's programs look at the names of groups: the directory may be gone before anyone else can.
        let found = names.filter(|names| names.knows(record.group)).map(|names| names.resolve(record.group));
        let score = || record.points.checked_mul(1_000)?.checked_div(i64::try_from(record.total_pages).ok()?);
        OomKill {
            at_ns: record.at,
            case: record.case,
            pid: record.tgid,
            comm: command(&record.comm),
            cgroup: Some(found.unwrap_or_else(|| described(record.group, path(record, 0)))),
            limit: if has_case { self.limit(record, names) } else { OomLimit::Unknown },
            memory: Some(OomMemory { anon: bytes(anonymous), file: bytes(files), shmem: bytes(shared) }),
            score_adj: Some(record.score_adjustment),
            score: if has_case && record.scored == 1 { score() } else { None },
            trigger: Some(OomTrigger {
                pid: Some(record.trigger),
                comm: command(&record.trigger_comm),
                cgroup: Some(cgroup_of(names, record.trigger_group)),
            }),
        }
    }

    fn limit(&self, record: &Kill, names: Option<&Names>) -> OomLimit {
        match record.constraint {
            _ if record.limit != 0 => {
                let known = names.filter(|names| self.same_hierarchy && names.knows(record.limit));
                OomLimit::Cgroup(match known {
                    Some(names) => names.resolve(record.limit),
                    None if record.limit_level == NO_LEVEL => described(record.limit, None),
                    None => described(record.limit, path(record, record.limit_level as usize)),
                })
            }
            constraint::NONE => OomLimit::Host,
            constraint::CPUSET | constraint::MEMORY_POLICY => OomLimit::Nodes,
            _ => OomLimit::Unknown,
        }
    }
}

/// A group by the path that the log or a file told.
pub fn group_of_path(names: Option<&Names>, path: &str) -> Cgroup {
    let known = names.and_then(|names| Some(names.resolve(names.id(path)?)));
    known.unwrap_or_else(|| described(0, Some(path.to_owned())))
}

fn described(id: u64, path: Option<String>) -> Cgroup {
    path.map_or(Cgroup { id, ..Cgroup::default() }, |path| cgroup::describe(id, &path))
}

/// Path of the group that is `from` levels above the victim's; `/…` stands for levels that the record has no room for.
fn path(record: &Kill, from: usize) -> Option<String> {
    let levels = (record.levels as usize).min(LEVELS);
    let names = record.path.get(from..levels)?.iter().rev().map(name);
    let top = if record.deeper == 1 { "/…" } else { "" };
    let path = names.fold(top.to_owned(), |path, name| format!("{path}/{name}"));
    Some(if path.is_empty() { "/".to_owned() } else { path })
}

/// A level's name; `…` stands for what the record has no room for.
fn name(bytes: &[u8; NAME]) -> String {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let cut = if name.len() == NAME - 1 { "…" } else { "" };
    format!("{}{cut}", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECODER: Decoder = Decoder { same_hierarchy: true, page: 4096 };

    fn record(levels: &[&str]) -> Kill {
        let mut path = [[0; NAME]; LEVELS];
        for (to, name) in path.iter_mut().zip(levels) {
            to.iter_mut().zip(name.bytes().take(NAME - 1)).for_each(|(to, byte)| *to = byte);
        }
        Kill {
            at: 5,
            case: 3,
            group: 900,
            limit: 700,
            trigger_group: 901,
            pages: [1, 10, 99, 2],
            points: 50,
            total_pages: 100,
            tgid: 7,
            score_adjustment: -3,
            trigger: 8,
            constraint: 3,
            scored: 1,
            limit_level: 1,
            levels: levels.len() as u32,
            deeper: 0,
            comm: *b"victim\0\0\0\0\0\0\0\0\0\0",
            trigger_comm: *b"0123456789abcdef",
            path,
        }
    }

    #[test]
    fn a_group_that_is_gone_is_named_by_what_the_kernel_saw() {
        let kill = DECODER.kill(&record(&["db.service", "system.slice"]), None);
        assert_eq!(kill.cgroup.as_ref().unwrap().path.as_deref(), Some("/system.slice/db.service"));
        assert_eq!(kill.cgroup.as_ref().unwrap().unit.as_deref(), Some("db.service"));
        let OomLimit::Cgroup(limit) = &kill.limit else { panic!("{kill:?}") };
        assert_eq!((limit.id, limit.path.as_deref()), (700, Some("/system.slice")));
        assert_eq!(kill.memory, Some(OomMemory { anon: 40_960, file: 4_096, shmem: 8_192 }));
        assert_eq!((kill.score, kill.score_adj, kill.case), (Some(500), Some(-3), 3));
        let trigger = kill.trigger.unwrap();
        assert_eq!((trigger.pid, trigger.comm.as_str()), (Some(8), "0123456789abcdef"));
    }

    #[test]
    fn deep_paths_and_long_names_say_that_they_are_cut() {
        let long = "n".repeat(200);
        let mut kill = record(&["leaf", &long, "c", "d", "e", "f", "g", "h"]);
        kill.deeper = 1;
        assert_eq!(path(&kill, 2).unwrap(), "/…/h/g/f/e/d/c");
        assert_eq!(path(&kill, 1).unwrap(), format!("/…/h/g/f/e/d/c/{}…", "n".repeat(127)));
        assert_eq!(path(&record(&[]), 0).unwrap(), "/", "the root");
        let unknown = Kill { limit_level: NO_LEVEL, ..kill };
        let OomLimit::Cgroup(limit) = DECODER.limit(&unknown, None) else { panic!() };
        assert_eq!((limit.id, limit.path), (700, None));
    }

    #[test]
    fn whose_memory_was_short() {
        let limit = |constraint, case| DECODER.kill(&Kill { limit: 0, constraint, case, ..record(&["x"]) }, None).limit;
        assert_eq!(limit(0, 1), OomLimit::Host);
        assert_eq!((limit(1, 1), limit(2, 1)), (OomLimit::Nodes, OomLimit::Nodes));
        assert_eq!((limit(3, 1), limit(0, 0)), (OomLimit::Unknown, OomLimit::Unknown));
    }

    #[test]
    fn only_who_was_ranked_has_a_score_and_nothing_overflows() {
        let kill = |change: fn(&mut Kill)| {
            let mut kill = record(&["x"]);
            change(&mut kill);
            DECODER.kill(&kill, None)
        };
        assert_eq!(kill(|kill| kill.scored = 0).score, None);
        assert_eq!(kill(|kill| kill.total_pages = 0).score, None);
        assert_eq!(kill(|kill| kill.points = i64::MAX).score, None);
        assert_eq!(kill(|kill| kill.total_pages = u64::MAX).score, None);
        assert_eq!(kill(|kill| kill.pages = [-1, i64::MAX, 0, -5]).memory.unwrap().rss(), u64::MAX);
    }
}
