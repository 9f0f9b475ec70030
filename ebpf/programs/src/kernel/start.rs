//! Control groups as they are made, and the mount namespace of a task.
use core::ptr::read_volatile;

use super::{Access, Task, Typed, cgroup_kn, css_cgroup, kernfs_node_id};

globals! {
    /// 1 when groups that are made are followed: their hierarchy is the unified one, and this kernel has what that needs.
    STARTS_FOLLOWED starts_followed;
    /// `cgroup.root`.
    CGROUP_ROOT cgroup_root;
    /// `cgroup_root.hierarchy_id`.
    ROOT_HIERARCHY root_hierarchy;
    /// `cgroup.self.parent`.
    CGROUP_PARENT cgroup_parent;
    /// `task_struct.nsproxy`.
    TASK_NSPROXY task_nsproxy;
    /// `nsproxy.mnt_ns`.
    NSPROXY_MOUNTS nsproxy_mounts;
}

/// A `cgroup`, typed by BTF.
#[derive(Clone, Copy)]
pub struct Group(*const u8);

impl Group {
    /// Of a pointer to a `cgroup`.
    #[inline(always)]
    #[must_use]
    pub fn new(group: *const u8) -> Self {
        Self(group)
    }

    /// Whether it is of the unified hierarchy, which has number 0.
    #[inline(always)]
    #[must_use]
    pub fn is_unified(self) -> bool {
        // SAFETY: a group that a hook handed over; its root is there as long.
        unsafe {
            let root: *const u8 = Typed::read(self.0, cgroup_root());
            Typed::read::<u32>(root, root_hierarchy()) == 0
        }
    }

    /// Its id.
    #[inline(always)]
    #[must_use]
    pub fn id(self) -> u64 {
        // SAFETY: as in `is_unified`.
        unsafe {
            let node: *const u8 = Typed::read(self.0, cgroup_kn());
            Typed::read(node, kernfs_node_id())
        }
    }

    /// Id of the group above it.
    #[inline(always)]
    #[must_use]
    pub fn parent_id(self) -> u64 {
        // SAFETY: as in `is_unified`: a group holds the one above it. The root, which has none, is never made.
        unsafe {
            let state: *const u8 = Typed::read(self.0, cgroup_parent());
            let group: *const u8 = Typed::read(state, css_cgroup());
            Group(group).id()
        }
    }
}

impl Task {
    /// Address of its mount namespace, which names it while a task is in it; 0 for a task that is about to end.
    #[inline(always)]
    #[must_use]
    pub fn mounts<A: Access>(self) -> u64 {
        // SAFETY: a task that a hook or a helper handed over.
        unsafe {
            let namespaces: *const u8 = A::read(self.0, task_nsproxy());
            A::read(namespaces, nsproxy_mounts())
        }
    }
}
