//! Kills without eBPF: the kernel's counts, of the host and of each control group, and the names that its log tells.

use std::collections::HashMap;

use kerno_signals::{CollectorReport, Families, OomLimit};

use super::{
    NAME,
    before::{Before, named},
    decode::group_of_path,
    ledger::Ledger,
};
use crate::{
    collector::{Collector, Failure, Moment, groups::Controlled, report},
    platform::{
        Error, Root,
        cgroup::Names,
        kmsg::{self, Kmsg},
        oom::{self, Log, Logged},
    },
};

/// Groups whose kills are read at a tick; the others follow at the next ones.
const READ_A_TICK: usize = 1_000;

/// A running measurement.
pub struct OomFallback {
    root: Root,
    groups: Controlled,
    /// Groups that are still to be read since a kill was counted, and whether another one was counted meanwhile.
    left: Vec<u64>,
    again_left: bool,
    log: Result<Kmsg, String>,
    lines: Log,
    ledger: Ledger,
    before: Before,
    /// Kills that the kernel had counted at the start, and at the last tick.
    start: u64,
    counted: u64,
    /// Kills of each group at the start, and those since, by path: a group may vanish before the end.
    group_start: HashMap<String, u64>,
    group_kills: HashMap<String, u64>,
    /// Kills that the kernel counted twice, by its log; and the same of each group.
    again: u64,
    group_again: HashMap<String, u64>,
    /// Log records that were overwritten before they were read.
    overwritten: u64,
}

impl OomFallback {
    /// Takes the first reading.
    ///
    /// # Errors
    ///
    /// When the kernel's count cannot be read.
    pub fn start(names: Option<&Names>) -> Result<Self, Error> {
        Self::start_at(Root::default(), names)
    }

    fn start_at(root: Root, names: Option<&Names>) -> Result<Self, Error> {
        let start = oom::kills(&root)?;
        let groups = Controlled::find(&root, "memory", names);
        let known = groups.names(names);
        let mut lines = Log::default();
        let mut log = Kmsg::open(&root).map_err(|error| kmsg::why_refused(&error));
        let before = match &mut log {
            Ok(log) => Before::read_with(start, known, log, &mut lines),
            Err(why) => Before::without_log(start, known, why.clone()),
        };
        let overwritten = log.as_ref().map_or(0, Kmsg::overwritten);
        Ok(Self {
            root,
            groups,
            left: vec![],
            again_left: false,
            log,
            lines,
            ledger: Ledger::default(),
            group_start: before.by_group(),
            before,
            start,
            counted: start,
            group_kills: HashMap::new(),
            again: 0,
            group_again: HashMap::new(),
            overwritten,
        })
    }

    /// Reads the counts, those of `most` groups at once.
    fn read(&mut self, moment: &Moment<'_>, most: usize) -> Result<(), Error> {
        let counted = oom::kills(&self.root)?;
        if let Ok(log) = &mut self.log {
            for record in log.read()? {
                match self.lines.note(&record) {
                    Some(Logged { again: true, group, .. }) => {
                        self.again += 1;
                        *self.group_again.entry(group.unwrap_or_default()).or_default() += 1;
                    }
                    Some(kill) => self.ledger.note(named(kill, moment.names)),
                    None => {}
                }
            }
        }
        self.again_left |= counted > self.counted;
        self.counted = counted;
        self.read_groups(moment, most);
        Ok(())
    }

    fn read_groups(&mut self, moment: &Moment<'_>, mut most: usize) {
        let Some(names) = self.groups.names(moment.names) else { return };
        while most > 0 {
            if self.left.is_empty() && std::mem::take(&mut self.again_left) {
                self.left.extend(names.living());
            }
            let Some(id) = self.left.pop() else { return };
            most -= 1;
            let Some((path, kills)) = names.path(id).zip(oom::kills_of(names, id)) else { continue };
            let since = kills.saturating_sub(self.group_start.get(path).copied().unwrap_or(0));
            if since > 0 {
                self.group_kills.insert(path.to_owned(), since);
            }
        }
    }

    fn source(&self) -> String {
        let files = "oom_kill of /proc/vmstat and of memory.events";
        match &self.log {
            Ok(log) if log.overwritten() > self.overwritten => {
                format!("{files}, names from /dev/kmsg, of which a part was overwritten before it could be read")
            }
            Ok(_) => format!("{files}, names from /dev/kmsg"),
            Err(why) => format!("{files}, no names: {why}"),
        }
    }
}

impl Collector for OomFallback {
    fn events(&self) -> u64 {
        self.counted.saturating_sub(self.start).saturating_sub(self.again)
    }

    fn tick(&mut self, moment: &Moment<'_>) {
        self.groups.refresh();
        if let Err(error) = self.read(moment, READ_A_TICK) {
            tracing::warn!(%error, "kills are read again at the next tick");
        }
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        if let Err(error) = self.groups.refresh_all() {
            tracing::debug!(%error, "kills are told of the groups of the last scan");
        }
        self.read(moment, usize::MAX)?;
        let source = self.source();
        for (path, kills) in std::mem::take(&mut self.group_kills) {
            let again = self.group_again.get(&path).copied().unwrap_or(0);
            let unnamed = kills.saturating_sub(self.ledger.known(&path)).saturating_sub(again);
            if unnamed > 0 {
                self.ledger.add(group_of_path(moment.names, &path), OomLimit::Unknown, unnamed);
            }
        }
        let kills = self.events();
        let report = self.before.state_refusal(report::fallback(NAME, kills, source));
        families.oom = Some(self.ledger.tell(kills, Some(self.before.tell(moment.names))));
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::cgroup::Hierarchy;
    use std::fs;

    #[test]
    fn kills_of_many_groups_are_read_a_part_at_each_tick_and_all_at_the_end() {
        const GROUPS: usize = 25;
        let directory = tempfile::tempdir().unwrap();
        let write = |path: String, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let counted = |kills: usize| write("proc/vmstat".to_owned(), &format!("oom_kill {kills}\n"));
        write("proc/self/mountinfo".to_owned(), "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
        counted(0);
        (0..GROUPS).for_each(|group| write(format!("cg/g{group}/memory.events.local"), "oom_kill 0\n"));
        let root = Root::new(directory.path());
        let names = Names::of(root.clone(), Hierarchy::of(&root, "memory").unwrap()).unwrap();
        let moment = Moment { names: Some(&names), now_ns: 0 };
        let mut running = OomFallback::start_at(root, Some(&names)).unwrap();
        running.read(&moment, 10).unwrap();
        assert!(running.left.is_empty() && running.group_kills.is_empty(), "no kill, nothing to read");
        (0..GROUPS).for_each(|group| write(format!("cg/g{group}/memory.events.local"), "oom_kill 1\n"));
        counted(GROUPS);
        running.read(&moment, 10).unwrap();
        // The root has no such file.
        assert!((9..=10).contains(&running.group_kills.len()), "{:?}", running.group_kills);
        let mut families = Families::default();
        Box::new(running).finish(&moment, &mut families).unwrap();
        let told = families.oom.unwrap();
        assert_eq!((told.total, told.unnamed), (GROUPS as u64, 0));
    }
}
