//! Walks the directories of a hierarchy, a piece at a time: a tree of ten thousand groups must not hold up a tick.

use std::fs::{self, ReadDir};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::PathBuf;

use super::Error;
use crate::platform::escape::told;

/// Levels that are followed; each may hold a directory open.
const LEVELS: usize = 128;

/// What the steps cost, in units of about 0.4 µs.
const VISIT: u32 = 4;
const OPEN: u32 = 20;
const ENTRY: u32 = 1;

/// A directory of the hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub directory: PathBuf,
    /// As it is told: control characters and bytes that are no UTF-8 are escaped.
    pub path: String,
}

/// What a step came upon.
#[derive(Debug)]
pub(super) enum Found {
    /// A group: the kernel's number of it, and where it is.
    Group(u64, Place),
    /// A directory that cannot be listed; its groups are not known.
    Unreadable(Error),
    /// A directory that is nested too deep to be followed.
    TooDeep,
}

enum Step {
    Visit(Place),
    List(Place, ReadDir),
}

/// A walk under way. It holds one entry per level, however wide the tree is.
#[derive(Default)]
pub(super) struct Walk(Vec<Step>);

impl Walk {
    pub fn from(directory: PathBuf, path: String) -> Self {
        Self(vec![Step::Visit(Place { directory, path })])
    }

    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on until something is found, the walk is done, or `budget` is used up.
    pub fn step(&mut self, budget: &mut u32) -> Option<Found> {
        while *budget > 0 {
            let found = match self.0.pop()? {
                Step::Visit(place) => self.visit(place, budget),
                Step::List(place, entries) => self.list(place, entries, budget),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn visit(&mut self, place: Place, budget: &mut u32) -> Option<Found> {
        spend(budget, VISIT);
        let is_top = self.0.is_empty();
        let metadata = match fs::metadata(&place.directory) {
            Ok(metadata) => metadata,
            Err(source) => return unreadable(place.directory, source),
        };
        // Below a directory with two links there is none.
        if metadata.nlink() != 2 {
            spend(budget, OPEN);
            match fs::read_dir(&place.directory) {
                Ok(entries) => self.0.push(Step::List(place.clone(), entries)),
                Err(source) => return unreadable(place.directory, source),
            }
        }
        is_top.then(|| Found::Group(metadata.ino(), place))
    }

    fn list(&mut self, place: Place, mut entries: ReadDir, budget: &mut u32) -> Option<Found> {
        while *budget > 0 {
            spend(budget, ENTRY);
            let entry = match entries.next()? {
                Ok(entry) => entry,
                Err(source) => return unreadable(place.directory, source),
            };
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = format!("{}/{}", place.path.trim_end_matches('/'), told(&entry.file_name()));
            let below = Place { directory: entry.path(), path };
            self.0.push(Step::List(place, entries));
            if self.0.len() >= LEVELS {
                return Some(Found::TooDeep);
            }
            self.0.push(Step::Visit(below.clone()));
            return Some(Found::Group(entry.ino(), below));
        }
        self.0.push(Step::List(place, entries));
        None
    }
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Walk at level {}", self.0.len())
    }
}

fn spend(budget: &mut u32, cost: u32) {
    *budget = budget.saturating_sub(cost);
}

/// A group that vanished meanwhile is no error.
fn unreadable(path: PathBuf, source: io::Error) -> Option<Found> {
    (!is_gone(&source)).then_some(Found::Unreadable(Error::Read { path, source }))
}

/// The group is not there any more: its directory is gone, or its open file tells that it has no device.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn paths(walk: &mut Walk, mut budget: u32) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        while let Some(step) = walk.step(&mut budget) {
            let Found::Group(_, place) = step else { panic!("{step:?}") };
            assert!(found.insert(place.path));
        }
        found
    }

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        paths.iter().for_each(|path| fs::create_dir_all(directory.path().join(path)).unwrap());
        directory
    }

    #[test]
    fn pieces_add_up_to_the_whole_tree() {
        let tree = tree(&["a/b/c", "a/d", "e", "f/g"]);
        fs::write(tree.path().join("a/cpu.stat"), "").unwrap();
        let whole = paths(&mut Walk::from(tree.path().into(), "/".into()), u32::MAX);
        assert_eq!(whole.iter().collect::<Vec<_>>(), ["/", "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/f", "/f/g"]);
        let (mut pieces, mut walk, mut calls) = (BTreeSet::new(), Walk::from(tree.path().into(), "/".into()), 0);
        while !walk.is_done() {
            pieces.append(&mut paths(&mut walk, 3));
            calls += 1;
        }
        assert_eq!(pieces, whole);
        assert!(calls > 8, "{calls}");
    }

    #[test]
    fn numbers_are_those_of_the_directories() {
        let tree = tree(&["a/b"]);
        let (mut walk, mut budget) = (Walk::from(tree.path().into(), "/top".into()), u32::MAX);
        let mut numbers = 0;
        while let Some(Found::Group(id, place)) = walk.step(&mut budget) {
            assert_eq!(fs::metadata(&place.directory).unwrap().ino(), id);
            assert!(place.path.starts_with("/top"));
            numbers += 1;
        }
        assert_eq!(numbers, 3);
    }

    #[test]
    fn what_vanishes_on_the_way_is_passed_over() {
        let tree = tree(&["a/b/c"]);
        let mut walk = Walk::from(tree.path().into(), "/".into());
        let mut one = || walk.step(&mut u32::MAX.clone());
        assert!(matches!(one(), Some(Found::Group(..))) && matches!(one(), Some(Found::Group(..))));
        fs::remove_dir_all(tree.path().join("a")).unwrap();
        assert!(one().is_none() && walk.is_done());
    }

    #[test]
    fn a_tree_deeper_than_the_bound_ends_in_a_word() {
        let tree = tree(&[&"d/".repeat(LEVELS + 5)]);
        let (mut walk, mut budget) = (Walk::from(tree.path().into(), "/".into()), u32::MAX);
        let mut found = Vec::new();
        while let Some(step) = walk.step(&mut budget) {
            found.push(step);
        }
        assert!(matches!(found.pop(), Some(Found::TooDeep)) && found.len() == LEVELS, "{}", found.len());
    }
}
