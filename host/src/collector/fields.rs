//! Which struct members the kernel programs read, and the global that tells a program where each is.

use crate::platform::btf::Btf;

/// A struct member and the global that holds its offset.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Global of the object.
    pub global: &'static str,
    /// Struct of the kernel.
    pub structure: &'static str,
    /// Member, or members joined by dots.
    pub path: &'static str,
}

const fn field(global: &'static str, structure: &'static str, path: &'static str) -> Field {
    Field { global, structure, path }
}

/// Of a task, for run-queue delay.
pub const SCHED: &[Field] = &[
    field("TASK_PID", "task_struct", "pid"),
    field("TASK_TGID", "task_struct", "tgid"),
    field("TASK_STATIC_PRIO", "task_struct", "static_prio"),
    field("TASK_POLICY", "task_struct", "policy"),
    field("TASK_COMM", "task_struct", "comm"),
    field("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("TASK_RUN_DELAY", "task_struct", "sched_info.run_delay"),
];

/// Of a task's state, since 5.14 (2f064a59a11f).
pub const TASK_STATE: &[Field] = &[field("TASK_STATE", "task_struct", "__state")];

/// Of a task's state before that.
pub const TASK_STATE_OLD: &[Field] = &[field("TASK_STATE", "task_struct", "state")];

/// Of a task in a system call.
pub const CALL: &[Field] = &[
    field("TASK_FLAGS", "task_struct", "flags"),
    field("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    field("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("TASK_COMM", "task_struct", "comm"),
    COMPAT,
    NUMBER,
    KEPT_ARGUMENT,
];

/// Of the file that a system call's descriptor stands for.
pub const CALL_FILE: &[Field] = &[
    field("TASK_FILES", "task_struct", "files"),
    field("FILES_FDT", "files_struct", "fdt"),
    field("FDTABLE_MAX_FDS", "fdtable", "max_fds"),
    field("FDTABLE_FD", "fdtable", "fd"),
    field("FILE_INODE", "file", "f_inode"),
    field("INODE_MODE", "inode", "i_mode"),
];

/// `TS_COMPAT`: the call was made in the 32-bit way.
#[cfg(target_arch = "x86_64")]
pub const COMPAT_BIT: u32 = 0x2;
/// `TIF_32BIT`: the program is a 32-bit one.
#[cfg(not(target_arch = "x86_64"))]
pub const COMPAT_BIT: u32 = 1 << 22;

#[cfg(target_arch = "x86_64")]
const COMPAT: Field = field("TASK_COMPAT", "task_struct", "thread_info.status");
#[cfg(not(target_arch = "x86_64"))]
const COMPAT: Field = field("TASK_COMPAT", "task_struct", "thread_info.flags");

#[cfg(target_arch = "x86_64")]
const NUMBER: Field = field("REGS_NUMBER", "pt_regs", "orig_ax");
#[cfg(not(target_arch = "x86_64"))]
const NUMBER: Field = field("REGS_NUMBER", "pt_regs", "syscallno");

#[cfg(target_arch = "x86_64")]
const KEPT_ARGUMENT: Field = field("REGS_KEPT_ARGUMENT", "pt_regs", "di");
#[cfg(not(target_arch = "x86_64"))]
const KEPT_ARGUMENT: Field = field("REGS_KEPT_ARGUMENT", "pt_regs", "orig_x0");

/// Of a task that sleeps in its run queue, since 6.12 (152e11f6df29).
pub const SCHED_DELAYED: &[Field] = &[field("TASK_SCHED_DELAYED", "task_struct", "se.sched_delayed")];

/// Of a task's control group in the unified hierarchy.
pub const CGROUP_V2: &[Field] = &[
    field("TASK_CGROUPS", "task_struct", "cgroups"),
    field("CSS_SET_DFL_CGRP", "css_set", "dfl_cgrp"),
    field("CGROUP_KN", "cgroup", "kn"),
    field("KERNFS_NODE_ID", "kernfs_node", "id"),
];

/// Of a task's control group where the cpu controller is on v1.
pub const CGROUP_V1: &[Field] = &[
    field("TASK_CGROUPS", "task_struct", "cgroups"),
    field("CSS_SET_SUBSYS", "css_set", "subsys"),
    field("CSS_CGROUP", "cgroup_subsys_state", "cgroup"),
    field("CGROUP_KN", "cgroup", "kn"),
    field("KERNFS_NODE_ID", "kernfs_node", "id"),
];

/// Of a block request.
pub const REQUEST: &[Field] = &[
    field("REQUEST_CMD_FLAGS", "request", "cmd_flags"),
    field("REQUEST_DATA_LEN", "request", "__data_len"),
    field("DISK_MAJOR", "gendisk", "major"),
    field("DISK_FIRST_MINOR", "gendisk", "first_minor"),
];

/// The way from a request to its disk, since 5.15 (d97e594c5166).
pub const DISK_OF_QUEUE: &[Field] = &[field("REQUEST_QUEUE", "request", "q"), field("QUEUE_DISK", "request_queue", "disk")];

/// The way from a request to its disk, before 5.17 (f3fa33acca9f).
pub const DISK_OF_REQUEST: &[Field] = &[field("REQUEST_RQ_DISK", "request", "rq_disk")];

/// Of a task's open files.
pub const FILE: &[Field] = &[
    field("TASK_FLAGS", "task_struct", "flags"),
    field("TASK_COMM", "task_struct", "comm"),
    field("TASK_FILES", "task_struct", "files"),
    field("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    field("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("FILES_FDT", "files_struct", "fdt"),
    field("FDTABLE_MAX_FDS", "fdtable", "max_fds"),
    field("FDTABLE_FD", "fdtable", "fd"),
    field("FILE_INODE", "file", "f_inode"),
    field("INODE_MODE", "inode", "i_mode"),
    field("INODE_RDEV", "inode", "i_rdev"),
    field("INODE_SB", "inode", "i_sb"),
    field("SUPER_BLOCK_DEV", "super_block", "s_dev"),
    FIRST_ARGUMENT,
];

/// Of a task's descriptor table and its limit.
pub const DESCRIPTORS: &[Field] = &[
    field("TASK_PID", "task_struct", "pid"),
    field("TASK_TGID", "task_struct", "tgid"),
    field("TASK_FLAGS", "task_struct", "flags"),
    field("TASK_COMM", "task_struct", "comm"),
    field("TASK_FILES", "task_struct", "files"),
    field("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    field("TASK_SIGNAL", "task_struct", "signal"),
    field("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("SIGNAL_RLIM", "signal_struct", "rlim"),
    field("FILES_FDT", "files_struct", "fdt"),
    field("FDTABLE_MAX_FDS", "fdtable", "max_fds"),
    field("FDTABLE_OPEN_FDS", "fdtable", "open_fds"),
];

/// Of an out-of-memory case and its victim.
pub const OOM: &[Field] = &[
    field("TASK_TGID", "task_struct", "tgid"),
    field("TASK_COMM", "task_struct", "comm"),
    field("TASK_MM", "task_struct", "mm"),
    field("TASK_SIGNAL", "task_struct", "signal"),
    field("SIGNAL_OOM_SCORE_ADJ", "signal_struct", "oom_score_adj"),
    field("SIGNAL_OOM_MM", "signal_struct", "oom_mm"),
    field("MEM_CGROUP_CGROUP", "mem_cgroup", "css.cgroup"),
    field("KERNFS_NODE_NAME", "kernfs_node", "name"),
    field("OOM_CONTROL_MEMCG", "oom_control", "memcg"),
    field("OOM_CONTROL_TOTALPAGES", "oom_control", "totalpages"),
    field("OOM_CONTROL_CHOSEN", "oom_control", "chosen"),
    field("OOM_CONTROL_CHOSEN_POINTS", "oom_control", "chosen_points"),
    field("OOM_CONTROL_CONSTRAINT", "oom_control", "constraint"),
];

/// Of a directory of control groups, before 6.15 (633488947ef6).
pub const NODE_PARENT: &[Field] = &[field("KERNFS_NODE_PARENT", "kernfs_node", "parent")];

/// Of a directory of control groups, since 6.15.
pub const NODE_PARENT_RCU: &[Field] = &[field("KERNFS_NODE_PARENT", "kernfs_node", "__parent")];

/// Where a system call's first argument is.
#[cfg(target_arch = "x86_64")]
const FIRST_ARGUMENT: Field = field("REGS_FIRST_ARGUMENT", "pt_regs", "di");
/// Where a system call's first argument is.
#[cfg(not(target_arch = "x86_64"))]
const FIRST_ARGUMENT: Field = field("REGS_FIRST_ARGUMENT", "pt_regs", "regs");

/// Of a TCP socket, and the way to it from a file.
pub const TCP: &[Field] = &[
    field("TASK_TGID", "task_struct", "tgid"),
    field("TASK_COMM", "task_struct", "comm"),
    field("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    field("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("FILE_INODE", "file", "f_inode"),
    field("FILE_PRIVATE", "file", "private_data"),
    field("INODE_MODE", "inode", "i_mode"),
    field("SOCKET_SK", "socket", "sk"),
    field("SOCKET_FILE", "socket", "file"),
    field("SOCK_FAMILY", "sock", "__sk_common.skc_family"),
    field("SOCK_STATE", "sock", "__sk_common.skc_state"),
    field("SOCK_DADDR", "sock", "__sk_common.skc_daddr"),
    field("SOCK_V6_DADDR", "sock", "__sk_common.skc_v6_daddr"),
    field("SOCK_DPORT", "sock", "__sk_common.skc_dport"),
    field("SOCK_NUM", "sock", "__sk_common.skc_num"),
    field("SOCK_NET", "sock", "__sk_common.skc_net.net"),
    field("SOCK_PROTOCOL", "sock", "sk_protocol"),
    field("SOCK_ERR", "sock", "sk_err"),
    field("SOCK_OWNED", "sock", "sk_lock.owned"),
    field("NET_INUM", "net", "ns.inum"),
    field("TCP_SEGS_OUT", "tcp_sock", "segs_out"),
    field("TCP_DATA_SEGS_OUT", "tcp_sock", "data_segs_out"),
    field("TCP_TOTAL_RETRANS", "tcp_sock", "total_retrans"),
    field("TCP_SRTT", "tcp_sock", "srtt_us"),
    field("TCP_MIN_RTT", "tcp_sock", "rtt_min.s"),
];

/// Of a socket's control group, since 5.15 (8520e224f547).
pub const SOCK_CGROUP: &[Field] = &[
    field("SOCK_CGROUP", "sock", "sk_cgrp_data.cgroup"),
    field("CGROUP_KN", "cgroup", "kn"),
    field("KERNFS_NODE_ID", "kernfs_node", "id"),
];

/// Of a socket's control group before that commit: one word with flags.
pub const SOCK_CGROUP_WORD: &[Field] = &[
    field("SOCK_CGROUP", "sock", "sk_cgrp_data.val"),
    field("CGROUP_KN", "cgroup", "kn"),
    field("KERNFS_NODE_ID", "kernfs_node", "id"),
];

/// Of control groups as they are made, and of who starts and answers in them.
pub const STARTS: &[Field] = &[
    field("CGROUP_ROOT", "cgroup", "root"),
    field("ROOT_HIERARCHY", "cgroup_root", "hierarchy_id"),
    field("CGROUP_PARENT", "cgroup", "self.parent"),
    field("CSS_CGROUP", "cgroup_subsys_state", "cgroup"),
    field("TASK_NSPROXY", "task_struct", "nsproxy"),
    field("NSPROXY_MOUNTS", "nsproxy", "mnt_ns"),
    field("TCP_DATA_SEGS_IN", "tcp_sock", "data_segs_in"),
    field("TCP_LAST_SENT", "tcp_sock", "lsndtime"),
    field("TCP_LAST_RECEIVED", "tcp_sock", "inet_conn.icsk_ack.lrcvtime"),
];

/// Offsets of members on the running kernel, as globals.
///
/// # Errors
///
/// The first member that this kernel does not have.
pub fn resolve(btf: &Btf, fields: &[Field]) -> Result<Vec<(&'static str, u32)>, Field> {
    fields.iter().map(|field| Ok((field.global, btf.offset(field.structure, field.path).ok_or(*field)?))).collect()
}
