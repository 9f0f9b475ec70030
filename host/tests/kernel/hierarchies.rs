//! Puts v1 hierarchies, with or without the unified one beside them, in the place of the guest's unified hierarchy.

use std::{fs, path::Path, path::PathBuf, process::Command};

use crate::guest::sleep;

/// v1 hierarchies below `/sys/fs/cgroup`, as systemd mounts them.
const V1: [&str; 5] = ["cpu,cpuacct", "memory", "cpuset", "blkio", "pids"];

/// What is mounted.
pub struct Hierarchies(Vec<&'static str>);

impl Hierarchies {
    /// v1 only.
    pub fn legacy() -> Self {
        Self::mount(false)
    }

    /// v1 for the controllers, v2 for the names.
    pub fn hybrid() -> Self {
        Self::mount(true)
    }

    fn mount(unified: bool) -> Self {
        let top = Path::new("/sys/fs/cgroup");
        for controller in fs::read_to_string(top.join("cgroup.controllers")).unwrap().split_whitespace() {
            // A controller can only leave when no group uses it.
            fs::write(top.join("cgroup.subtree_control"), format!("-{controller}")).unwrap();
        }
        busybox(&["umount", "/sys/fs/cgroup"]).then_some(()).expect("nothing holds on to the unified hierarchy");
        busybox(&["mount", "-t", "tmpfs", "none", "/sys/fs/cgroup"]).then_some(()).unwrap();
        let known = fs::read_to_string("/proc/cgroups").unwrap();
        let mounted = V1.into_iter().filter(|controllers| {
            let first = controllers.split(',').next();
            // A kernel that has a controller for the unified hierarchy only may list it all the same.
            let tries = if known.lines().any(|line| line.split_whitespace().next() == first) { 10 } else { 0 };
            let at = top.join(controllers);
            fs::create_dir(&at).unwrap();
            // What a group of it left behind may take a while to go.
            (0..tries).any(|_| {
                busybox(&["mount", "-t", "cgroup", "-o", controllers, "none", at.to_str().unwrap()]) || {
                    sleep(100);
                    false
                }
            })
        });
        let mounted = mounted.collect();
        if unified {
            fs::create_dir(top.join("unified")).unwrap();
            busybox(&["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup/unified"]).then_some(()).unwrap();
        }
        Self(mounted)
    }

    /// Whether this kernel has the controllers for v1.
    pub fn has(&self, controllers: &str) -> bool {
        self.0.contains(&controllers)
    }

    /// Makes a group in every hierarchy, the unified one included, and tells their directories.
    pub fn group(&self, name: &str) -> Vec<PathBuf> {
        let top = Path::new("/sys/fs/cgroup");
        let mut groups: Vec<PathBuf> = self.0.iter().map(|mounted| top.join(mounted).join(name)).collect();
        groups.extend(Some(top.join("unified")).filter(|unified| unified.exists()).map(|unified| unified.join(name)));
        for group in &groups {
            fs::create_dir_all(group).unwrap();
            if group.starts_with("/sys/fs/cgroup/cpuset") {
                // Nobody may enter a set without CPUs and memory.
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let all = fs::read_to_string(Path::new("/sys/fs/cgroup/cpuset").join(file)).unwrap();
                    fs::write(group.join(file), all).unwrap();
                }
            }
        }
        groups
    }

    /// The shell command by which a process enters a group of every hierarchy.
    pub fn enter(groups: &[PathBuf]) -> String {
        groups.iter().map(|group| format!("echo $$ > {}/cgroup.procs && ", group.display())).collect()
    }
}

fn busybox(arguments: &[&str]) -> bool {
    Command::new("/bin/busybox").args(arguments).status().unwrap().success()
}
