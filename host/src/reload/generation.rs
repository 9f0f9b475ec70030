//! What of the directories is in force: of each rule its newest version that loads, else its last one that did; of a bundle all of it or
//! none; and when that is another set of rules than before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::reading::{Directory, Stamp, read_all, switched_off};
use crate::bundle::{Accepted, Policy};
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
    fn load(&mut self, candidates: &[Candidate], off: &BTreeMap<String, String>) -> Result<Vec<Option<String>>, Self::Error>;

    /// Judges a window by those that were loaded; the rules that trap or are stopped, and why.
    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, Self::Error>;
}

/// Follows directories, from one generation to the next.
pub(super) struct Follower {
    rules: Rules,
    /// What was read last.
    seen: Option<Stamp>,
    /// Rules of the last generation that loaded, by their files.
    good: BTreeMap<PathBuf, Candidate>,
    /// By what the last generation is known.
    last: Option<Identity>,
    /// Bundles that were in force: none that is older may follow.
    accepted: Vec<Accepted>,
    number: u64,
}

/// Files, what they hold, and what is switched off.
type Identity = (Vec<(Option<PathBuf>, Option<String>)>, BTreeMap<String, String>);

/// What lies in the directories, and what of it is in force.
pub(super) struct Settled {
    /// Of the generation that it is in force in.
    pub(super) number: u64,
    /// Whether that is another one than before.
    pub(super) is_new: bool,
    /// Of each rule, in the order of loading, what it holds.
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
}

impl Follower {
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, seen: None, good: BTreeMap::new(), last: None, accepted: Vec::new(), number: 0 }
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether something may have changed since the directories were read last.
    pub(super) fn is_behind(&self) -> bool {
        self.seen.as_ref() != Some(&Stamp::of(&self.rules.directories))
    }

    /// Loads what lies there now; `None` while that changes under the reader's eyes.
    pub(super) fn look<L: Loads>(&mut self, loads: &mut L) -> Result<Option<Settled>, L::Error> {
        let Some((directories, stamp)) = read_all(&self.rules, &self.accepted) else { return Ok(None) };
        let off = switched_off(&self.rules);
        let (groups, failed) = self.settle(&directories, &off, loads)?;
        let accepted = groups.iter().filter(|group| group.rules.iter().all(|(_, note)| note.is_none()));
        for accepted in accepted.filter_map(|group| group.directory.bundle.clone()) {
            accepted.keep(&mut self.accepted);
        }
        let (candidates, notes): (Vec<Candidate>, Vec<Option<String>>) = self.flat(groups).into_iter().unzip();
        let hash = |candidate: &Candidate| candidate.fingerprint().map(|file| file.sha256);
        let files: Vec<Option<String>> = candidates.iter().map(hash).collect();
        let read = directories.iter().flat_map(|directory| &directory.rules);
        let held = read.filter_map(hash).chain(files.iter().flatten().cloned()).collect();
        let identity = (candidates.iter().map(|one| one.path().cloned()).zip(files.iter().cloned()).collect(), off);
        let loaded = candidates.into_iter().zip(failed).filter(|(_, failed)| failed.is_none());
        self.good = loaded.filter_map(|(candidate, _)| Some((candidate.path()?.clone(), candidate))).collect();
        self.seen = Some(stamp);
        let is_new = self.last.as_ref() != Some(&identity);
        (self.last, self.number) = (Some(identity), self.number + u64::from(is_new));
        let notes = (0..).zip(notes).filter_map(|(index, note)| Some((index, note?))).collect();
        Ok(Some(Settled { number: self.number, is_new, files, notes, held }))
    }

    /// Loads what was read, with the last good versions in the place of what does not load; why some do not load all the same.
    fn settle<'a, L: Loads>(
        &self,
        directories: &'a [Directory],
        off: &BTreeMap<String, String>,
        loads: &mut L,
    ) -> Result<(Vec<Group<'a>>, Vec<Option<String>>), L::Error> {
        let mut groups: Vec<Group<'_>> = directories.iter().map(|directory| self.group(directory)).collect();
        // Each round puts at least one of the last versions in, and none of those is replaced.
        loop {
            let flat: Vec<Candidate> = self.flat_of(&groups).cloned().collect();
            let failed = loads.load(&flat, off)?;
            let of_load = failed.iter().enumerate().filter_map(|(index, why)| Some((index, why.clone()?)));
            if !self.replaced(of_load.collect(), &mut groups) && !self.replaced(loads.try_out()?, &mut groups) {
                return Ok((groups, failed));
            }
        }
    }

    /// What was read of a directory; of one that is refused as a whole the rules that are in force.
    fn group<'a>(&self, directory: &'a Directory) -> Group<'a> {
        let mut rules = Vec::new();
        if let Some(reason) = &directory.refused {
            rules.extend(self.good_of(directory).map(|last| (last.clone(), Some(kept(last, reason)))));
        }
        rules.extend(directory.rules.iter().map(|rule| (rule.clone(), None)));
        Group { directory, rules }
    }

    fn flat_of<'a>(&'a self, groups: &'a [Group<'_>]) -> impl Iterator<Item = &'a Candidate> {
        let users = groups.iter().flat_map(|group| group.rules.iter().map(|(candidate, _)| candidate));
        self.rules.built_in.iter().chain(users)
    }

    fn flat(&self, groups: Vec<Group<'_>>) -> Vec<Slot> {
        let built_in = self.rules.built_in.iter().map(|rule| (rule.clone(), None));
        built_in.chain(groups.into_iter().flat_map(|group| group.rules)).collect()
    }

    /// Puts the last good versions in the place of these, as far as there are others than they.
    fn replaced(&self, bad: BTreeMap<usize, String>, groups: &mut [Group<'_>]) -> bool {
        let (mut any, mut first) = (false, self.rules.built_in.len());
        for group in groups {
            let next = first + group.rules.len();
            let bad: Vec<(usize, &String)> = bad.range(first..next).map(|(index, reason)| (index - first, reason)).collect();
            first = next;
            if group.directory.bundle.is_some() {
                any |= self.whole_replaced(&bad, group);
                continue;
            }
            for (index, reason) in bad {
                let (candidate, note) = &mut group.rules[index];
                let last = candidate.path().and_then(|path| self.good.get(path));
                let other = last.filter(|last| note.is_none() && last.fingerprint() != candidate.fingerprint());
                if let Some(last) = other {
                    (*candidate, *note) = (last.clone(), Some(kept(last, reason)));
                    any = true;
                }
            }
        }
        any
    }

    /// A bundle is used as a whole or not at all.
    fn whole_replaced(&self, bad: &[(usize, &String)], group: &mut Group<'_>) -> bool {
        let [(index, reason), ..] = bad else { return false };
        let last: Vec<&Candidate> = self.good_of(group.directory).collect();
        let hashes = |rules: &mut dyn Iterator<Item = &Candidate>| -> Vec<_> { rules.map(Candidate::fingerprint).collect() };
        let is_other = hashes(&mut last.iter().copied()) != hashes(&mut group.rules.iter().map(|(candidate, _)| candidate));
        if last.is_empty() || !is_other || group.rules.iter().any(|(_, note)| note.is_some()) {
            return false;
        }
        let reason = format!("of its bundle {} cannot be used: {reason}", group.rules[*index].0.shown());
        group.rules = last.into_iter().map(|last| (last.clone(), Some(kept(last, &reason)))).collect();
        true
    }

    /// Rules of a directory that were in force.
    fn good_of(&self, directory: &Directory) -> impl Iterator<Item = &Candidate> {
        let is_of = |path: &PathBuf| path.parent() == Some(&directory.path) || *path == directory.path;
        self.good.iter().filter(move |(path, _)| is_of(path)).map(|(_, candidate)| candidate)
    }
}

fn kept(last: &Candidate, reason: &str) -> String {
    format!("its last good version is in force, because {} as it is now cannot be used: {reason}", last.shown())
}

#[cfg(test)]
mod tests;
