//! Where control groups and the controllers that matter are.

use super::{Group, Item, Seen};
use crate::{
    collector::groups::SHOW_ALL,
    platform::{
        Root,
        cgroup::{Hierarchy, Version},
    },
};

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![
        controller(seen, "cpu", "cgroup_cpu", "workloads have no names, and throttling by a quota is not seen"),
        controller(seen, "memory", "cgroup_memory", "memory use, limits and OOM kills of control groups are not seen"),
        whole(seen),
    ]
}

/// Of several hierarchies, each mounted by itself, the first that is not whole.
fn whole(seen: &Seen) -> Item {
    const ID: &str = "cgroup_tree";
    let found = ["cpu", "memory"].into_iter().filter_map(|controller| Hierarchy::of(&seen.root, controller).ok());
    match found.into_iter().find(|hierarchy| !hierarchy.is_whole) {
        Some(part) => Item::gap(
            ID,
            Group::Accounts,
            part.part(),
            "memory and CPU of other workloads are not seen, and other families tell them by number, not by name",
            SHOW_ALL,
        ),
        None if !["cpu", "memory"].into_iter().any(|controller| Hierarchy::of(&seen.root, controller).is_ok()) => {
            Item::unknown(ID, Group::Accounts, "no control groups are mounted")
        }
        None => Item::ok(ID, Group::Accounts, "every control group that is mounted is visible"),
    }
}

fn controller(seen: &Seen, controller: &str, id: &'static str, effect: &str) -> Item {
    match Hierarchy::of(&seen.root, controller) {
        Ok(found) if is_off(&seen.root, &found, controller) => Item::gap(
            id,
            Group::Accounts,
            format!("the {controller} controller is switched off"),
            effect,
            format!("boot without cgroup_disable={controller}, with cgroup_enable={controller} where the kernel wants it"),
        ),
        Ok(Hierarchy { version, mount, .. }) => {
            let version = if version == Version::V1 { "v1" } else { "v2" };
            Item::ok(id, Group::Accounts, format!("the {controller} controller is in cgroup {version} at {}", mount.display()))
        }
        Err(error) => Item::gap(id, Group::Accounts, error.to_string(), effect, mount_it(&seen.root, controller)),
    }
}

/// What mounts it, by the hierarchy that it is in.
fn mount_it(root: &Root, controller: &str) -> String {
    let is_v1 = |line: &str| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(controller) && fields.next().is_some_and(|hierarchy| hierarchy != "0")
    };
    if !root.exists("/sys/fs/cgroup") {
        "mount the host's /sys where kerno runs: `mount -t sysfs sysfs /sys`, then its control groups".to_owned()
    } else if root.read("/proc/cgroups").is_ok_and(|text| text.lines().any(is_v1)) {
        let directory = format!("/sys/fs/cgroup/{controller}");
        format!("mount it where kerno runs: `mkdir -p {directory} && mount -t cgroup -o {controller} cgroup {directory}`")
    } else {
        "mount the host's control groups where kerno runs: `mount -t cgroup2 none /sys/fs/cgroup`".to_owned()
    }
}

/// In the unified hierarchy a controller that was switched off is in no list.
fn is_off(root: &Root, hierarchy: &Hierarchy, controller: &str) -> bool {
    let listed = |text: String| text.split_whitespace().any(|name| name == controller);
    hierarchy.version == Version::V2 && root.read(hierarchy.mount.join("cgroup.controllers")).is_ok_and(|text| !listed(text))
}
