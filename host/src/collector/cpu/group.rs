//! Accounts of every group: as first read, as last read, and when to read which.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crate::collector::groups::Unread;
use crate::platform::{
    Root,
    cgroup::{
        Hierarchy, Names, Version,
        cpu::{self, Stat, Throttling},
    },
    psi::{self, Pressure},
};

/// Where a group's files are besides its directory in the hierarchy of the cpu controller: nowhere else on v2.
pub(super) struct Controllers {
    root: Root,
    pub version: Version,
    usage: Option<Hierarchy>,
    cpuset: Option<Hierarchy>,
    pressure: Option<Hierarchy>,
}

impl Controllers {
    pub fn find(root: &Root, names: &Names) -> Self {
        let version = names.hierarchy().version;
        let of = |controller| (version == Version::V1).then(|| Hierarchy::of(root, controller).ok()).flatten();
        let pressure = (version == Version::V1).then(|| Hierarchy::unified(root).ok()).flatten();
        Self { root: root.clone(), version, usage: of("cpuacct"), cpuset: of("cpuset"), pressure }
    }

    /// Whether something counts CPU time.
    pub fn count_usage(&self) -> bool {
        self.version == Version::V2 || self.usage.is_some()
    }

    /// The group's directory where its cpuset is told.
    pub fn cpuset(&self, names: &Names, id: u64) -> Option<(PathBuf, Version)> {
        self.elsewhere(names, id, self.cpuset.as_ref()).map(|directory| {
            let version = self.cpuset.as_ref().map_or(self.version, |hierarchy| hierarchy.version);
            (directory, version)
        })
    }

    fn elsewhere(&self, names: &Names, id: u64, hierarchy: Option<&Hierarchy>) -> Option<PathBuf> {
        if self.version == Version::V2 {
            return names.directory(id);
        }
        // Runtimes and systemd make the same paths in every hierarchy.
        hierarchy?.directory(names.path(id)?).map(|directory| self.root.path(directory))
    }

    fn read(&self, names: &Names, id: u64, unread: &mut Unread) -> Option<Account> {
        let directory = names.directory(id)?;
        let mut stat = unread.note(cpu::stat(&directory, self.version))?;
        if let Some(usage) = self.elsewhere(names, id, self.usage.as_ref()).filter(|_| self.version == Version::V1) {
            stat.usage_ns = unread.note(cpu::usage_v1(&usage));
        }
        let pressure = self.elsewhere(names, id, self.pressure.as_ref());
        let pressure = pressure.and_then(|directory| unread.note(psi::of_group(&directory, "cpu")));
        Some(Account { stat, pressure })
    }
}

/// A group's account at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub stat: Stat,
    pub pressure: Option<Pressure>,
}

/// A group's accounts.
#[derive(Debug)]
pub(super) struct Track {
    pub first: Account,
    pub last: Account,
    /// Runnable threads, summed over samples, and how many those were.
    pub runnable: (u64, u64),
}

impl Track {
    /// CPU time used since the first reading.
    pub fn usage_ns(&self) -> Option<u64> {
        Some(self.last.stat.usage_ns?.saturating_sub(self.first.stat.usage_ns.unwrap_or(0)))
    }

    /// What its quota did since the first reading.
    pub fn throttling(&self) -> Option<Throttling> {
        Some(added(self.last.stat.throttling?, self.first.stat.throttling.unwrap_or_default()))
    }
}

fn added(now: Throttling, then: Throttling) -> Throttling {
    Throttling {
        periods: now.periods.saturating_sub(then.periods),
        throttled_periods: now.throttled_periods.saturating_sub(then.throttled_periods),
        throttled_ns: now.throttled_ns.saturating_sub(then.throttled_ns),
    }
}

/// More groups than this are kept only as long as they are named.
const MOST: usize = 20_000;

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    tracks: HashMap<u64, Track>,
    /// Groups whose quota has ever been in force, in the order in which they are to be read.
    limited: VecDeque<u64>,
    /// The others.
    rest: VecDeque<u64>,
    /// Whether every group was there at the first reading: what comes later was made later.
    complete: bool,
    /// Which groups are new.
    mark: u64,
    readings: u64,
}

impl Groups {
    pub fn readings(&self) -> u64 {
        self.readings
    }

    pub fn tracks(&self) -> impl Iterator<Item = (u64, &Track)> {
        self.tracks.iter().map(|(id, track)| (*id, track))
    }

    pub fn track(&mut self, id: u64) -> Option<&mut Track> {
        self.tracks.get_mut(&id)
    }

    pub fn read_first(&mut self, names: &Names, controllers: &Controllers, unread: &mut Unread) {
        let gaps = names.gaps();
        self.complete = gaps.unreadable + gaps.left_out + gaps.too_deep == 0;
        self.mark = names.arrived();
        for id in names.living() {
            if let Some(account) = self.read(id, names, controllers, unread) {
                self.begin(id, account, account);
            }
        }
    }

    /// Reads the groups that were made since.
    pub fn read_new(&mut self, names: &Names, controllers: &Controllers, unread: &mut Unread) {
        if self.tracks.len() > MOST {
            self.tracks.retain(|id, _| names.knows(*id));
        }
        let mark = std::mem::replace(&mut self.mark, names.arrived());
        for id in names.arrived_since(mark) {
            if !self.tracks.contains_key(&id)
                && let Some(account) = self.read(id, names, controllers, unread)
            {
                let pressure = account.pressure.map(|now| Pressure { some_us: 0, full_us: now.full_us.map(|_| 0) });
                let nothing = Account { stat: Stat::default(), pressure };
                self.begin(id, if self.complete { nothing } else { account }, account);
            }
        }
    }

    fn begin(&mut self, id: u64, first: Account, last: Account) {
        self.queue(id, &last);
        self.tracks.insert(id, Track { first, last, runnable: (0, 0) });
    }

    fn queue(&mut self, id: u64, account: &Account) {
        let is_limited = account.stat.throttling.is_some_and(|throttling| throttling.periods > 0);
        if is_limited { &mut self.limited } else { &mut self.rest }.push_back(id);
    }

    /// Reads the next `most` groups with a quota, and as many others; returns those that were throttled since they were last read.
    pub fn read_some(&mut self, names: &Names, controllers: &Controllers, most: usize, unread: &mut Unread) -> Vec<u64> {
        let mut throttled = Vec::new();
        let limited = self.limited.drain(..most.min(self.limited.len()));
        let next: Vec<u64> = limited.chain(self.rest.drain(..most.min(self.rest.len()))).collect();
        for id in next {
            // A group that is gone is not read again.
            let Some(account) = self.read(id, names, controllers, unread) else { continue };
            self.queue(id, &account);
            if let Some(track) = self.tracks.get_mut(&id) {
                let then = track.last.stat.throttling.unwrap_or_default();
                if added(account.stat.throttling.unwrap_or_default(), then).throttled_periods > 0 {
                    throttled.push(id);
                }
                track.last = account;
            }
        }
        throttled
    }

    /// Reads every group once more.
    pub fn read_last(&mut self, names: &Names, controllers: &Controllers, unread: &mut Unread) {
        self.read_new(names, controllers, unread);
        for id in names.living() {
            if let Some(account) = self.read(id, names, controllers, unread)
                && let Some(track) = self.tracks.get_mut(&id)
            {
                track.last = account;
            }
        }
    }

    fn read(&mut self, id: u64, names: &Names, controllers: &Controllers, unread: &mut Unread) -> Option<Account> {
        let account = controllers.read(names, id, unread)?;
        self.readings += 1;
        Some(account)
    }
}
