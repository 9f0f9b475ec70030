//! How many threads of a throttled group would run if they might: what its quota can hold back at most.

use super::group::Groups;
use crate::platform::{
    Root,
    cgroup::{Names, Version, file},
    process,
};

/// Groups that are looked at in one tick.
const GROUPS: usize = 8;

/// Threads that are looked at in one tick.
const THREADS: usize = 512;

/// Takes a sample of each of `throttled`. A group with more threads than may be looked at is not sampled: a part would be no
/// answer.
pub(super) fn sample(root: &Root, names: &Names, groups: &mut Groups, throttled: &[u64]) {
    let mut left = THREADS;
    for id in throttled.iter().take(GROUPS) {
        let Some(threads) = threads(names, *id, left) else { continue };
        // Those of another pid namespace are 0 here: not seen is not "none".
        if threads.is_empty() || threads.contains(&0) {
            continue;
        }
        left -= threads.len();
        // A thread that a quota holds back stays runnable.
        let is_runnable = |tid: &&u32| process::stat(root, **tid).is_ok_and(|stat| stat.state == 'R');
        let runnable = threads.iter().filter(is_runnable).count();
        if let Some(track) = groups.track(*id) {
            track.runnable.0 += runnable as u64;
            track.runnable.1 += 1;
        }
    }
}

/// Threads of a group and all below it; `None` when there are more than `most`.
fn threads(names: &Names, id: u64, most: usize) -> Option<Vec<u32>> {
    let path = names.path(id)?;
    let is_in = |other: &u64| {
        let rest = names.path(*other).and_then(|other| other.strip_prefix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let name = match names.hierarchy().version {
        Version::V2 => "cgroup.threads",
        Version::V1 => "tasks",
    };
    let mut threads = Vec::new();
    for directory in names.living().filter(is_in).filter_map(|id| names.directory(id)) {
        let text = file::read(&directory, name).ok().flatten().unwrap_or_default();
        threads.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        if threads.len() > most {
            return None;
        }
    }
    Some(threads)
}
