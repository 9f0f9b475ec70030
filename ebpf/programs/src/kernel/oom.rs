//! The out-of-memory killer's case, its victim's memory, and the directories of control groups. All of it is read by probe reads:
//! kills are rare.
use core::ptr::read_volatile;

use super::{
    Access, Probed, Task, cgroup_kn, css_cgroup, css_set_dfl_cgrp, css_set_subsys, descriptors::task_signal, kernfs_node_id,
    task_cgroups,
};

globals! {
    /// `task_struct.mm`.
    TASK_MM task_mm;
    /// `signal_struct.oom_score_adj`.
    SIGNAL_OOM_SCORE_ADJ signal_oom_score_adj;
    /// `signal_struct.oom_mm`.
    SIGNAL_OOM_MM signal_oom_mm;
    /// The first counter of `mm_struct.rss_stat`: the number itself, not what is around it.
    MM_RSS mm_rss;
    /// Bytes from one counter to the next: of an `atomic_long_t`, or of a `percpu_counter` since 6.2 (f1a7941243c1).
    MM_RSS_STRIDE mm_rss_stride;
    /// 1 when the memory controller is on cgroup v1.
    MEMORY_V1 memory_v1;
    /// Index of the memory controller in `css_set.subsys`.
    MEMORY_CONTROLLER memory_controller;
    /// `mem_cgroup.css.cgroup`.
    MEM_CGROUP_CGROUP mem_cgroup_cgroup;
    /// `kernfs_node.parent`; `__parent` since 6.15 (633488947ef6).
    KERNFS_NODE_PARENT kernfs_node_parent;
    /// `kernfs_node.name`.
    KERNFS_NODE_NAME kernfs_node_name;
    /// `oom_control.memcg`.
    OOM_CONTROL_MEMCG oom_control_memcg;
    /// `oom_control.totalpages`.
    OOM_CONTROL_TOTALPAGES oom_control_totalpages;
    /// `oom_control.chosen`.
    OOM_CONTROL_CHOSEN oom_control_chosen;
    /// `oom_control.chosen_points`.
    OOM_CONTROL_CHOSEN_POINTS oom_control_chosen_points;
    /// `oom_control.constraint`.
    OOM_CONTROL_CONSTRAINT oom_control_constraint;
}

impl Task {
    /// Resident pages of its memory: files, anonymous, swapped, shared. Since 6.2 a counter lags by what each CPU has not yet added
    /// to it, as it does in the kernel's own log.
    #[inline(always)]
    #[must_use]
    pub fn memory(self) -> [i64; 4] {
        // SAFETY: a task that a hook or a helper handed over; one without memory reads as zeros.
        unsafe {
            let memory: *const u8 = Probed::read(self.0, task_mm());
            let (first, stride) = (mm_rss(), mm_rss_stride());
            [
                Probed::read(memory, first),
                Probed::read(memory, first + stride),
                Probed::read(memory, first + 2 * stride),
                Probed::read(memory, first + 3 * stride),
            ]
        }
    }

    /// `/proc/<pid>/oom_score_adj` of its process.
    #[inline(always)]
    #[must_use]
    pub fn oom_score_adjustment(self) -> i32 {
        // SAFETY: as in `memory`; a process's `signal_struct` is there as long as its tasks.
        unsafe {
            let signal: *const u8 = Probed::read(self.0, task_signal());
            i32::from(Probed::read::<i16>(signal, signal_oom_score_adj()))
        }
    }

    /// Its process has been marked as a victim before.
    #[inline(always)]
    #[must_use]
    pub fn is_oom_victim(self) -> bool {
        // SAFETY: as in `oom_score_adjustment`.
        unsafe {
            let signal: *const u8 = Probed::read(self.0, task_signal());
            Probed::read::<u64>(signal, signal_oom_mm()) != 0
        }
    }

    /// Its control group in the hierarchy of the memory controller: on v2 the group itself, even when the controller is enabled
    /// only further up.
    #[inline(always)]
    #[must_use]
    pub fn memory_group(self) -> Node {
        // SAFETY: every pointer on the way is valid while the task is.
        unsafe {
            let set: *const u8 = Probed::read(self.0, task_cgroups());
            let group: *const u8 = if memory_v1() != 0 {
                let controller: *const u8 = Probed::read(set, css_set_subsys() + 8 * memory_controller());
                Probed::read(controller, css_cgroup())
            } else {
                Probed::read(set, css_set_dfl_cgrp())
            };
            Node(Probed::read(group, cgroup_kn()))
        }
    }
}

/// A `kernfs_node`: the directory of a control group.
#[derive(Clone, Copy)]
pub struct Node(*const u8);

impl Node {
    /// Of a pointer to a `kernfs_node`.
    #[inline(always)]
    #[must_use]
    pub fn new(node: *const u8) -> Self {
        Self(node)
    }

    /// Its address, which names it while it is there.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// There is none.
    #[inline(always)]
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0.is_null()
    }

    /// Its number: a control group's id. 0 for none.
    #[inline(always)]
    #[must_use]
    pub fn id(self) -> u64 {
        // SAFETY: a probe read; no node reads as zero.
        unsafe { Probed::read(self.0, kernfs_node_id()) }
    }

    /// The one above; none of the root.
    #[inline(always)]
    #[must_use]
    pub fn parent(self) -> Self {
        // SAFETY: as in `id`.
        Self(unsafe { Probed::read(self.0, kernfs_node_parent()) })
    }

    /// Its name, ended by a NUL.
    #[inline(always)]
    #[must_use]
    pub fn name(self) -> *const u8 {
        // SAFETY: as in `id`.
        unsafe { Probed::read(self.0, kernfs_node_name()) }
    }
}

/// An `oom_control`: what the kernel knows of a case.
#[derive(Clone, Copy)]
pub struct OomControl(*const u8);

impl OomControl {
    /// Of a pointer to an `oom_control`.
    #[inline(always)]
    #[must_use]
    pub fn new(control: *const u8) -> Self {
        Self(control)
    }

    /// Directory of the control group whose limit was hit; none when it was no group's.
    #[inline(always)]
    #[must_use]
    pub fn limit(self) -> Node {
        // SAFETY: the kernel's own, there while the case is.
        unsafe {
            let memory: *const u8 = Probed::read(self.0, oom_control_memcg());
            if memory.is_null() {
                return Node(memory);
            }
            let group: *const u8 = Probed::read(memory, mem_cgroup_cgroup());
            Node(Probed::read(group, cgroup_kn()))
        }
    }

    /// Pages that the victims could have used.
    #[inline(always)]
    #[must_use]
    pub fn total_pages(self) -> u64 {
        // SAFETY: as in `limit`.
        unsafe { Probed::read(self.0, oom_control_totalpages()) }
    }

    /// The chosen victim's address.
    #[inline(always)]
    #[must_use]
    pub fn chosen(self) -> u64 {
        // SAFETY: as in `limit`.
        unsafe { Probed::read(self.0, oom_control_chosen()) }
    }

    /// The chosen victim's badness, pages.
    #[inline(always)]
    #[must_use]
    pub fn points(self) -> i64 {
        // SAFETY: as in `limit`.
        unsafe { Probed::read(self.0, oom_control_chosen_points()) }
    }

    /// `enum oom_constraint`: whose memory was short.
    #[inline(always)]
    #[must_use]
    pub fn constraint(self) -> u32 {
        // SAFETY: as in `limit`.
        unsafe { Probed::read(self.0, oom_control_constraint()) }
    }
}
