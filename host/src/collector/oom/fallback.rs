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
    collector::{Collector, Failure, Moment, report},
    platform::{
        Error, Root,
        kmsg::{self, Kmsg},
        oom::{self, Log, Logged},
    },
};

/// A running measurement.
pub struct OomFallback {
    root: Root,
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
    pub fn start() -> Result<Self, Error> {
        Self::start_at(Root::default())
    }

    fn start_at(root: Root) -> Result<Self, Error> {
        let start = oom::kills(&root)?;
        let mut lines = Log::default();
        let mut log = Kmsg::open(&root).map_err(|error| kmsg::why_refused(&error));
        let before = match &mut log {
            Ok(log) => Before::read_with(&root, start, log, &mut lines),
            Err(why) => Before::without_log(&root, start, why.clone()),
        };
        let overwritten = log.as_ref().map_or(0, Kmsg::overwritten);
        Ok(Self {
            root,
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

    fn read(&mut self, moment: &Moment<'_>) -> Result<(), Error> {
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
        if counted > self.counted {
            for (path, kills) in oom::kills_by_group(&self.root)? {
                let since = kills.saturating_sub(self.group_start.get(&path).copied().unwrap_or(0));
                if since > 0 {
                    self.group_kills.insert(path, since);
                }
            }
        }
        self.counted = counted;
        Ok(())
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
        if let Err(error) = self.read(moment) {
            tracing::warn!(%error, "kills are read again at the next tick");
        }
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.read(moment)?;
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
