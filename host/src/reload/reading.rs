//! What lies in directories of rules at one moment. Who reads them while somebody else changes them reads them again: half of one set
//! of rules and half of the next is neither.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::Rules;
use crate::bundle::{self, Accepted, Found};
use crate::engine::{self, Candidate};

/// The link that Kubernetes swaps to publish a whole set of files at once.
const PUBLISHED: &str = "..data";

/// How often a directory is read that changes while it is, and after what time.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// A directory of rules.
#[derive(Debug)]
pub(super) struct Directory {
    /// As it was named.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) rules: Vec<Candidate>,
    /// Why that is not all of it, or must not be used: what was there before stays.
    pub(super) refused: Option<String>,
    /// The bundle that it is: it is used as a whole or not at all.
    pub(super) bundle: Option<Accepted>,
}

impl Directory {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let rules = self.rules.len() == other.rules.len() && self.rules.iter().zip(&other.rules).all(|(a, b)| a.is_same(b));
        rules && (&self.path, &self.refused, &self.bundle) == (&other.path, &other.refused, &other.bundle)
    }
}

/// By what it is known that something has changed: names, inodes, sizes and times. Whether a clock was set meanwhile does not matter:
/// stamps are the same or they are not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Stamped>);

#[derive(Debug, PartialEq, Eq)]
enum Stamped {
    Directory(PathBuf, Option<Identity>),
    File(OsString, Option<Identity>),
}

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    inode: (u64, u64),
    size: u64,
    times: [(i64, i64); 2],
    mode: u32,
}

impl Identity {
    fn of(metadata: io::Result<Metadata>) -> Option<Self> {
        let metadata = metadata.ok()?;
        Some(Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            times: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
            mode: metadata.mode(),
        })
    }
}

/// Times of files are not finer than this: a change may hide behind the one before.
const TICK: Duration = Duration::from_millis(50);

impl Stamp {
    /// Whether something changed so short a time ago that the next change might look the same.
    pub(super) fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0.iter().any(|stamped| {
            let (Stamped::Directory(_, identity) | Stamped::File(_, identity)) = stamped;
            identity.as_ref().is_some_and(|Identity { times: [_, (seconds, ns)], .. }| {
                let changed = Duration::new(u64::try_from(*seconds).unwrap_or(0), u32::try_from(*ns).unwrap_or(0));
                now.saturating_sub(changed) < TICK
            })
        })
    }

    /// Of directories as they are now.
    pub(super) fn of(directories: &[PathBuf]) -> Self {
        let mut all = Vec::new();
        for directory in directories {
            let published = published(directory);
            // Where a set is published at once, its own directory never changes.
            for directory in std::iter::once(directory).chain(&published) {
                all.push(Stamped::Directory(directory.clone(), Identity::of(fs::metadata(directory))));
                let entries = fs::read_dir(directory).into_iter().flatten().flatten();
                let mut files: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
                files.sort();
                let file = |name: OsString| {
                    let identity = Identity::of(fs::metadata(directory.join(&name)));
                    Stamped::File(name, identity)
                };
                all.extend(files.into_iter().map(file));
            }
        }
        Self(all)
    }
}

/// Reads directories, and tells as what they were read; `None` when they do not stay the same for long enough. `known` are bundles that
/// were accepted before.
pub(super) fn read_all(rules: &Rules, known: &[Accepted]) -> Option<(Vec<Directory>, Stamp)> {
    for _ in 0..TRIES {
        let before = Stamp::of(&rules.directories);
        let mut names = BTreeSet::new();
        let read = rules.directories.iter().map(|path| read(path, rules, known, &mut names)).collect();
        if Stamp::of(&rules.directories) == before {
            return Some((read, before));
        }
        thread::sleep(PAUSE);
    }
    None
}

/// A set that is published at once is read from behind the link: names beside the link follow it one by one, and later.
fn read(path: &Path, rules: &Rules, known: &[Accepted], names: &mut BTreeSet<String>) -> Directory {
    let of = |directory: &Path| {
        bundle::find(&[directory.to_path_buf()], &rules.limits, &rules.policy, SystemTime::now(), known).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(" ({cause})"));
            format!("{error}{cause}")
        })
    };
    let unreadable = |reason: String| Directory {
        path: path.to_path_buf(),
        rules: vec![Candidate::unreadable(path, reason.clone())],
        refused: Some(reason),
        bundle: None,
    };
    let published = published(path);
    let Found { mut candidates, mut accepted } = match of(published.as_deref().unwrap_or(path)) {
        Ok(found) => found,
        Err(reason) => return unreadable(reason),
    };
    let is_bundle = bundle::is_bundle(published.as_deref().unwrap_or(path));
    if published.is_some() {
        candidates = candidates.into_iter().map(|rule| rule.moved_to(path)).collect();
    }
    if published.is_some() && !is_bundle {
        // What lies beside the link and is no link itself.
        let is_own = |rule: &Candidate| {
            rule.path().is_some_and(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()))
        };
        match of(path) {
            Ok(found) => candidates.extend(found.candidates.into_iter().filter(is_own)),
            Err(reason) => return unreadable(reason),
        }
        candidates.sort_by(|a, b| a.path().cmp(&b.path()));
    }
    let bundle = accepted.pop();
    let refused = match &bundle {
        Some(bundle) if !names.insert(bundle.name.clone()) => {
            let reason = format!("the bundle {} is there twice: remove one of the two", bundle.name);
            candidates = vec![Candidate::refused(&bundle.name, path.join(bundle::MANIFEST), reason)];
            // Nor is what was there before, but in the place of the other one where that does not load.
            return Directory { path: path.to_path_buf(), rules: candidates, refused: None, bundle: None };
        }
        Some(_) => None,
        None if is_bundle => {
            let reason = candidates.first().and_then(Candidate::why_refused).unwrap_or_default().to_owned();
            // It is known by its own name, not by that of the directory behind the link.
            if let Some(first) = candidates.first_mut().filter(|_| published.is_some()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                *first = Candidate::refused(&name, path.join(bundle::MANIFEST), reason.clone());
            }
            Some(reason)
        }
        None => None,
    };
    Directory { path: path.to_path_buf(), rules: candidates, bundle: bundle.filter(|_| refused.is_none()), refused }
}

/// Directories, and those behind them: a switch may lie in either. Where only what is signed counts, none does.
pub(super) fn switched_off(rules: &Rules) -> BTreeMap<String, String> {
    if rules.policy.require_signature {
        return engine::switched_off(&[], &rules.settings);
    }
    let all = rules.directories.iter().flat_map(|directory| std::iter::once(directory.clone()).chain(published(directory)));
    engine::switched_off(&all.collect::<Vec<_>>(), &rules.settings)
}

/// The directory behind the link that is swapped, as it is now.
fn published(directory: &Path) -> Option<PathBuf> {
    let link = directory.join(PUBLISHED);
    fs::symlink_metadata(&link).ok().filter(Metadata::is_symlink)?;
    fs::canonicalize(link).ok()
}
