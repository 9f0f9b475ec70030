//! Accounts of every group: as first read, as last read, its points of growth, and which to read when.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};

use super::points::Points;
use crate::collector::groups::Unread;
use crate::platform::{
    Root,
    cgroup::{
        Hierarchy, Names, Version,
        memory::{self, Events, Usage},
    },
    clock::Clock,
    psi::{self, Pressure},
};

/// The fullest groups, read at each tick.
const FULLEST: usize = 16;

/// Other groups that are read at a tick, in turn.
const IN_TURN: usize = 8;

/// More groups than this are kept only as long as they are named.
const MOST: usize = 20_000;

/// Where the files of groups are.
pub(super) struct Controller<'a> {
    root: &'a Root,
    pub names: &'a Names,
    pub version: Version,
    /// Beside v1 controllers the unified hierarchy has the stall times of groups with the same paths.
    pressure: Option<&'a Hierarchy>,
}

impl<'a> Controller<'a> {
    /// `unified` is looked for once: that may take a walk over all groups.
    pub fn new(root: &'a Root, names: &'a Names, unified: &'a OnceCell<Option<Hierarchy>>) -> Self {
        let version = names.hierarchy().version;
        let find = || unified.get_or_init(|| Hierarchy::unified(root).ok()).as_ref();
        let pressure = (version == Version::V1).then(find).flatten();
        Self { root, names, version, pressure }
    }

    fn usage(&self, id: u64, unread: &mut Unread) -> Option<Usage> {
        unread.note(memory::usage(&self.names.directory(id)?, self.version))
    }

    fn account(&self, id: u64, unread: &mut Unread) -> Option<Account> {
        let directory = self.names.directory(id)?;
        let usage = self.usage(id, unread)?;
        let events = unread.note(memory::events(&directory, self.version));
        let pressure = match self.version {
            Version::V2 => Some(directory),
            Version::V1 => self.pressure.and_then(|unified| unified.directory(self.names.path(id)?)),
        };
        let pressure = pressure.map(|directory| self.root.path(directory));
        let pressure = pressure.and_then(|directory| unread.note(psi::of_group(&directory, super::NAME)));
        Some(Account { usage, events, pressure })
    }
}

/// A group's account at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub usage: Usage,
    pub events: Option<Events>,
    pub pressure: Option<Pressure>,
}

impl Account {
    /// As it was when the group was made.
    fn nothing(&self) -> Self {
        let usage = Usage {
            major_faults: self.usage.major_faults.map(|_| 0),
            refaults_anon: self.usage.refaults_anon.map(|_| 0),
            ..Usage::default()
        };
        let pressure = self.pressure.map(|now| Pressure { some_us: 0, full_us: now.full_us.map(|_| 0) });
        Self { usage, events: self.events.map(|_| Events::default()), pressure }
    }
}

/// A group's accounts.
#[derive(Debug)]
pub(super) struct Track {
    pub first: Account,
    pub last: Account,
    pub points: Points,
    /// Its smallest hard limit on the way up, as of the first reading.
    max: Option<u64>,
}

impl Track {
    /// Share of what it may use, by a hard limit or the host's size.
    fn fullness(&self, total: u64) -> u64 {
        let limit = self.max.unwrap_or(u64::MAX).min(total).max(1);
        (u128::from(self.last.usage.working_set()) * 1_000_000 / u128::from(limit)).try_into().unwrap_or(u64::MAX)
    }

    /// Events since the first reading.
    pub fn events(&self) -> Option<Events> {
        let (now, then) = (self.last.events?, self.first.events?);
        Some(Events {
            high: now.high.saturating_sub(then.high),
            max: now.max.saturating_sub(then.max),
            oom: now.oom.saturating_sub(then.oom),
            oom_kill: now.oom_kill.saturating_sub(then.oom_kill),
        })
    }

    /// The most interesting first: kills, limits that were met, fullness.
    pub fn order(&self, total: u64) -> impl Ord {
        let events = self.events().unwrap_or_default();
        Reverse((events.oom_kill, events.max > 0 || events.high > 0, self.fullness(total)))
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    tracks: HashMap<u64, Track>,
    /// In the order in which they are to be read.
    queue: VecDeque<u64>,
    /// Whether every group was there at the first reading: what comes later was made later.
    complete: bool,
    /// Which groups are new.
    mark: u64,
    readings: u64,
    /// The host's memory.
    pub total: u64,
}

impl Groups {
    pub fn readings(&self) -> u64 {
        self.readings
    }

    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    pub fn tracks(&self) -> impl Iterator<Item = (u64, &Track)> {
        self.tracks.iter().map(|(id, track)| (*id, track))
    }

    pub fn read_first(&mut self, controller: &Controller<'_>, total: u64, clock: &dyn Clock, unread: &mut Unread) {
        let gaps = controller.names.gaps();
        self.complete = gaps.unreadable + gaps.left_out + gaps.too_deep == 0;
        self.total = total;
        self.add(controller.names.living(), controller, clock, unread, true);
        self.mark = controller.names.arrived();
    }

    /// Reads the groups that were made since, the fullest, and the next of the others.
    pub fn read_some(&mut self, controller: &Controller<'_>, total: u64, clock: &dyn Clock, unread: &mut Unread) {
        self.total = total.min(self.total);
        let mark = std::mem::replace(&mut self.mark, controller.names.arrived());
        self.add(controller.names.arrived_since(mark), controller, clock, unread, false);
        let mut order: Vec<(u64, u64)> = self.tracks().map(|(id, track)| (track.fullness(self.total), id)).collect();
        if order.len() > FULLEST {
            order.select_nth_unstable_by_key(FULLEST, |(fullness, _)| Reverse(*fullness));
            order.truncate(FULLEST);
        }
        let fullest: HashSet<u64> = order.into_iter().map(|(_, id)| id).collect();
        let mut in_turn = Vec::new();
        for _ in 0..self.queue.len() {
            let Some(id) = self.queue.pop_front().filter(|_| in_turn.len() < IN_TURN) else { break };
            self.queue.push_back(id);
            if !fullest.contains(&id) {
                in_turn.push(id);
            }
        }
        for id in fullest.into_iter().chain(in_turn) {
            self.read_again(id, controller, clock, unread, false);
        }
    }

    /// Reads every group once more.
    pub fn read_last(&mut self, controller: &Controller<'_>, total: u64, clock: &dyn Clock, unread: &mut Unread) {
        self.total = total;
        // The controller may have been enabled for groups that did not have it before.
        self.add(controller.names.living(), controller, clock, unread, false);
        for id in controller.names.living() {
            self.read_again(id, controller, clock, unread, true);
        }
    }

    fn read_again(&mut self, id: u64, controller: &Controller<'_>, clock: &dyn Clock, unread: &mut Unread, whole: bool) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        if whole {
            let Some(account) = controller.account(id, unread) else { return };
            track.last = account;
        } else {
            let Some(usage) = controller.usage(id, unread) else { return };
            track.last.usage = usage;
        }
        track.points.note(clock.monotonic_ns(), track.last.usage.working_set());
        self.readings += 1;
    }

    fn add(
        &mut self,
        ids: impl Iterator<Item = u64>,
        controller: &Controller<'_>,
        clock: &dyn Clock,
        unread: &mut Unread,
        at_start: bool,
    ) {
        let names = controller.names;
        if self.tracks.len() > MOST {
            self.tracks.retain(|id, _| names.knows(*id));
            let tracks = &self.tracks;
            self.queue.retain(|id| tracks.contains_key(id));
        }
        // The root has no account of its own.
        let new = |id: &u64| !self.tracks.contains_key(id) && names.path(*id).is_some_and(|path| path != "/");
        let new: Vec<u64> = ids.filter(new).collect();
        let mut maxima = HashMap::new();
        for id in new {
            let Some(account) = controller.account(id, unread) else { continue };
            let first = if at_start || !self.complete { account } else { account.nothing() };
            let max = smallest_max(id, controller, &mut maxima, unread);
            let mut points = Points::default();
            points.note(clock.monotonic_ns(), account.usage.working_set());
            self.tracks.insert(id, Track { first, last: account, points, max });
            self.queue.push_back(id);
            self.readings += 1;
        }
    }
}

fn smallest_max(id: u64, controller: &Controller<'_>, known: &mut HashMap<u64, Option<u64>>, unread: &mut Unread) -> Option<u64> {
    let mut smallest = None::<u64>;
    let mut next = Some(id);
    while let Some(id) = next {
        let read = || {
            let directory = controller.names.directory(id)?;
            unread.note(memory::limits(&directory, controller.version).map(Some))?.max
        };
        let max = *known.entry(id).or_insert_with(read);
        smallest = smallest.into_iter().chain(max).min();
        next = controller.names.parent(id);
    }
    smallest
}
