//! Follows the descriptors of every process from reading to reading, and tells at the end which matter.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use kerno_signals::{Cgroup, Fd, FdProcess, FdTotal, FileTable};

use super::series::{Moments, Series, Step};
use crate::collector::context::command;

/// Processes followed at most. Those beyond are in the totals.
const FOLLOWED: usize = 65_536;

/// Processes listed for what they gained.
const GROWING: usize = 128;
/// Processes listed for how little is left to their limit.
const FULLEST: usize = 64;
/// Processes listed for how many they have.
const LARGEST: usize = 64;

/// One process in one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Process id.
    pub pid: u32,
    /// When it started, nanoseconds since boot.
    pub start_ns: u64,
    /// Command name, ended by a NUL when it is shorter.
    pub comm: [u8; 16],
    /// Control group id, when known.
    pub group: Option<u64>,
    /// Its table: the same number is the same table. `None` when that is not known.
    pub table: Option<u64>,
    /// Soft limit, when known.
    pub limit: Option<u64>,
    /// Descriptors; `None` when they could not be counted this time.
    pub open: Option<u64>,
}

/// All processes over the window.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Process whose descriptors are not in the totals.
    own: Option<u32>,
    moments: Moments,
    followed: HashMap<u32, Followed>,
    total: FdTotal,
    /// Counts taken.
    counts: u64,
    /// Counts that failed.
    failed: u64,
    /// Counts of processes beyond [`FOLLOWED`].
    unfollowed: u64,
}

#[derive(Debug)]
struct Followed {
    count: Count,
    series: Series,
    /// The number of the last reading that had it.
    seen: u32,
}

/// What is known of processes elsewhere.
pub struct Names<'a> {
    /// Control group by id.
    pub cgroup: &'a dyn Fn(u64) -> Cgroup,
    /// Control group by process, where a reading does not tell it.
    pub cgroup_of: &'a dyn Fn(u32) -> Option<Cgroup>,
    /// Soft and hard limit by process.
    pub limits_of: &'a dyn Fn(u32) -> Option<(u64, u64)>,
    /// kerno's process id.
    pub own: u32,
}

impl Tracker {
    /// Of all processes but kerno in the totals.
    pub fn beside(own: u32) -> Self {
        Self { own: Some(own), ..Self::default() }
    }

    /// Takes one reading of all processes.
    pub fn note(&mut self, at: u64, counts: Vec<Count>) {
        let step = self.moments.note(at);
        let reading = self.moments.readings();
        let mut total = FdTotal { processes: counts.len() as u64, first: self.total.first, last: 0, sharing: 0 };
        let mut tables = HashSet::new();
        for count in counts {
            self.counts += 1;
            self.failed += u64::from(count.open.is_none());
            let is_own = Some(count.pid) == self.own;
            let is_new_table = count.table.is_none_or(|table| tables.insert(table));
            total.sharing += u64::from(!is_new_table);
            let open = self.follow(at, step, reading, count);
            if is_new_table && !is_own {
                total.last = total.last.saturating_add(open);
            }
        }
        if reading == 1 {
            total.first = total.last;
        }
        self.total = total;
        // The others have ended.
        self.followed.retain(|_, followed| followed.seen == reading);
    }

    /// The count that holds for a process now.
    fn follow(&mut self, at: u64, step: Step, reading: u32, count: Count) -> u64 {
        let (pid, open) = (count.pid, count.open);
        let is_full = self.followed.len() >= FOLLOWED;
        match self.followed.get_mut(&pid) {
            // Kernel and `/proc` tell the start in steps of their own, which do not change.
            Some(followed) if followed.count.start_ns == count.start_ns => {
                followed.series.note(&self.moments, step, at, open);
                followed.seen = reading;
                followed.count = count;
                return followed.series.last();
            }
            None if is_full => {
                self.unfollowed += 1;
                return open.unwrap_or(0);
            }
            _ => {}
        }
        let Some(open) = open else {
            self.followed.remove(&pid);
            return 0;
        };
        let series = Series::new(&self.moments, step, at, open);
        self.followed.insert(pid, Followed { count, series, seen: reading });
        open
    }

    /// Counts taken.
    pub fn counts(&self) -> u64 {
        self.counts
    }

    /// Counts that failed, or are of processes that are not followed.
    pub fn lost(&self) -> u64 {
        self.failed + self.unfollowed
    }

    /// Readings so far.
    pub fn readings(&self) -> u32 {
        self.moments.readings()
    }

    /// What matters of it.
    pub fn tell(&self, names: &Names<'_>, system: Option<FileTable>) -> Fd {
        let owners = self.owners();
        let listed = self.listed();
        let mut processes: Vec<_> = listed.iter().filter_map(|pid| self.process(*pid, names, &owners)).collect();
        processes.sort_by_key(|process| (Reverse(process.growth()), Reverse(process.last), process.pid));
        Fd {
            others: self.total.processes.saturating_sub(processes.len() as u64),
            processes,
            total: self.total,
            unseen: 0,
            system,
            readings: self.moments.readings(),
        }
    }

    /// The oldest process of each table.
    fn owners(&self) -> HashMap<u64, (u64, u32)> {
        let mut owners = HashMap::new();
        for followed in self.followed.values() {
            let Some(table) = followed.count.table else { continue };
            let age = (followed.count.start_ns, followed.count.pid);
            owners.entry(table).and_modify(|oldest: &mut (u64, u32)| *oldest = age.min(*oldest)).or_insert(age);
        }
        owners
    }

    fn listed(&self) -> BTreeSet<u32> {
        let growth = |followed: &Followed| followed.series.last().saturating_sub(followed.series.first());
        let fill = |followed: &Followed| {
            let limit = followed.count.limit.filter(|limit| *limit > 0)?;
            // Per million: whole numbers have an order.
            Some(u128::from(followed.series.last()) * 1_000_000 / u128::from(limit))
        };
        let mut listed = most(&self.followed, GROWING, |followed| Some(growth(followed)).filter(|growth| *growth > 0));
        listed.extend(most(&self.followed, FULLEST, fill));
        listed.extend(most(&self.followed, LARGEST, |followed| Some(followed.series.last())));
        listed
    }

    fn process(&self, pid: u32, names: &Names<'_>, owners: &HashMap<u64, (u64, u32)>) -> Option<FdProcess> {
        let Followed { count, series, .. } = self.followed.get(&pid)?;
        // One file a process: only where it may be told, or no reading had it.
        let grows = series.last() > series.first();
        let limits = if grows || count.limit.is_none() { (names.limits_of)(pid) } else { None };
        let owner = count.table.and_then(|table| owners.get(&table)).map(|(_, pid)| *pid);
        Some(FdProcess {
            pid,
            comm: command(&count.comm),
            cgroup: count.group.map(names.cgroup).or_else(|| (names.cgroup_of)(pid)),
            start_ns: count.start_ns,
            watched_ns: series.watched_ns(),
            first: series.first(),
            last: series.last(),
            peak: series.peak(),
            limit: count.limit.or(limits.map(|(soft, _)| soft)),
            hard_limit: limits.map(|(_, hard)| hard),
            trend: series.trend(&self.moments),
            gained: series.gained(&self.moments),
            shared_with: owner.filter(|owner| *owner != pid),
            own: pid == names.own,
        })
    }
}

/// The processes that have the most of what `what` tells.
fn most<T: Ord + Copy>(all: &HashMap<u32, Followed>, number: usize, what: impl Fn(&Followed) -> Option<T>) -> BTreeSet<u32> {
    let mut ranked: Vec<_> = all.iter().filter_map(|(pid, followed)| Some((what(followed)?, Reverse(*pid)))).collect();
    if ranked.len() > number {
        ranked.select_nth_unstable_by_key(number, |rank| Reverse(*rank));
        ranked.truncate(number);
    }
    ranked.into_iter().map(|(_, Reverse(pid))| pid).collect()
}

#[cfg(test)]
mod tests;
