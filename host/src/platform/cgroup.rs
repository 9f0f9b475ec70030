//! Control groups: the hierarchy the CPU controller is in, and what a group's path stands for.

mod control;
mod names;

pub use control::Control;
pub use names::Names;

use std::path::PathBuf;

use super::{Error, Root, mounts};

/// Version of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per set of controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

/// The hierarchy in which tasks are grouped for the CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version: [`Version::V1`] also on hybrid hosts whose CPU controller has not moved.
    pub version: Version,
    /// The kernel's number of it, as in `/proc/<pid>/cgroup`; 0 for the unified one.
    pub id: u32,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Path of the group that the mount shows as its root: `/` unless a container sees a part only.
    pub top: String,
}

impl Hierarchy {
    /// Finds it from `/proc/cgroups` and `/proc/self/mountinfo`.
    pub fn find(root: &Root) -> Result<Self, Error> {
        let controllers = match root.read("/proc/cgroups") {
            Ok(text) => text,
            // A kernel with the unified hierarchy alone need not have the file.
            Err(error) if error.is_not_found() => String::new(),
            Err(error) => return Err(error),
        };
        root.parse("/proc/self/mountinfo", "a mounted hierarchy with the cpu controller", |text| choose(&controllers, text))
    }

    /// Path of a process's group in this hierarchy.
    pub fn path_of(&self, root: &Root, pid: u32) -> Result<String, Error> {
        let expected = format!("hierarchy {}", self.id);
        root.parse(format!("/proc/{pid}/cgroup"), &expected, |text| group_of(text, self.id))
    }

    /// The directory of a group, `None` when it lies outside of what the mount shows.
    #[must_use]
    pub fn directory(&self, path: &str) -> Option<PathBuf> {
        let below = if self.top == "/" { path } else { path.strip_prefix(self.top.as_str())? };
        Some(self.mount.join(below.trim_start_matches('/')))
    }
}

/// `/proc/cgroups` tells the hierarchy's number of each controller (0: unified or disabled), mountinfo where it is mounted.
fn choose(controllers: &str, mountinfo: &str) -> Option<Hierarchy> {
    let number = controllers.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next()? == "cpu").then(|| fields.next()?.parse().ok()).flatten()
    });
    let id: u32 = number.unwrap_or(0);
    let mounts = mounts::parse(mountinfo);
    let of = |version| {
        let found = mounts.iter().rev().find(|mount| match version {
            Version::V1 => mount.kind == "cgroup" && mount.options.split(',').any(|option| option == "cpu"),
            Version::V2 => mount.kind == "cgroup2",
        })?;
        let top = if found.root.starts_with("/..") { "/" } else { found.root.as_str() };
        let id = if version == Version::V1 { id } else { 0 };
        Some(Hierarchy { version, id, mount: PathBuf::from(&found.mount_point), top: top.to_owned() })
    };
    of(if id == 0 { Version::V2 } else { Version::V1 })
}

/// Lines are `hierarchy:controllers:path`; a removed group's path ends in ` (deleted)`.
fn group_of(text: &str, hierarchy: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let found: u32 = fields.next()?.parse().ok()?;
        let path = fields.nth(1)?;
        (found == hierarchy).then(|| path.strip_suffix(" (deleted)").unwrap_or(path).to_owned())
    })
}

/// The systemd unit (service, scope, slice …) that the last component of a path names.
#[must_use]
pub fn unit(path: &str) -> Option<String> {
    const KINDS: [&str; 6] = [".service", ".scope", ".slice", ".mount", ".socket", ".swap"];
    // systemd puts `_` before names that could be mistaken for the kernel's own files.
    let last = path.rsplit('/').next()?;
    let last = last.strip_prefix('_').unwrap_or(last);
    KINDS.iter().any(|kind| last.len() > kind.len() && last.ends_with(kind)).then(|| last.to_owned())
}

/// The container id (64 hexadecimal digits) in a path; of nested ones the innermost. Understands docker, containerd, CRI-O and
/// podman under either driver: `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>`, `libpod-<id>.scope`, `/docker/<id>`,
/// `/kubepods/…/<id>`, `…slice:cri-containerd:<id>`. The monitor beside a container (`conmon`) is not in it.
#[must_use]
pub fn container(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|component| {
        let component = component.strip_suffix(".scope").or_else(|| component.strip_suffix(".service")).unwrap_or(component);
        let (before, id) = component.rsplit_once(['-', ':']).unwrap_or(("", component));
        let is_id = id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_id && !before.ends_with("conmon")).then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f1e9ac04a1b6d2e8f7c5b4a39281706f5e4d3c2b1a0918273645546372819af";

    #[test]
    fn container_ids_of_every_runtime_and_driver() {
        let with_id = [
            "/system.slice/docker-ID.scope",
            "/docker/ID",
            "/docker/ID/init.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0c1d_2.slice/cri-containerd-ID.scope",
            "/kubepods/burstable/pod0c1d-2/ID",
            "/kubepods/besteffort/pod0c1d-2/crio-ID",
            "/kubepods.slice/kubepods-pod0c1d.slice/crio-ID.scope/container",
            "/system.slice/containerd.service/kubepods-burstable-pod0c1d.slice:cri-containerd:ID",
            "/machine.slice/libpod-ID.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            "/libpod_parent/libpod-ID",
        ];
        for path in with_id {
            assert_eq!(container(&path.replace("ID", ID)).as_deref(), Some(ID), "{path}");
        }
        let without = [
            "/",
            "/system.slice/sshd.service",
            "/kubepods.slice/kubepods-burstable.slice",
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/crio-conmon-ID.scope",
            "/memory/process_api/9916c5a619c83662cd18861ff11b36c2",
        ];
        for path in without {
            assert_eq!(container(&path.replace("ID", ID)), None, "{path}");
        }
        let inner = ID.replace('3', "4");
        assert_eq!(container(&format!("/docker/{ID}/docker/{inner}")), Some(inner));
    }

    #[test]
    fn units_are_the_last_component() {
        let cases = [
            ("/system.slice/sshd.service", Some("sshd.service")),
            ("/user.slice/user-1000.slice/session-2.scope", Some("session-2.scope")),
            ("/system.slice", Some("system.slice")),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/system.slice/foo.service/worker", None),
            ("/docker/abc", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(unit(path).as_deref(), expected, "{path}");
        }
    }

    const CPU_V1: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t4\t1\t1\n";
    const CPU_V2: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t70\t1\ncpu\t0\t70\t1\n";

    #[test]
    fn unified_hierarchy() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = choose(CPU_V2, mountinfo).unwrap();
        assert_eq!((found.version, found.id, found.top.as_str()), (Version::V2, 0, "/"));
        assert_eq!(found.directory("/a/b").unwrap(), PathBuf::from("/sys/fs/cgroup/a/b"));
        assert_eq!(choose("", mountinfo), Some(found), "no /proc/cgroups at all");
    }

    #[test]
    fn hybrid_hosts_have_the_cpu_controller_in_v1() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let v1 = choose(CPU_V1, mountinfo).unwrap();
        assert_eq!((v1.version, v1.id, v1.mount), (Version::V1, 4, PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")));
        let v2 = choose(CPU_V2, mountinfo).unwrap();
        assert_eq!((v2.version, v2.mount), (Version::V2, PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(choose(CPU_V1, "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), None, "v1 not mounted");
    }

    #[test]
    fn a_container_that_sees_a_part_of_the_tree() {
        let mountinfo = "31 23 0:28 /kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let found = choose(CPU_V2, mountinfo).unwrap();
        assert_eq!(found.directory("/kubepods/pod1/x").unwrap(), PathBuf::from("/sys/fs/cgroup/x"));
        assert_eq!(found.directory("/system.slice"), None);
    }

    #[test]
    fn groups_of_a_process() {
        let text = "4:cpu,cpuacct:/a:b\n1:name=systemd:/x\n0::/y (deleted)\n";
        assert_eq!(group_of(text, 4).as_deref(), Some("/a:b"));
        assert_eq!(group_of(text, 0).as_deref(), Some("/y"));
        assert_eq!(group_of(text, 9), None);
    }
}
