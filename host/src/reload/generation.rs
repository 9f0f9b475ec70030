//! What of the directories is in force: of each rule its newest version that loads, else its last one that did; of a bundle all of it or
//! none; and when that is another set of rules than before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::reading::{Directory, Stamp, read_all, switched_off};
use crate::bundle::{self, Accepted, Policy};
use crate::engine::{Candidate, Limits, Settings};

/// Which rules there are, and what they may do.
#[derive(Clone)]
pub struct Rules {
    /// The program whose process judges.
    pub program: PathBuf,
    /// The built-in ones.
    pub built_in: Vec<Candidate>,
    /// Directories of others.
    pub directories: Vec<PathBuf>,
    /// What was set of them.
    pub settings: Settings,
    /// What they may use.
    pub limits: Limits,
    /// Whose rules may be used.
    pub policy: Policy,
}

/// Where rules are tried.
pub(super) trait Loads {
    type Error;

    /// Loads them, and tells of each why it does not load.
    fn load(&mut self, candidates: &[Candidate], off: &Off) -> Result<Failed, Self::Error>;

    /// Judges a window by those that were loaded; the rules that trap or are stopped, and why.
    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, Self::Error>;

    /// Whether something did not load for want of time or memory: it may at another time.
    fn left_out(&mut self) -> bool;
}

/// After so long what was left out is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// Follows directories, from one generation to the next.
pub(super) struct Follower {
    rules: Rules,
    /// By what it is known whether something has changed since the directories were read last.
    seen: Option<Stamp>,
    /// What was read last.
    read: Option<(Vec<Directory>, Off)>,
    /// When that is to be tried again.
    again: Option<Instant>,
    /// Rules of the last generation that loaded, by their files.
    good: BTreeMap<PathBuf, Candidate>,
    /// The last generation: its rules, whether each failed, and what is switched off.
    last: Option<(Vec<(Candidate, bool)>, Off)>,
    /// Bundles that were in force: none that is older may follow.
    accepted: Vec<Accepted>,
    number: u64,
}

/// Rules that are not used, and why not.
type Off = BTreeMap<String, String>;

/// Of each rule, in the order of loading, why it does not load.
type Failed = Vec<Option<String>>;

/// What lies in the directories, and what of it is in force.
pub(super) struct Settled {
    /// Of the generation that it is in force in.
    pub(super) number: u64,
    /// Whether that is another one than before.
    pub(super) is_new: bool,
    /// Of each rule, in the order of loading, by what its version is known.
    pub(super) files: Vec<Option<String>>,
    /// Why a rule is not what its file is now.
    pub(super) notes: BTreeMap<usize, String>,
    /// All that was read or is in force.
    pub(super) held: BTreeSet<String>,
}

/// A rule, and why it is not what its file is now.
type Slot = (Candidate, Option<String>);

/// What a directory has to say.
struct Group<'a> {
    directory: &'a Directory,
    rules: Vec<Slot>,
    /// A part of the bundle that it is does not load, nor did one before it: none of it is used.
    refused: bool,
}

impl Group<'_> {
    /// Whether its rules are used together or not at all.
    fn is_bundle(&self) -> bool {
        self.rules.iter().any(|(rule, _)| rule.bundle().is_some())
    }
}

/// When a rule was found to fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Loading,
    /// On the last window.
    Judging,
}

impl Follower {
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, seen: None, read: None, again: None, good: BTreeMap::new(), last: None, accepted: Vec::new(), number: 0 }
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether something may have changed since the directories were read last.
    pub(super) fn is_behind(&self) -> bool {
        let now = SystemTime::now();
        let is_due = self.again.is_some_and(|again| again <= Instant::now());
        is_due
            || self.good.values().any(|rule| rule.is_expired(now))
            || self.seen.as_ref() != Some(&Stamp::of(&self.rules.directories))
    }

    /// Loads what lies there now; `None` where that is what lay there before, or changes under the reader's eyes.
    pub(super) fn look<L: Loads>(&mut self, loads: &mut L) -> Result<Option<Settled>, L::Error> {
        let now = SystemTime::now();
        let Some((directories, stamp)) = read_all(&self.rules, &self.accepted) else { return Ok(None) };
        let off = switched_off(&self.rules);
        // What changes once more within the same moment may look the same.
        let seen = (!stamp.is_fresh()).then_some(stamp);
        // What is kept may have to go though nothing has changed.
        let is_due =
            self.again.is_some_and(|again| again <= Instant::now()) || self.good.values().any(|rule| rule.is_expired(now));
        let is_known = |(read, was_off): &(Vec<Directory>, _)| *was_off == off && same(read, &directories, Directory::is_same);
        if !is_due && self.read.as_ref().is_some_and(is_known) {
            self.seen = seen;
            return Ok(None);
        }
        let (groups, failed) = self.settle(&directories, &off, now, loads)?;
        self.again = loads.left_out().then(|| Instant::now() + AGAIN);
        let is_whole = |group: &&Group<'_>| !group.refused && group.rules.iter().all(|(_, note)| note.is_none());
        for accepted in groups.iter().filter(is_whole).filter_map(|group| group.directory.bundle.clone()) {
            accepted.keep(&mut self.accepted);
        }
        let (candidates, notes): (Vec<Candidate>, Vec<Option<String>>) = self.flat(groups).into_iter().unzip();
        let hash = |candidate: &Candidate| candidate.fingerprint().map(|file| file.sha256);
        let files = candidates.iter().map(version).collect();
        let read = directories.iter().flat_map(|directory| &directory.rules);
        let held = read.chain(&candidates).filter_map(hash).collect();
        let rules: Vec<(Candidate, bool)> = candidates.into_iter().zip(failed.iter().map(Option::is_some)).collect();
        self.good = self.good_among(&rules, now);
        let is_same = |a: &(Candidate, bool), b: &(Candidate, bool)| a.0.is_same(&b.0) && a.1 == b.1;
        let is_new = self.last.as_ref().is_none_or(|(last, was_off)| *was_off != off || !same(last, &rules, is_same));
        (self.seen, self.read, self.number) = (seen, Some((directories, off.clone())), self.number + u64::from(is_new));
        self.last = Some((rules, off));
        let notes = (0..).zip(notes).filter_map(|(index, note)| Some((index, note?))).collect();
        Ok(Some(Settled { number: self.number, is_new, files, notes, held }))
    }

    /// Of each file the last version that loaded, as long as there is something in its place.
    fn good_among(&self, rules: &[(Candidate, bool)], now: SystemTime) -> BTreeMap<PathBuf, Candidate> {
        let mut good = BTreeMap::new();
        for (rule, failed) in rules {
            let Some(path) = rule.path() else { continue };
            let last = if *failed { self.good.get(path) } else { Some(rule) };
            let fits = |last: &&Candidate| !last.is_expired(now) && last.bundle().is_some() == rule.bundle().is_some();
            good.extend(last.filter(fits).map(|last| (path.clone(), last.clone())));
        }
        good
    }

    /// Loads what was read, with the last good versions in the place of what does not load; why some do not load all the same.
    fn settle<'a, L: Loads>(
        &self,
        directories: &'a [Directory],
        off: &Off,
        now: SystemTime,
        loads: &mut L,
    ) -> Result<(Vec<Group<'a>>, Failed), L::Error> {
        let mut groups: Vec<Group<'_>> = directories.iter().map(|directory| self.group(directory, now)).collect();
        // Each round changes one group, those before it stay as they are, and each can be changed but twice.
        loop {
            let flat: Vec<Candidate> = self.flat_of(&groups).cloned().collect();
            let failed = loads.load(&flat, off)?;
            let of_load = failed.iter().enumerate().filter_map(|(index, why)| Some((index, why.clone()?)));
            if self.replaced(of_load.collect(), When::Loading, now, &mut groups).is_some() {
                continue;
            }
            let Some(changed) = self.replaced(loads.try_out()?, When::Judging, now, &mut groups) else {
                return Ok((groups, failed));
            };
            // What goes may have had an id of theirs.
            for group in &mut groups[changed + 1..] {
                *group = self.group(group.directory, now);
            }
        }
    }

    /// What was read of a directory; of one that is refused as a whole the rules that are in force.
    fn group<'a>(&self, directory: &'a Directory, now: SystemTime) -> Group<'a> {
        let mut rules = Vec::new();
        if let Some(reason) = &directory.refused {
            rules.extend(self.good_of(directory, now).map(|last| (last.clone(), Some(kept(last, reason)))));
        }
        rules.extend(directory.rules.iter().map(|rule| (rule.clone(), None)));
        Group { directory, rules, refused: false }
    }

    fn flat_of<'a>(&'a self, groups: &'a [Group<'_>]) -> impl Iterator<Item = &'a Candidate> {
        let users = groups.iter().flat_map(|group| group.rules.iter().map(|(candidate, _)| candidate));
        self.rules.built_in.iter().chain(users)
    }

    fn flat(&self, groups: Vec<Group<'_>>) -> Vec<Slot> {
        let built_in = self.rules.built_in.iter().map(|rule| (rule.clone(), None));
        built_in.chain(groups.into_iter().flat_map(|group| group.rules)).collect()
    }

    /// Puts the last good versions in the place of these, as far as there are others than they, or refuses what is left of a bundle: of
    /// the first group of which there is something to change.
    fn replaced(&self, bad: BTreeMap<usize, String>, when: When, now: SystemTime, groups: &mut [Group<'_>]) -> Option<usize> {
        let mut first = self.rules.built_in.len();
        groups.iter_mut().position(|group| {
            let next = first + group.rules.len();
            let bad: Vec<(usize, &String)> = bad.range(first..next).map(|(index, reason)| (index - first, reason)).collect();
            first = next;
            if group.is_bundle() { self.whole_replaced(&bad, when, now, group) } else { self.each_replaced(&bad, group) }
        })
    }

    /// Every rule for itself.
    fn each_replaced(&self, bad: &[(usize, &String)], group: &mut Group<'_>) -> bool {
        let mut any = false;
        for (index, reason) in bad {
            let (candidate, note) = &mut group.rules[*index];
            let last = candidate.path().and_then(|path| self.good.get(path)).filter(|last| last.bundle().is_none());
            let other = last.filter(|last| note.is_none() && !last.is_same(candidate));
            if let Some(last) = other {
                (*candidate, *note) = (last.clone(), Some(kept(last, reason)));
                any = true;
            }
        }
        any
    }

    /// A bundle is used as a whole or not at all. What only fails as it judges goes before nothing but an earlier version.
    fn whole_replaced(&self, bad: &[(usize, &String)], when: When, now: SystemTime, group: &mut Group<'_>) -> bool {
        let is_tried = |(index, _): &&(usize, &String)| !group.rules[*index].0.is_refused();
        let Some((index, reason)) = bad.iter().find(is_tried).copied() else { return false };
        let why = bundle::not_whole(group.rules[index].0.shown(), reason);
        let is_kept = group.rules.iter().any(|(_, note)| note.is_some());
        let last: Vec<Candidate> = self.good_of(group.directory, now).filter(|last| last.bundle().is_some()).cloned().collect();
        let is_of_bundle = |(rule, _): &&Slot| rule.bundle().is_some();
        let is_there = |last: &Candidate| group.rules.iter().any(|(rule, _)| last.is_same(rule));
        let is_other = last.len() != group.rules.iter().filter(is_of_bundle).count() || !last.iter().all(is_there);
        if !is_kept && !last.is_empty() && is_other {
            // What lies beside it and is told stays.
            group.rules.retain(|slot| !is_of_bundle(&slot));
            group.rules.extend(last.into_iter().map(|last| (last.clone(), Some(kept(&last, &why)))));
            return true;
        }
        if when == When::Judging {
            return false;
        }
        for (other, (rule, note)) in group.rules.iter_mut().enumerate().filter(|(_, (rule, _))| !rule.is_refused()) {
            *note = None;
            rule.refuse(if other == index { reason.clone() } else { format!("{}{why}", bundle::NOT_USED) });
        }
        group.refused = true;
        true
    }

    /// Rules of a directory that were in force, and may be; of a bundle those of its name, wherever it was.
    fn good_of(&self, directory: &Directory, now: SystemTime) -> impl Iterator<Item = &Candidate> {
        let is_of = |path: &PathBuf, rule: &Candidate| match &directory.bundle {
            Some(bundle) => rule.bundle().is_some_and(|of| of.name == bundle.name),
            None => path.parent() == Some(&directory.path) || *path == directory.path,
        };
        self.good.iter().filter(move |(path, rule)| is_of(path, rule) && !rule.is_expired(now)).map(|(_, candidate)| candidate)
    }
}

/// By what a version of a rule is known: what it holds, and the parameters that its bundle gives it.
fn version(rule: &Candidate) -> Option<String> {
    let held = rule.fingerprint()?.sha256;
    let given = rule.bundle().map(|bundle| bundle.parameters).filter(|parameters| !parameters.is_empty());
    Some(given.map_or(held.clone(), |parameters| format!("{held} {parameters:?}")))
}

/// Whether two lists are the same, one by one.
fn same<A, B>(a: &[A], b: &[B], is_same: impl Fn(&A, &B) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}

fn kept(last: &Candidate, reason: &str) -> String {
    format!("its last good version is in force, because {} as it is now cannot be used: {reason}", last.shown())
}

#[cfg(test)]
mod tests;
