//! How much of a hierarchy can be seen, and from which group `/proc/<pid>/cgroup` tells paths: both depend on kerno's cgroup
//! namespace and on what of the hierarchy is mounted.

use std::os::unix::fs::MetadataExt;

use super::{Hierarchy, Root, walk::Found, walk::Walk};

/// Number of a hierarchy's root directory, whatever is mounted where.
const ROOT: u64 = 1;

/// Groups that are looked through for kerno's own.
const MOST: usize = 20_000;

/// Whether kerno's cgroup namespace is not the host's.
#[must_use]
pub fn is_in_namespace(root: &Root) -> bool {
    /// The kernel's fixed number of the first cgroup namespace.
    const FIRST_NAMESPACE: &str = "cgroup:[4026531835]";
    let namespace = std::fs::read_link(root.path("/proc/self/ns/cgroup")).ok();
    namespace.is_some_and(|namespace| namespace.as_os_str() != FIRST_NAMESPACE)
}

/// Of a mount's root, as mountinfo tells it relative to kerno's cgroup namespace: how many levels it is above the namespace's root;
/// `None` when it is not above.
pub fn levels_above(mount_root: &str) -> Option<usize> {
    let mut parts = mount_root.split('/').filter(|part| !part.is_empty());
    parts.clone().all(|part| part == "..").then(|| parts.by_ref().count())
}

/// The wider the view, the smaller.
pub fn narrowness(mount_root: &str) -> (bool, isize) {
    match levels_above(mount_root) {
        Some(levels) => (false, -levels.cast_signed()),
        None => (true, mount_root.matches('/').count().cast_signed()),
    }
}

/// Whether the mount shows the hierarchy from its root on.
pub fn is_whole(root: &Root, hierarchy: &Hierarchy, mount_root: &str) -> bool {
    let number = std::fs::metadata(root.path(&hierarchy.mount)).map(|metadata| metadata.ino());
    number.is_ok_and(|number| number == ROOT) || mount_root == "/" && !is_in_namespace(root)
}

/// Path, from the mount's root, of the namespace's root, which is so many levels below: where kerno's own group is, without what
/// `/proc/self/cgroup` tells of its path.
pub fn place_of_namespace(root: &Root, hierarchy: &Hierarchy, levels: usize) -> Option<String> {
    if levels == 0 {
        return Some("/".to_owned());
    }
    let own = hierarchy.told_path(root, "self").ok()?;
    let below = own.trim_end_matches('/');
    let depth = levels + below.matches('/').count();
    let pid = std::process::id().to_string();
    let mut walk = Walk::from(root.path(&hierarchy.mount), "/".to_owned());
    let mut left = MOST;
    while let Some(found) = walk.step(&mut u32::MAX.clone()) {
        left = left.checked_sub(1)?;
        let Found::Group(_, place) = found else { continue };
        let Some(above) =
            place.path.strip_suffix(below).filter(|above| place.path.matches('/').count() == depth && !above.is_empty())
        else {
            continue;
        };
        let members = std::fs::read_to_string(place.directory.join("cgroup.procs")).unwrap_or_default();
        if members.lines().any(|member| member == pid) {
            return Some(above.to_owned());
        }
    }
    None
}

/// A path that is told from a group at `base`.
pub fn joined(base: &str, path: &str) -> String {
    if base == "/" {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')).filter(|part| !part.is_empty()) {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn paths_are_told_from_the_top_of_what_is_mounted() {
        for (base, path, expected) in [
            ("/", "/a/b", "/a/b"),
            ("/", "/../a", "/../a"),
            ("/pods/1", "/", "/pods/1"),
            ("/pods/1", "/a", "/pods/1/a"),
            ("/pods/1", "/../2", "/pods/2"),
            ("/pods/1", "/../../init", "/init"),
            ("/pods/1", "/../..", "/"),
            ("/pods", "/../../x", "/../x"),
        ] {
            assert_eq!(joined(base, path), expected, "{base} {path}");
        }
        let levels = ["/", "/..", "/../..", "/a", "/../a", "/..a"].map(levels_above);
        assert_eq!(levels, [Some(0), Some(1), Some(2), None, None, None]);
    }

    /// Of a container: groups, kerno in `/pods/1/kerno`, and what its mountinfo tells.
    fn container(mountinfo: &str, namespace: &str, own: &str) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for group in ["host/pods/1/kerno", "host/pods/1/other", "host/pods/2/kerno", "part/kerno"] {
            fs::create_dir_all(at(group)).unwrap();
            fs::write(at(group).join("cgroup.procs"), "1\n4194305\n").unwrap();
        }
        fs::write(at("host/pods/1/kerno/cgroup.procs"), format!("7\n{}\n", std::process::id())).unwrap();
        fs::create_dir_all(at("proc/self/ns")).unwrap();
        fs::create_dir_all(at("proc/7")).unwrap();
        std::os::unix::fs::symlink(namespace, at("proc/self/ns/cgroup")).unwrap();
        fs::write(at("proc/self/mountinfo"), mountinfo).unwrap();
        fs::write(at("proc/self/cgroup"), format!("0::{own}\n")).unwrap();
        fs::write(at("proc/7/cgroup"), "0::/../../2/kerno\n").unwrap();
        let root = Root::new(directory.path());
        (directory, root)
    }

    const FIRST: &str = "cgroup:[4026531835]";
    const OTHER: &str = "cgroup:[4026532190]";
    const PART: &str = "31 23 0:28 / /part ro - cgroup2 cgroup rw\n";

    #[test]
    fn what_a_container_sees_of_its_own_namespace_is_a_part() {
        let (_directory, root) = container(PART, OTHER, "/");
        assert!(!Hierarchy::find(&root).unwrap().is_whole);
        let (_directory, root) = container(PART, FIRST, "/pods/1/kerno");
        assert!(Hierarchy::find(&root).unwrap().is_whole, "the same in the host's namespace");
        let (_directory, root) = container("31 23 0:28 /pods/1 /part ro - cgroup2 cgroup rw\n", FIRST, "/pods/1/kerno");
        assert!(!Hierarchy::find(&root).unwrap().is_whole, "a part that was mounted from outside");
    }

    #[test]
    fn of_several_mounts_the_one_that_shows_most_is_taken_and_paths_are_told_from_its_top() {
        let host = "40 23 0:28 /../.. /host rw - cgroup2 cgroup rw\n";
        for (mountinfo, own) in [(format!("{host}{PART}"), "/kerno"), (format!("{PART}{host}"), "/kerno")] {
            let (_directory, root) = container(&mountinfo, OTHER, own);
            let found = Hierarchy::find(&root).unwrap();
            assert_eq!((found.mount.to_str(), found.top.as_str()), (Some("/host"), "/"));
            assert_eq!(found.path_of(&root, 7).unwrap(), "/2/kerno");
            assert_eq!(found.namespace.as_deref(), Some("/pods/1"));
        }
        // In the group that is the namespace's root.
        let deeper = "40 23 0:28 /../../.. /host rw - cgroup2 cgroup rw\n";
        let (_directory, root) = container(deeper, OTHER, "/");
        let found = Hierarchy::find(&root).unwrap();
        assert_eq!(
            (found.namespace.as_deref(), found.path_of(&root, 7).unwrap().as_str()),
            (Some("/pods/1/kerno"), "/pods/2/kerno")
        );
    }

    #[test]
    fn a_process_has_no_path_where_the_namespace_is_not_found() {
        let (_directory, root) = container("40 23 0:28 /../.. /host rw - cgroup2 cgroup rw\n", OTHER, "/elsewhere");
        let found = Hierarchy::find(&root).unwrap();
        assert!(found.namespace.is_none() && found.path_of(&root, 7).is_err());
    }
}
