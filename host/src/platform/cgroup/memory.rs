//! What the memory controller tells of one group.

use std::path::Path;

use super::{Error, Version, file};

/// Sizes in bytes now, and counts since the group was made, its own and those of all groups below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All that is charged to it.
    pub current: u64,
    /// Page cache and slab that can be reclaimed. tmpfs and shared memory are not in it.
    pub reclaimable: u64,
    /// Anonymous memory.
    pub anon: u64,
    /// tmpfs and shared memory.
    pub shared: u64,
    /// Page faults that waited for a disk.
    pub major_faults: Option<u64>,
    /// Anonymous pages that were swapped out and needed again soon.
    pub refaults_anon: Option<u64>,
}

impl Usage {
    /// What cannot be reclaimed without swapping.
    #[must_use]
    pub fn working_set(&self) -> u64 {
        // The kernel adds the parts up a little later than the whole.
        self.current.saturating_sub(self.reclaimable)
    }
}

/// How often the group's own limits were met since it was made, and how many of its own processes were killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The soft limit was exceeded.
    pub high: u64,
    /// The hard limit was met.
    pub max: u64,
    /// Reclaim was no help.
    pub oom: u64,
    /// Processes killed.
    pub oom_kill: u64,
}

/// A group's own limits, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `memory.high`.
    pub high: Option<u64>,
    /// `memory.max` or `memory.limit_in_bytes`.
    pub max: Option<u64>,
}

/// v1 has no word for "no limit" but the largest number of pages.
const UNLIMITED_V1: u64 = 1 << 60;

/// Reads what it uses; `None` when the group is gone or has no memory controller.
pub fn usage(directory: &Path, version: Version) -> Result<Option<Usage>, Error> {
    let name = match version {
        Version::V2 => "memory.current",
        Version::V1 => "memory.usage_in_bytes",
    };
    let Some(current) = bytes(directory, name)?.flatten() else { return Ok(None) };
    let expected = "lines such as `inactive_file 4096`";
    file::parse(directory, "memory.stat", expected, |text| parse_stat(text, version, current))
}

/// Reads its own limits.
pub fn limits(directory: &Path, version: Version) -> Result<Limits, Error> {
    Ok(match version {
        Version::V2 => {
            Limits { high: bytes(directory, "memory.high")?.flatten(), max: bytes(directory, "memory.max")?.flatten() }
        }
        Version::V1 => Limits { high: None, max: limit_v1(bytes(directory, "memory.limit_in_bytes")?) },
    })
}

/// Swap that it uses, and its own limit of swap.
pub fn swap(directory: &Path, version: Version) -> Result<(Option<u64>, Option<u64>), Error> {
    Ok(match version {
        Version::V2 => (bytes(directory, "memory.swap.current")?.flatten(), bytes(directory, "memory.swap.max")?.flatten()),
        Version::V1 => {
            // Memory and swap together, where swap is counted at all.
            let both = |name| bytes(directory, name);
            let used = both("memory.memsw.usage_in_bytes")?.flatten().zip(both("memory.usage_in_bytes")?.flatten());
            let limit = limit_v1(both("memory.memsw.limit_in_bytes")?).zip(limit_v1(both("memory.limit_in_bytes")?));
            (used.map(|(both, memory)| both.saturating_sub(memory)), limit.map(|(both, memory)| both.saturating_sub(memory)))
        }
    })
}

/// How often its limits were met; `None` when that is not told. Before 5.2 those of the groups below are among them: only then is
/// there no `memory.events.local` (1e577f970f66). What v1 tells is the group's own.
pub fn events(directory: &Path, version: Version) -> Result<Option<Events>, Error> {
    let told = |name| file::parse(directory, name, "lines such as `oom_kill 0`", parse_events);
    match version {
        Version::V2 => match told("memory.events.local")? {
            None => told("memory.events"),
            own => Ok(own),
        },
        Version::V1 => {
            let number = |text: &str| text.trim().parse().ok();
            let max = file::parse(directory, "memory.failcnt", "a number", number)?;
            let control = file::read(directory, "memory.oom_control")?;
            Ok(max.zip(control).map(|(max, control)| {
                let oom_kill = file::number(&control, "oom_kill").unwrap_or(0);
                Events { high: 0, max, oom: oom_kill, oom_kill }
            }))
        }
    }
}

fn limit_v1(bytes: Option<Option<u64>>) -> Option<u64> {
    bytes.flatten().filter(|bytes| *bytes < UNLIMITED_V1)
}

/// A number of bytes; the inner `None` is `max`.
fn bytes(directory: &Path, name: &str) -> Result<Option<Option<u64>>, Error> {
    file::parse(directory, name, "`max` or a number", |text| match text.trim() {
        "max" => Some(None),
        number => number.parse().ok().map(Some),
    })
}

/// On v1 the lines of a group and all below it begin with `total_`.
fn parse_stat(text: &str, version: Version, current: u64) -> Option<Usage> {
    let number = |v2: &str, v1: &str| match version {
        Version::V2 => file::number(text, v2),
        Version::V1 => file::number(text, v1),
    };
    let cache = number("inactive_file", "total_inactive_file")?.saturating_add(number("active_file", "total_active_file")?);
    // v1 does not tell slab apart.
    let slab = file::number(text, "slab_reclaimable").unwrap_or(0);
    Some(Usage {
        current,
        reclaimable: cache.saturating_add(slab),
        anon: number("anon", "total_rss")?,
        shared: number("shmem", "total_shmem").unwrap_or(0),
        major_faults: number("pgmajfault", "total_pgmajfault"),
        refaults_anon: number("workingset_refault_anon", "total_workingset_refault_anon"),
    })
}

fn parse_events(text: &str) -> Option<Events> {
    let number = |key| file::number(text, key);
    Some(Events { high: number("high")?, max: number("max")?, oom: number("oom")?, oom_kill: number("oom_kill")? })
}

#[cfg(test)]
mod tests;
