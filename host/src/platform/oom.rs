//! The kernel's own counts of out-of-memory kills, and what its log says of each.

mod log;

use std::path::{Path, PathBuf};

use super::{Error, Root, mounts};

pub use log::{Limit, Log, Logged};

/// Directories that are looked into at most.
const MOST: usize = 20_000;

/// Processes killed since boot (4.13).
///
/// # Errors
///
/// When `/proc/vmstat` cannot be read or does not tell it.
pub fn kills(root: &Root) -> Result<u64, Error> {
    root.parse("/proc/vmstat", "a line `oom_kill`", |text| value(text, "oom_kill"))
}

/// Path and kills of every control group that has had any since it was made. What vanishes meanwhile is left out.
///
/// # Errors
///
/// When no hierarchy with the memory controller is mounted, or its root cannot be listed.
pub fn kills_by_group(root: &Root) -> Result<Vec<(String, u64)>, Error> {
    let expected = "a mounted hierarchy with the memory controller";
    let (mount, top, is_v1) = root.parse("/proc/self/mountinfo", expected, memory_mount)?;
    let mount = root.path(mount);
    std::fs::read_dir(&mount).map_err(|source| Error::Read { path: mount.clone(), source })?;
    let (mut found, mut left, mut seen) = (vec![], vec![(mount, top)], 0);
    while let Some((directory, path)) = left.pop() {
        seen += 1;
        let kills = own_kills(&directory, is_v1).unwrap_or(0);
        let below = if seen + left.len() < MOST { std::fs::read_dir(&directory).ok() } else { None };
        for entry in below.into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name();
                left.push((entry.path(), format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy())));
            }
        }
        if kills > 0 {
            found.push((path, kills));
        }
    }
    Ok(found)
}

/// Kills among a group's own processes.
fn own_kills(directory: &Path, is_v1: bool) -> Option<u64> {
    let read = |name: &str| value(&std::fs::read_to_string(directory.join(name)).ok()?, "oom_kill");
    if is_v1 {
        return read("memory.oom_control");
    }
    // Since 5.2 (1e577f970f66) without those of the groups below.
    read("memory.events.local").or_else(|| read("memory.events"))
}

/// Where the memory controller's hierarchy is mounted, which group that shows as its root, and whether it is one of v1.
fn memory_mount(mountinfo: &str) -> Option<(PathBuf, String, bool)> {
    let mounts = mounts::parse(mountinfo);
    let is_v1 = |mount: &&mounts::Mount| mount.kind == "cgroup" && mount.options.split(',').any(|option| option == "memory");
    let v1 = mounts.iter().rev().find(is_v1);
    let found = v1.or_else(|| mounts.iter().rev().find(|mount| mount.kind == "cgroup2"))?;
    let top = if found.root.starts_with("/..") { "/" } else { found.root.as_str() };
    Some((PathBuf::from(&found.mount_point), top.to_owned(), v1.is_some()))
}

/// Whether the memory controller is in a hierarchy of v1.
#[must_use]
pub fn is_v1(root: &Root) -> bool {
    root.parse("/proc/self/mountinfo", "", memory_mount).is_ok_and(|(.., is_v1)| is_v1)
}

fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        let text = "drop_slab 0\noom_kill_x 9\noom_kill 3\nballoon_inflate 0\n";
        assert_eq!(value(text, "oom_kill"), Some(3));
        assert_eq!(value("oom_kill \n", "oom_kill"), None);
    }

    fn host(mountinfo: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in [("proc/self/mountinfo", mountinfo)].iter().chain(files) {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::new(directory.path());
        (directory, root)
    }

    #[test]
    fn kills_of_groups_of_the_unified_hierarchy_are_their_own() {
        let events = |kills| format!("low 0\nhigh 0\nmax 5\noom 2\noom_kill {kills}\noom_group_kill 0\n");
        let (_directory, root) = host(
            "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n",
            &[
                ("cg/a/memory.events", &events(3)),
                ("cg/a/memory.events.local", &events(0)),
                ("cg/a/b/memory.events.local", &events(3)),
                ("cg/old/memory.events", &events(2)),
                ("cg/quiet/memory.events.local", &events(0)),
            ],
        );
        let mut found = kills_by_group(&root).unwrap();
        found.sort();
        assert_eq!(found, [("/a/b".to_owned(), 3), ("/old".to_owned(), 2)]);
        assert!(!is_v1(&root));
    }

    #[test]
    fn kills_of_groups_of_v1_on_a_hybrid_host() {
        let (_directory, root) = host(
            "32 31 0:29 / /cg/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
            &[("cg/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"), ("cg/unified/x", "")],
        );
        assert_eq!(kills_by_group(&root).unwrap(), [("/a".to_owned(), 4)]);
        assert!(is_v1(&root));
    }

    #[test]
    fn no_hierarchy_is_an_error_not_a_zero() {
        let (_directory, root) = host("1 1 0:1 / / rw - ext4 /dev/sda rw\n", &[]);
        assert!(kills_by_group(&root).unwrap_err().to_string().contains("memory controller"));
        assert!(kills(&root).is_err());
    }

    #[test]
    fn this_host_counts_kills() {
        kills(&Root::default()).unwrap();
    }
}
