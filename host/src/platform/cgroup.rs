//! Control groups: the hierarchies that controllers are in.

pub mod cpu;
mod entity;
pub mod file;
pub mod memory;
mod names;
mod view;
mod walk;
mod weight;

pub use entity::describe;
pub use names::{Gaps, Names, above};
pub use weight::Weights;

use std::collections::HashSet;
use std::fmt::Display;
use std::path::PathBuf;

use super::{Error, Root, escape::escaped, mounts};

/// Version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per set of controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

/// The hierarchy in which tasks are grouped for a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version: [`Version::V1`] also on hybrid hosts whose controller has not moved.
    pub version: Version,
    /// The kernel's number of it, as in `/proc/<pid>/cgroup`; 0 for the unified one.
    pub id: u32,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Path of the group that the mount shows as its root: `/` unless a container sees a part only.
    pub top: String,
    /// Whether the mount shows all groups of the host.
    pub is_whole: bool,
    /// The group from which `/proc/<pid>/cgroup` tells paths, as its own path is told; `None` when it was not found.
    namespace: Option<String>,
}

impl Hierarchy {
    /// Finds the one of the cpu controller, by which the kernel programs tell groups apart.
    pub fn find(root: &Root) -> Result<Self, Error> {
        Self::of(root, "cpu")
    }

    /// Finds the one of a controller from `/proc/cgroups` and `/proc/self/mountinfo`.
    pub fn of(root: &Root, controller: &str) -> Result<Self, Error> {
        let controllers = match root.read("/proc/cgroups") {
            Ok(text) => text,
            // A kernel with the unified hierarchy alone need not have the file.
            Err(error) if error.is_not_found() => String::new(),
            Err(error) => return Err(error),
        };
        let expected = format!("a mounted hierarchy with the {controller} controller");
        let found = root.parse("/proc/self/mountinfo", &expected, |text| choose(&controllers, text, controller));
        found.map(|(hierarchy, mount_root)| hierarchy.seen(root, &mount_root))
    }

    /// The unified hierarchy, where it is mounted: beside those of v1 on hybrid hosts.
    pub fn unified(root: &Root) -> Result<Self, Error> {
        let found = root.parse("/proc/self/mountinfo", "a mounted unified hierarchy", |text| mounted(text, None, 0));
        found.map(|(hierarchy, mount_root)| hierarchy.seen(root, &mount_root))
    }

    fn seen(self, root: &Root, mount_root: &str) -> Self {
        let is_whole = view::is_whole(root, &self, mount_root);
        let namespace = view::place_of_namespace(root, &self, view::levels_above(mount_root).unwrap_or(0));
        Self { is_whole, namespace, ..self }
    }

    /// What is visible of it, where that is not all.
    #[must_use]
    pub fn part(&self) -> String {
        let mount = self.mount.display();
        match self.top.as_str() {
            "/" => format!(
                "only kerno's own control group and those below it are visible at {mount} (kerno has a cgroup namespace of its own)"
            ),
            top => format!("only the control groups below {top} are visible at {mount} (a part of the tree is mounted)"),
        }
    }

    /// Path of a process's group in this hierarchy.
    pub fn path_of(&self, root: &Root, pid: u32) -> Result<String, Error> {
        let told = self.told_path(root, pid)?;
        let base = self.namespace.as_deref().ok_or_else(|| Error::Content {
            path: root.path(format!("/proc/{pid}/cgroup")),
            what: "its paths begin at a group that was not found in what is mounted".to_owned(),
        })?;
        Ok(view::joined(base, &told))
    }

    /// The same as kerno's cgroup namespace shows it.
    fn told_path(&self, root: &Root, pid: impl Display) -> Result<String, Error> {
        let path = format!("/proc/{pid}/cgroup");
        let found = group_of(&root.bytes(&path)?, self.id);
        found.ok_or_else(|| Error::Content { path: root.path(&path), what: format!("hierarchy {} expected", self.id) })
    }

    /// The directory of a group, `None` when it lies outside of what the mount shows.
    #[must_use]
    pub fn directory(&self, path: &str) -> Option<PathBuf> {
        let below = if self.top == "/" { path } else { path.strip_prefix(self.top.as_str())? };
        if !(below.is_empty() || below.starts_with('/')) || below.split('/').any(|part| part == "..") {
            return None;
        }
        Some(self.mount.join(below.trim_start_matches('/')))
    }
}

/// `/proc/cgroups` tells the hierarchy's number of each controller (0: unified or disabled), mountinfo where it is mounted.
fn choose(controllers: &str, mountinfo: &str, controller: &str) -> Option<(Hierarchy, String)> {
    let number = controllers.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next()? == controller).then(|| fields.next()?.parse().ok()).flatten()
    });
    match number.unwrap_or(0) {
        0 => mounted(mountinfo, None, 0),
        id => mounted(mountinfo, Some(controller), id),
    }
}

/// Where a v1 controller's hierarchy is mounted, or the unified one, and the root of that mount. Of several mounts the one that
/// shows most: beside a container's own part the host's tree may be mounted.
fn mounted(mountinfo: &str, v1: Option<&str>, id: u32) -> Option<(Hierarchy, String)> {
    let mounts = mounts::parse(mountinfo);
    let mut covered = HashSet::new();
    let visible = mounts.iter().rev().filter(|mount| covered.insert(&mount.mount_point));
    let of_kind = visible.filter(|mount| match v1 {
        Some(controller) => mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller),
        None => mount.kind == "cgroup2",
    });
    let found = of_kind.min_by_key(|mount| view::narrowness(&mount.root))?;
    let top = if view::levels_above(&found.root).is_some() { "/" } else { found.root.as_str() };
    let version = if v1.is_some() { Version::V1 } else { Version::V2 };
    let (mount, top) = (PathBuf::from(&found.mount_point), top.to_owned());
    Some((Hierarchy { version, id, mount, top, is_whole: false, namespace: None }, found.root.clone()))
}

/// Lines are `hierarchy:controllers:path`; a removed group's path ends in ` (deleted)`. Escaped as [`Names`] tells paths.
fn group_of(text: &[u8], hierarchy: u32) -> Option<String> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let found: u32 = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let path = fields.nth(1)?;
        (found == hierarchy).then(|| escaped(path.strip_suffix(b" (deleted)").unwrap_or(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU_V1: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t4\t1\t1\n";
    const CPU_V2: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t70\t1\ncpu\t0\t70\t1\n";

    #[test]
    fn unified_hierarchy() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = choose(CPU_V2, mountinfo, "cpu").unwrap().0;
        assert_eq!((found.version, found.id, found.top.as_str()), (Version::V2, 0, "/"));
        assert_eq!(found.directory("/a/b").unwrap(), PathBuf::from("/sys/fs/cgroup/a/b"));
        assert_eq!(choose("", mountinfo, "cpu").unwrap().0, found, "no /proc/cgroups at all");
    }

    #[test]
    fn hybrid_hosts_have_the_cpu_controller_in_v1() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let v1 = choose(CPU_V1, mountinfo, "cpu").unwrap().0;
        assert_eq!((v1.version, v1.id, v1.mount), (Version::V1, 4, PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")));
        let v2 = choose(CPU_V2, mountinfo, "cpu").unwrap().0;
        assert_eq!((v2.version, v2.mount), (Version::V2, PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(choose(CPU_V1, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "cpu"), None, "v1 not mounted");
    }

    #[test]
    fn a_container_that_sees_a_part_of_the_tree() {
        let mountinfo = "31 23 0:28 /kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let found = choose(CPU_V2, mountinfo, "cpu").unwrap().0;
        assert_eq!(found.directory("/kubepods/pod1/x").unwrap(), PathBuf::from("/sys/fs/cgroup/x"));
        for outside in ["/system.slice", "/kubepods/pod12", "/kubepods/pod1/../pod2"] {
            assert_eq!(found.directory(outside), None, "{outside}");
        }
    }

    #[test]
    fn groups_of_a_process() {
        let text = b"4:cpu,cpuacct:/a:b\n1:name=systemd:/x\n3:pids:/\x1b\xff\n0::/y (deleted)\n";
        assert_eq!(group_of(text, 3).as_deref(), Some("/\\x1b\\xff"));
        assert_eq!(group_of(text, 4).as_deref(), Some("/a:b"));
        assert_eq!(group_of(text, 0).as_deref(), Some("/y"));
        assert_eq!(group_of(text, 9), None);
    }
}
