//! What lies in directories of rules at one moment. Who reads them while somebody else changes them reads them again: half of one set
//! of rules and half of the next is neither.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Candidate, Limits, Settings, candidates, switched_off};

/// The link that Kubernetes swaps to publish a whole set of files at once.
const PUBLISHED: &str = "..data";

/// How often a directory is read that changes while it is, and after what time.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// All directories of rules.
#[derive(Debug)]
pub struct Reading {
    /// Each, in order.
    pub directories: Vec<Directory>,
    /// Rules that are not used, and why not.
    pub off: BTreeMap<String, String>,
}

/// One of them.
#[derive(Debug)]
pub struct Directory {
    /// As it was named.
    pub path: PathBuf,
    /// What is in it; or why that is not known.
    pub rules: Result<Vec<Candidate>, String>,
}

/// By what it is known that something has changed: names, inodes, sizes and times. Whether a clock was set meanwhile does not matter:
/// stamps are the same or they are not.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp(Vec<Stamped>);

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

impl Stamp {
    /// Of directories as they are now.
    #[must_use]
    pub fn of(directories: &[PathBuf]) -> Self {
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

impl Reading {
    /// Reads directories, and tells as what they were read; `None` when they do not stay the same for long enough.
    #[must_use]
    pub fn of(directories: &[PathBuf], settings: &Settings, limits: &Limits) -> Option<(Self, Stamp)> {
        for _ in 0..TRIES {
            let before = Stamp::of(directories);
            let read = directories.iter().map(|path| Directory { path: path.clone(), rules: read(path, limits) }).collect();
            let off = switched_off(&effective(directories), settings);
            if Stamp::of(directories) == before {
                return Some((Self { directories: read, off }, before));
            }
            thread::sleep(PAUSE);
        }
        None
    }
}

/// The directory behind the link that is swapped, as it is now.
fn published(directory: &Path) -> Option<PathBuf> {
    let link = directory.join(PUBLISHED);
    fs::symlink_metadata(&link).ok().filter(Metadata::is_symlink)?;
    fs::canonicalize(link).ok()
}

/// Directories, and those behind them: a switch may lie in either.
fn effective(directories: &[PathBuf]) -> Vec<PathBuf> {
    directories.iter().flat_map(|directory| std::iter::once(directory.clone()).chain(published(directory))).collect()
}

/// A set that is published at once is read from behind the link: names beside the link follow it one by one, and later.
fn read(directory: &Path, limits: &Limits) -> Result<Vec<Candidate>, String> {
    let Some(published) = published(directory) else { return of(directory, limits) };
    let mut rules: Vec<Candidate> = of(&published, limits)?.into_iter().map(|rule| rule.moved_to(directory)).collect();
    let is_own = |rule: &Candidate| {
        let path = rule.path();
        path.is_some_and(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()))
    };
    rules.extend(of(directory, limits)?.into_iter().filter(is_own));
    rules.sort_by(|a, b| a.path().cmp(&b.path()));
    Ok(rules)
}

fn of(directory: &Path, limits: &Limits) -> Result<Vec<Candidate>, String> {
    candidates(&[directory.to_path_buf()], limits).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(" ({cause})"));
        format!("{error}{cause}")
    })
}
