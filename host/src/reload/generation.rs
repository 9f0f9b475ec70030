//! What of the directories is in force: of each rule its newest version that loads, else its last one that did; and when that is
//! another set of rules than before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::engine::{Candidate, Directory, Limits, Reading, Settings, Stamp};

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

impl Follower {
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, seen: None, good: BTreeMap::new(), last: None, number: 0 }
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
        let Rules { directories, settings, limits, .. } = &self.rules;
        let Some((reading, stamp)) = Reading::of(directories, settings, limits) else { return Ok(None) };
        let (candidates, failed, notes) = self.settle(&reading, loads)?;
        let hash = |candidate: &Candidate| candidate.fingerprint().map(|file| file.sha256);
        let files: Vec<Option<String>> = candidates.iter().map(hash).collect();
        let read = reading.directories.iter().flat_map(|directory| directory.rules.iter().flatten());
        let held = read.filter_map(hash).chain(files.iter().flatten().cloned()).collect();
        let identity = (candidates.iter().map(|one| one.path().cloned()).zip(files.iter().cloned()).collect(), reading.off);
        let loaded = candidates.into_iter().zip(failed).filter(|(_, failed)| failed.is_none());
        self.good = loaded.filter_map(|(candidate, _)| Some((candidate.path()?.clone(), candidate))).collect();
        self.seen = Some(stamp);
        let is_new = self.last.as_ref() != Some(&identity);
        (self.last, self.number) = (Some(identity), self.number + u64::from(is_new));
        Ok(Some(Settled { number: self.number, is_new, files, notes, held }))
    }

    /// Loads what was read, with the last good version in the place of what does not load: rules, why some do not load, and why some are
    /// not what their files are now.
    #[expect(clippy::type_complexity, reason = "three lists of the same rules")]
    fn settle<L: Loads>(
        &self,
        reading: &Reading,
        loads: &mut L,
    ) -> Result<(Vec<Candidate>, Vec<Option<String>>, BTreeMap<usize, String>), L::Error> {
        let (mut candidates, mut notes) = (self.rules.built_in.clone(), BTreeMap::new());
        for directory in &reading.directories {
            match &directory.rules {
                Ok(rules) => candidates.extend(rules.iter().cloned()),
                Err(reason) => {
                    for last in self.good_of(directory) {
                        notes.insert(candidates.len(), kept(last, reason));
                        candidates.push(last.clone());
                    }
                    candidates.push(Candidate::unreadable(&directory.path, reason.clone()));
                }
            }
        }
        // Each round puts at least one of the last versions in, and none of those is replaced.
        loop {
            let failed = loads.load(&candidates, &reading.off)?;
            let of_load = failed.iter().enumerate().filter_map(|(index, why)| Some((index, why.clone()?)));
            let replaced = self.replaced(of_load.collect(), &mut candidates, &mut notes)
                || self.replaced(loads.try_out()?, &mut candidates, &mut notes);
            if !replaced {
                return Ok((candidates, failed, notes));
            }
        }
    }

    /// Puts the last good versions in the place of these, as far as there are others than they.
    fn replaced(&self, bad: BTreeMap<usize, String>, candidates: &mut [Candidate], notes: &mut BTreeMap<usize, String>) -> bool {
        let before = notes.len();
        for (index, reason) in bad {
            if notes.contains_key(&index) {
                continue;
            }
            let last = candidates[index].path().and_then(|path| self.good.get(path));
            if let Some(last) = last.filter(|last| last.fingerprint() != candidates[index].fingerprint()) {
                notes.insert(index, kept(last, &reason));
                candidates[index] = last.clone();
            }
        }
        notes.len() > before
    }

    fn good_of(&self, directory: &Directory) -> impl Iterator<Item = &Candidate> {
        self.good.iter().filter(|(path, _)| path.parent() == Some(&directory.path)).map(|(_, candidate)| candidate)
    }
}

fn kept(last: &Candidate, reason: &str) -> String {
    format!("its last good version is in force, because {} as it is now cannot be used: {reason}", last.shown())
}

#[cfg(test)]
mod tests;
