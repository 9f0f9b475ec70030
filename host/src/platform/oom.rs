//! The kernel's own counts of out-of-memory kills, and what its log says of each.

mod log;

use std::path::Path;

use super::{
    Error, Root,
    cgroup::{Hierarchy, Names, Version},
};

pub use log::{Limit, Log, Logged};

/// Processes killed since boot (4.13).
///
/// # Errors
///
/// When `/proc/vmstat` cannot be read or does not tell it.
pub fn kills(root: &Root) -> Result<u64, Error> {
    root.parse("/proc/vmstat", "a line `oom_kill`", |text| value(text, "oom_kill"))
}

/// Kills among a living group's own processes since it was made. `names` are those of the memory controller's hierarchy.
#[must_use]
pub fn kills_of(names: &Names, id: u64) -> Option<u64> {
    own_kills(&names.directory(id)?, names.hierarchy().version)
}

/// Path and kills of every living group that has had any.
#[must_use]
pub fn kills_by_group(names: &Names) -> Vec<(String, u64)> {
    let kills = |id| Some((names.path(id)?.to_owned(), kills_of(names, id).filter(|kills| *kills > 0)?));
    names.living().filter_map(kills).collect()
}

fn own_kills(directory: &Path, version: Version) -> Option<u64> {
    let read = |name: &str| value(&std::fs::read_to_string(directory.join(name)).ok()?, "oom_kill");
    match version {
        Version::V1 => read("memory.oom_control"),
        // Since 5.2 (1e577f970f66) without those of the groups below.
        Version::V2 => read("memory.events.local").or_else(|| read("memory.events")),
    }
}

/// Whether the memory controller is in a hierarchy of v1.
#[must_use]
pub fn is_v1(root: &Root) -> bool {
    Hierarchy::of(root, "memory").is_ok_and(|hierarchy| hierarchy.version == Version::V1)
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

    fn names(root: &Root) -> Names {
        Names::of(root.clone(), Hierarchy::of(root, "memory").unwrap()).unwrap()
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
        let mut found = kills_by_group(&names(&root));
        found.sort();
        assert_eq!(found, [("/a/b".to_owned(), 3), ("/old".to_owned(), 2)]);
        assert!(!is_v1(&root));
    }

    #[test]
    fn kills_of_groups_of_v1_on_a_hybrid_host() {
        let (_directory, root) = host(
            "32 31 0:29 / /cg/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
            &[
                ("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t5\t2\t1\n"),
                ("cg/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"),
                ("cg/unified/x", ""),
            ],
        );
        assert_eq!(kills_by_group(&names(&root)), [("/a".to_owned(), 4)]);
        assert!(is_v1(&root));
    }

    #[test]
    fn no_hierarchy_is_an_error_not_a_zero() {
        let (_directory, root) = host("1 1 0:1 / / rw - ext4 /dev/sda rw\n", &[]);
        assert!(kills(&root).is_err() && !is_v1(&root));
    }

    #[test]
    fn this_host_counts_kills() {
        kills(&Root::default()).unwrap();
    }
}
