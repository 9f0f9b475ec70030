//! How control groups start that are made in the window. Hooks: `tp_btf/cgroup_mkdir`, `tp_btf/cgroup_notify_populated`,
//! `tp_btf/sched_process_exec`, and the collector's own on sockets; kernels as the collector's, with groups on cgroup v2.
//!
//! It is this collector's family because half of it is about sockets, which its program sees already.

use std::collections::HashSet;

use kerno_ebpf_common::start::{Start as Record, StartCounters};
use kerno_signals::{GroupStart, Start};

use super::super::context::{Context, StartError, command};
use super::super::loader::{LoadError, Object};
use super::super::running::explained;
use super::super::{Moment, cgroup_of, fields};
use super::canary::Canary;

/// Programs, and the tracepoints that they are attached to.
const PROGRAMS: [(&str, &str); 3] =
    [("group_made", "cgroup_mkdir"), ("group_populated", "cgroup_notify_populated"), ("program_executed", "sched_process_exec")];

/// The maps of this part of the object.
const COUNTERS: &str = "START_COUNTERS";

/// Starts as they are followed.
pub(super) struct Starts {
    /// Or why they are not.
    followed: Result<(), String>,
    /// Groups with a socket that could not be looked at when that was tried last; `None` when all could not.
    unseen: Option<HashSet<u64>>,
}

impl Starts {
    fn new(followed: Result<(), String>) -> Self {
        Self { followed, unseen: Some(HashSet::new()) }
    }

    /// What the programs need to know; without it they follow nothing.
    pub fn prepare(context: &Context, globals: &mut Vec<(&'static str, u32)>) -> Self {
        if context.cgroup_v1 {
            return Self::new(Err("control groups are on cgroup v1, where each controller has groups of its own".to_owned()));
        }
        match context.globals(fields::STARTS) {
            Ok(more) => {
                globals.extend(more);
                globals.push(("STARTS_FOLLOWED", 1));
                Self::new(Ok(()))
            }
            Err(error) => Self::new(Err(explained(&error).reason)),
        }
    }

    /// Attaches the programs; TCP is measured without them as well.
    pub fn attach(self, context: &Context, object: &mut Object) -> Self {
        let attach = |&(program, tracepoint)| object.attach_tracepoint(&context.kernel, program, tracepoint);
        let attached = || PROGRAMS.iter().try_for_each(attach).map_err(|error| explained(&StartError::from(error)).reason);
        Self::new(self.followed.and_then(|()| attached()))
    }

    /// Whether a program is one of these.
    pub fn has(program: &str) -> bool {
        PROGRAMS.iter().any(|(own, _)| *own == program)
    }

    /// Has the sockets looked at that are yet to be answered on. While nobody listens that was not there before, that is one look.
    pub fn look(&mut self, object: &mut Object, canary: Option<&Canary>) -> Result<(), LoadError> {
        if self.followed.is_err() {
            return Ok(());
        }
        self.unseen = None;
        self.unseen = Some(unseen(object, canary)?);
        Ok(())
    }

    /// What was seen, or why nothing was.
    pub fn told(&self, object: &Object, moment: &Moment<'_>) -> Result<Start, String> {
        self.followed.clone()?;
        let read = || -> Result<Start, LoadError> {
            let counters: StartCounters = object.get(COUNTERS, 0)?;
            let records = object.entries::<u64, Record>("STARTS")?;
            let mut told = family(&counters, records, object.missed_by(Self::has), moment);
            self.mark_unknown(&mut told);
            Ok(told)
        };
        read().map_err(|error| explained(&StartError::from(error)).reason)
    }

    /// Where a socket was not looked at nobody knows whether there was an answer on it.
    fn mark_unknown(&self, told: &mut Start) {
        let is_unseen = |group: &GroupStart| self.unseen.as_ref().is_none_or(|unseen| unseen.contains(&group.cgroup.id));
        for group in told.groups.iter_mut().filter(|group| group.connected_ns.is_some() && group.answered_ns.is_none()) {
            group.answer_unknown |= is_unseen(group);
        }
    }
}

/// Looks at all sockets that are yet to be answered on. Groups of those that could not be looked at.
fn unseen(object: &mut Object, canary: Option<&Canary>) -> Result<HashSet<u64>, LoadError> {
    let mut unseen = HashSet::new();
    let counters: StartCounters = object.get(COUNTERS, 0)?;
    if counters.listened == 0 {
        return Ok(unseen);
    }
    let watched = object.entries::<u64, u64>("WATCHED")?;
    if watched.is_empty() {
        return Ok(unseen);
    }
    let records = object.entries::<u64, Record>("STARTS")?.into_iter();
    let answered: HashSet<u64> = records.filter(|(_, record)| record.answered != 0).map(|(group, _)| group).collect();
    for (socket, group) in watched {
        if answered.contains(&group) {
            object.remove::<u64, u64>("WATCHED", &socket)?;
            continue;
        }
        object.set("LOOK", 0, socket)?;
        if !canary.is_some_and(Canary::sing) {
            unseen.insert(group);
        }
    }
    Ok(unseen)
}

/// Groups in which something ran, in the order in which they were made.
fn family(counters: &StartCounters, mut records: Vec<(u64, Record)>, missed: Option<u64>, moment: &Moment<'_>) -> Start {
    records.retain(|(_, record)| record.populated != 0 || record.executed != 0);
    records.sort_unstable_by_key(|(id, record)| (record.made, *id));
    let groups = records.iter().map(|(id, record)| group(*id, record, moment)).collect();
    Start { groups, made: counters.made, untold: counters.untold, missed }
}

fn group(id: u64, record: &Record, moment: &Moment<'_>) -> GroupStart {
    let since = |at: u64| at.saturating_sub(record.made);
    let stage = |at: u64| (at != 0).then(|| since(at));
    let until = if record.emptied == 0 { moment.now_ns } else { record.emptied };
    GroupStart {
        cgroup: cgroup_of(moment.names, id),
        age_ns: since(until),
        ended: record.emptied != 0,
        populated_ns: stage(record.populated),
        executed_ns: stage(record.executed),
        program: stage(record.executed).map(|_| command(&record.comm)),
        own_mounts: record.own_mounts != 0,
        listened_ns: stage(record.listened),
        listener: stage(record.listened).map(|_| command(&record.listener)),
        port: (record.port != 0).then_some(record.port),
        connected_ns: stage(record.connected),
        asked_ns: stage(record.asked),
        answered_ns: stage(record.answered),
        answer_unknown: record.answered == 0 && record.unwatched.cast_signed() > 0,
        below: record.below,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment<'_> = Moment { names: None, now_ns: 30_000 };

    #[test]
    fn stages_are_told_from_when_the_group_was_made() {
        let record = Record {
            made: 10_000,
            populated: 10_100,
            executed: 10_300,
            listened: 12_000,
            connected: 12_400,
            asked: 12_500,
            answered: 13_000,
            port: 8080,
            own_mounts: 1,
            below: 2,
            comm: *b"entrypoint.sh\0\0\0",
            listener: *b"java\0\0\0\0\0\0\0\0\0\0\0\0",
            ..Record::default()
        };
        let told = group(7, &record, &MOMENT);
        assert_eq!((told.cgroup.id, told.age_ns, told.ended, told.below), (7, 20_000, false, 2));
        assert_eq!((told.populated_ns, told.executed_ns, told.listened_ns), (Some(100), Some(300), Some(2_000)));
        assert_eq!((told.connected_ns, told.asked_ns, told.answered_ns), (Some(2_400), Some(2_500), Some(3_000)));
        assert_eq!((told.port, told.own_mounts), (Some(8080), true));
        assert_eq!((told.program.as_deref(), told.listener.as_deref()), (Some("entrypoint.sh"), Some("java")));
    }

    #[test]
    fn what_has_not_happened_is_none_and_a_group_that_ended_is_as_old_as_it_became() {
        let record = Record { made: 10_000, populated: 10_100, emptied: 10_900, ..Record::default() };
        let told = group(7, &record, &MOMENT);
        assert_eq!((told.age_ns, told.ended, told.populated_ns), (900, true, Some(100)));
        assert_eq!((told.executed_ns, told.program, told.listened_ns, told.port), (None, None, None, None));
        assert!(!told.answer_unknown);
    }

    #[test]
    fn no_answer_is_not_known_while_connections_wait_that_are_not_looked_after() {
        let waits = |unwatched: u64, answered: u64| {
            let record = Record { made: 1, populated: 1, listened: 2, asked: 3, unwatched, answered, ..Record::default() };
            group(7, &record, &MOMENT).answer_unknown
        };
        assert!(waits(1, 0) && !waits(0, 0) && !waits(1, 4));
        assert!(!waits(u64::MAX, 0), "one more ended than began");
    }

    #[test]
    fn no_answer_is_not_known_where_a_socket_could_not_be_looked_at() {
        let record =
            |made: u64, connected: u64, answered: u64| Record { made, populated: 4, connected, answered, ..Record::default() };
        let told = |unseen: Option<HashSet<u64>>| {
            let records = vec![(7, record(1, 5, 0)), (8, record(2, 5, 6)), (9, record(3, 0, 0))];
            let mut told = family(&StartCounters::default(), records, Some(0), &MOMENT);
            Starts { followed: Ok(()), unseen }.mark_unknown(&mut told);
            told.groups.iter().map(|group| group.answer_unknown).collect::<Vec<_>>()
        };
        assert_eq!(told(Some(HashSet::new())), [false; 3]);
        assert_eq!(told(Some(HashSet::from([7, 8]))), [true, false, false]);
        assert_eq!(told(None), [true, false, false]);
    }

    #[test]
    fn groups_in_which_nothing_ran_are_counted_only() {
        let record = |made: u64, populated: u64| Record { made, populated, ..Record::default() };
        let records = vec![(9, record(5, 6)), (8, record(3, 0)), (7, record(4, 4))];
        let counters = StartCounters { made: 4, untold: 1, ..StartCounters::default() };
        let told = family(&counters, records, Some(0), &MOMENT);
        assert_eq!(told.groups.iter().map(|group| group.cgroup.id).collect::<Vec<_>>(), [7, 9]);
        assert_eq!((told.made, told.untold, told.missed), (4, 1, Some(0)));
    }
}
