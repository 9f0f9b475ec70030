//! Reads of kernel structs, all of them.
//!
//! Offsets come from the running kernel's BTF: user space writes them into read-only globals before the load, so the verifier
//! sees constants and drops the branches that this kernel has no use for.
use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_probe_read_kernel, bpf_probe_read_user, bpf_task_pt_regs,
};

/// Declares the read-only globals that user space sets, and reads of them.
macro_rules! globals {
    ($($(#[$doc:meta])* $global:ident $function:ident;)*) => {
        $(
            #[unsafe(no_mangle)]
            static $global: u32 = 0;

            $(#[$doc])*
            #[inline(always)]
            #[must_use]
            pub fn $function() -> u32 {
                // SAFETY: a static is always readable; volatile, because user space changes it after compilation.
                unsafe { read_volatile(&raw const $global) }
            }
        )*
    };
}

// After the macro, which they use.
mod descriptors;
mod oom;
pub mod sock;
pub mod start;

pub use descriptors::Descriptors;
pub use oom::{Node, OomControl};

globals! {
    /// kerno's process id.
    OWN_TGID own_tgid;
    /// 1 when a test wants this collector to see nothing: hooks return at once then.
    SILENCED silenced;
    /// The same for the syscall collector where it shares an object.
    CALLS_SILENCED calls_silenced;
    /// 1 when either of the two is.
    ANY_SILENCED any_silenced;
    /// Copies of the histograms that CPUs share; a power of two.
    SHARDS shards;
    /// The same of the histograms of waits.
    WAIT_SHARDS wait_shards;
    /// 1 when there are fewer copies than CPUs.
    SHARDS_ARE_SHARED shards_are_shared;
    /// 1 when programs on typed tracepoints can be preempted (7.0).
    PREEMPTIBLE preemptible;
    /// 1 when a task's state is `sched_switch`'s fourth argument (5.18).
    STATE_IS_ARGUMENT state_is_argument;
    /// 1 when a program can have its task with its type (`bpf_get_current_task_btf`, 5.11).
    CURRENT_IS_TYPED current_is_typed;
    /// Bit of [`task_compat`] that is set in the system calls of 32-bit programs.
    COMPAT_BIT compat_bit;
    /// 1 when the cpu controller is on cgroup v1.
    CGROUP_V1 cgroup_v1;
    /// Index of the cpu controller in `css_set.subsys`.
    CPU_CONTROLLER cpu_controller;
    /// 1 when a request's disk is found through its queue (5.15), 0 through `rq_disk`.
    DISK_OF_QUEUE disk_of_queue;
    /// `task_struct.pid`.
    TASK_PID task_pid;
    /// `task_struct.tgid`.
    TASK_TGID task_tgid;
    /// `task_struct.flags`.
    TASK_FLAGS task_flags;
    /// `task_struct.__state`, `state` before 5.14.
    TASK_STATE task_state;
    /// `task_struct.thread_info.status`; on arm64 `flags`.
    TASK_COMPAT task_compat;
    /// `task_struct.static_prio`.
    TASK_STATIC_PRIO task_static_prio;
    /// `task_struct.policy`.
    TASK_POLICY task_policy;
    /// `task_struct.comm`.
    TASK_COMM task_comm;
    /// `task_struct.sched_info.run_delay`.
    TASK_RUN_DELAY task_run_delay;
    /// `task_struct.se.sched_delayed`; 0 before 6.12.
    TASK_SCHED_DELAYED task_sched_delayed;
    /// `task_struct.cgroups`.
    TASK_CGROUPS task_cgroups;
    /// `task_struct.files`.
    TASK_FILES task_files;
    /// `css_set.dfl_cgrp`.
    CSS_SET_DFL_CGRP css_set_dfl_cgrp;
    /// `css_set.subsys`.
    CSS_SET_SUBSYS css_set_subsys;
    /// `cgroup_subsys_state.cgroup`.
    CSS_CGROUP css_cgroup;
    /// `cgroup.kn`.
    CGROUP_KN cgroup_kn;
    /// `kernfs_node.id`.
    KERNFS_NODE_ID kernfs_node_id;
    /// `request.q`.
    REQUEST_QUEUE request_queue;
    /// `request.rq_disk`, before 5.17.
    REQUEST_RQ_DISK request_rq_disk;
    /// `request.cmd_flags`.
    REQUEST_CMD_FLAGS request_cmd_flags;
    /// `request.__data_len`.
    REQUEST_DATA_LEN request_data_len;
    /// `request_queue.disk`, since 5.15.
    QUEUE_DISK queue_disk;
    /// `gendisk.major`.
    DISK_MAJOR disk_major;
    /// `gendisk.first_minor`.
    DISK_FIRST_MINOR disk_first_minor;
    /// Where `pt_regs` keeps a system call's first argument.
    REGS_FIRST_ARGUMENT regs_first_argument;
    /// Where `pt_regs` keeps the number of the call that returns.
    REGS_NUMBER regs_number;
    /// Where it still has that call's first argument.
    REGS_KEPT_ARGUMENT regs_kept_argument;
    /// `files_struct.fdt`.
    FILES_FDT files_fdt;
    /// `fdtable.max_fds`.
    FDTABLE_MAX_FDS fdtable_max_fds;
    /// `fdtable.fd`.
    FDTABLE_FD fdtable_fd;
    /// `file.f_inode`.
    FILE_INODE file_inode;
    /// `inode.i_mode`.
    INODE_MODE inode_mode;
    /// `inode.i_rdev`.
    INODE_RDEV inode_rdev;
    /// `inode.i_sb`.
    INODE_SB inode_sb;
    /// `super_block.s_dev`.
    SUPER_BLOCK_DEV super_block_dev;
}

/// How a kernel address is read.
pub trait Access {
    /// The value at `address + offset`.
    ///
    /// # Safety
    ///
    /// `address` must be one that this kind of access may read.
    unsafe fn read<T: Copy>(address: *const u8, offset: u32) -> T;
}

/// Direct loads: the verifier knows the pointer's type from BTF, and a fault reads as zero.
pub struct Typed;

impl Access for Typed {
    #[inline(always)]
    unsafe fn read<T: Copy>(address: *const u8, offset: u32) -> T {
        // SAFETY: the verifier proves that the load is inside the struct that the pointer's type names.
        unsafe { read_volatile(address.add(offset as usize).cast()) }
    }
}

/// Probe reads, for pointers that the verifier knows nothing of; a fault reads as zero.
pub struct Probed;

impl Access for Probed {
    #[inline(always)]
    unsafe fn read<T: Copy>(address: *const u8, offset: u32) -> T {
        let mut value = core::mem::MaybeUninit::<T>::zeroed();
        // SAFETY: the helper writes `size_of::<T>()` bytes into `value` and zeroes them on a fault. Its result is not looked at:
        // a branch on it costs the verifier minutes on some kernels.
        unsafe {
            let _ = bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address.add(offset as usize).cast());
            value.assume_init()
        }
    }
}

/// A `task_struct`.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    /// Of a pointer to a `task_struct`.
    #[inline(always)]
    #[must_use]
    pub fn new(task: *const u8) -> Self {
        Self(task)
    }

    /// The running task; only probe reads know what to do with it.
    #[inline(always)]
    #[must_use]
    pub fn current() -> Self {
        // SAFETY: a helper without arguments.
        Self(unsafe { bpf_get_current_task() } as *const u8)
    }

    /// The running task with its type. Only behind [`current_is_typed`].
    #[inline(always)]
    #[must_use]
    pub fn current_typed() -> Self {
        // SAFETY: as above; kernels without this helper drop the branch that it is in.
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// Start of the running process: see [`Task::start`].
    #[inline(always)]
    #[must_use]
    pub fn process_start() -> u32 {
        if current_is_typed() != 0 {
            Self::current_typed().leader::<Typed>().start::<Typed>()
        } else {
            Self::current().leader::<Probed>().start::<Probed>()
        }
    }

    /// Its address, which names it while it is there.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Its state, a mask.
    #[inline(always)]
    #[must_use]
    pub fn state<A: Access>(self) -> u32 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_state()) }
    }

    /// Whether the system call it is in was made in the 32-bit way.
    #[inline(always)]
    #[must_use]
    pub fn is_compat<A: Access>(self) -> bool {
        // SAFETY: as in `tid`.
        unsafe { A::read::<u32>(self.0, task_compat()) & compat_bit() != 0 }
    }

    /// Its registers in user space. Only of a typed task, and behind [`current_is_typed`].
    #[inline(always)]
    #[must_use]
    pub fn registers(self) -> Registers {
        // SAFETY: a task that a helper handed over. (5.15; where it is called, tracepoint programs can be preempted.)
        Registers(unsafe { bpf_task_pt_regs(self.0.cast_mut().cast()) } as *const u8)
    }

    /// Thread id; 0 is the idle task of any CPU.
    #[inline(always)]
    #[must_use]
    pub fn tid<A: Access>(self) -> u32 {
        // SAFETY: a task that a hook or a helper handed over.
        unsafe { A::read(self.0, task_pid()) }
    }

    /// Process id.
    #[inline(always)]
    #[must_use]
    pub fn tgid<A: Access>(self) -> u32 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_tgid()) }
    }

    /// When it started, in units of 2²⁰ ns: with its id that names one task, which the id alone does not.
    #[inline(always)]
    #[must_use]
    pub fn start<A: Access>(self) -> u32 {
        (self.start_ns::<A>() >> 20) as u32
    }

    /// `PF_*` flags.
    #[inline(always)]
    #[must_use]
    pub fn flags<A: Access>(self) -> u32 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_flags()) }
    }

    /// Whether it is a thread of the kernel's own.
    #[inline(always)]
    #[must_use]
    pub fn is_of_kernel<A: Access>(self) -> bool {
        const PF_KTHREAD: u32 = 0x0020_0000;
        self.flags::<A>() & PF_KTHREAD != 0
    }

    /// Nice value; real-time tasks have the one they would return to.
    #[inline(always)]
    #[must_use]
    pub fn nice<A: Access>(self) -> i32 {
        self.static_priority::<A>() as i32 - 120
    }

    /// Nice value plus 120, without a sign.
    #[inline(always)]
    #[must_use]
    pub fn static_priority<A: Access>(self) -> u32 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_static_prio()) }
    }

    /// `SCHED_*` policy.
    #[inline(always)]
    #[must_use]
    pub fn policy<A: Access>(self) -> u32 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_policy()) }
    }

    /// What it has waited for CPUs in all, nanoseconds. Advances when the task gets a CPU.
    #[inline(always)]
    #[must_use]
    pub fn run_delay<A: Access>(self) -> u64 {
        // SAFETY: as in `tid`.
        unsafe { A::read(self.0, task_run_delay()) }
    }

    /// Whether it sleeps but is kept in its run queue until its lag is gone. Only where [`task_sched_delayed`] is not 0.
    #[inline(always)]
    #[must_use]
    pub fn is_delayed<A: Access>(self) -> bool {
        // SAFETY: as in `tid`.
        unsafe { A::read::<u8>(self.0, task_sched_delayed()) != 0 }
    }

    /// Command name. Always a probe read: the verifier allows no direct load of an array.
    #[inline(always)]
    #[must_use]
    pub fn comm(self) -> [u8; 16] {
        // SAFETY: as in `tid`.
        unsafe { Probed::read(self.0, task_comm()) }
    }

    /// Its control groups.
    #[inline(always)]
    #[must_use]
    pub fn groups<A: Access>(self) -> Groups {
        // SAFETY: as in `tid`.
        Groups(unsafe { A::read(self.0, task_cgroups()) })
    }

    /// Id of its control group: see [`Groups::id`].
    #[inline(always)]
    #[must_use]
    pub fn cgroup<A: Access>(self) -> u64 {
        self.groups::<A>().id::<A>()
    }

    /// The open file behind a descriptor; null when there is none.
    #[inline(always)]
    #[must_use]
    pub fn file(self, descriptor: u32) -> File {
        // SAFETY: the current task's own table stays; a file that is closed meanwhile reads as something else or as zero.
        unsafe {
            let files: *const u8 = Probed::read(self.0, task_files());
            let table: *const u8 = Probed::read(files, files_fdt());
            let size: u32 = Probed::read(table, fdtable_max_fds());
            if descriptor >= size {
                return File(core::ptr::null());
            }
            let array: *const u8 = Probed::read(table, fdtable_fd());
            File(Probed::read(array.add(descriptor as usize * 8), 0))
        }
    }
}

/// A `css_set`: the control groups of a task, one for each hierarchy. Tasks in the same groups have the same.
#[derive(Clone, Copy)]
pub struct Groups(*const u8);

impl Groups {
    /// Its address, which names it while a task has it.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// Id of the control group: on v2 the only one, on v1 the one of the cpu controller.
    #[inline(always)]
    #[must_use]
    pub fn id<A: Access>(self) -> u64 {
        // SAFETY: every pointer on the way is valid while the task is; each read of a pointer array is a probe read, and so is
        // what follows it.
        unsafe {
            if cgroup_v1() != 0 {
                let controller: *const u8 = Probed::read(self.0, css_set_subsys() + 8 * cpu_controller());
                let group: *const u8 = Probed::read(controller, css_cgroup());
                let node: *const u8 = Probed::read(group, cgroup_kn());
                return Probed::read(node, kernfs_node_id());
            }
            let group: *const u8 = A::read(self.0, css_set_dfl_cgrp());
            let node: *const u8 = A::read(group, cgroup_kn());
            A::read(node, kernfs_node_id())
        }
    }
}

const REGULAR: u16 = 0o100_000;
const DIRECTORY: u16 = 0o040_000;
const BLOCK_DEVICE: u16 = 0o060_000;
const SOCKET: u16 = 0o140_000;

/// A `file`.
#[derive(Clone, Copy)]
pub struct File(*const u8);

impl File {
    /// Of a pointer to a `file`.
    #[inline(always)]
    #[must_use]
    pub fn new(file: *const u8) -> Self {
        Self(file)
    }

    /// Whether there is one.
    #[inline(always)]
    #[must_use]
    pub fn is_some(self) -> bool {
        !self.0.is_null()
    }

    /// Whether it is a socket. The verifier must know the file.
    #[inline(always)]
    #[must_use]
    pub fn is_socket(self) -> bool {
        self.kind::<Typed>() == SOCKET
    }

    /// Whether it is a regular file, a directory or a block device: nobody waits for one on purpose.
    #[inline(always)]
    #[must_use]
    pub fn is_storage(self) -> bool {
        let kind = self.kind::<Probed>();
        kind == REGULAR || kind == DIRECTORY || kind == BLOCK_DEVICE
    }

    /// `S_IFMT` part of its inode's mode; 0 for no file.
    #[inline(always)]
    fn kind<A: Access>(self) -> u16 {
        const TYPE: u16 = 0o170_000;
        // SAFETY: a file that a hook handed over, or probe reads of what the caller's file points to; a null file reads as zero.
        unsafe {
            let inode: *const u8 = A::read(self.0, file_inode());
            A::read::<u16>(inode, inode_mode()) & TYPE
        }
    }

    /// Device that its data is on, and whether it is that device's own node: `s_dev` of the file system, `i_rdev` of a block
    /// device. 0 for no file.
    #[inline(always)]
    #[must_use]
    pub fn device(self) -> (u32, bool) {
        // SAFETY: probe reads of what the caller's file points to; a null file reads as zero.
        unsafe {
            let inode: *const u8 = Probed::read(self.0, file_inode());
            if self.kind::<Probed>() == BLOCK_DEVICE {
                return (Probed::read(inode, inode_rdev()), true);
            }
            let super_block: *const u8 = Probed::read(inode, inode_sb());
            (Probed::read(super_block, super_block_dev()), false)
        }
    }
}

/// A `request` of the block layer, as tracepoints hand it over.
#[derive(Clone, Copy)]
pub struct Request(*const u8);

impl Request {
    /// Of a pointer to a `request`.
    #[inline(always)]
    #[must_use]
    pub fn new(request: *const u8) -> Self {
        Self(request)
    }

    /// Its address, which names it while it is in flight.
    #[inline(always)]
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// `REQ_OP_*`.
    #[inline(always)]
    #[must_use]
    pub fn operation(self) -> u32 {
        // SAFETY: a request that the hook handed over.
        unsafe { Typed::read::<u32>(self.0, request_cmd_flags()) & 0xff }
    }

    /// Bytes that are not complete.
    #[inline(always)]
    #[must_use]
    pub fn bytes(self) -> u32 {
        // SAFETY: as in `operation`.
        unsafe { Typed::read(self.0, request_data_len()) }
    }

    /// Major and first minor number of its disk; 0 for a request without one.
    #[inline(always)]
    #[must_use]
    pub fn disk(self) -> (u32, u32) {
        // SAFETY: as in `operation`; a null pointer on the way reads as zero.
        unsafe {
            if disk_of_queue() != 0 {
                let queue: *const u8 = Typed::read(self.0, request_queue());
                let disk: *const u8 = Typed::read(queue, queue_disk());
                (Typed::read(disk, disk_major()), Typed::read(disk, disk_first_minor()))
            } else {
                let disk: *const u8 = Typed::read(self.0, request_rq_disk());
                (Typed::read(disk, disk_major()), Typed::read(disk, disk_first_minor()))
            }
        }
    }
}

/// The `pt_regs` of a system call's caller.
#[derive(Clone, Copy)]
pub struct Registers(*const u8);

impl Registers {
    /// Of a pointer to `pt_regs`.
    #[inline(always)]
    #[must_use]
    pub fn new(registers: *const u8) -> Self {
        Self(registers)
    }

    /// The call's first argument.
    #[inline(always)]
    #[must_use]
    pub fn first_argument(self) -> u64 {
        // SAFETY: registers that the hook handed over.
        unsafe { Probed::read(self.0, regs_first_argument()) }
    }

    /// The first argument of a call that returns: some machines keep the result where it was.
    #[inline(always)]
    #[must_use]
    pub fn kept_argument(self) -> u64 {
        // SAFETY: as in `first_argument`.
        unsafe { Probed::read(self.0, regs_kept_argument()) }
    }

    /// The number of the call that returns.
    #[inline(always)]
    #[must_use]
    pub fn number<A: Access>(self) -> u64 {
        // SAFETY: as in `first_argument`. 32 bits: arm64 has no more of it, and no number needs more.
        unsafe { u64::from(A::read::<u32>(self.0, regs_number())) }
    }
}

/// The number at an address of the running program; 0 when it is not to be had.
#[inline(always)]
#[must_use]
pub fn user_number(address: u64) -> u64 {
    let mut value = 0_u64;
    // SAFETY: the helper writes eight bytes into `value`, zeroes on a fault.
    unsafe { bpf_probe_read_user((&raw mut value).cast(), 8, address as *const _) };
    value
}
