//! The object that the sched and syscall collectors share: both follow tasks on and off the CPUs, with one program on
//! `sched_switch`. Either collector lives without the other.

use std::{cell::RefCell, rc::Rc, time::Duration};

use kerno_ebpf_common::{
    sched::{self, Cpu},
    syscall,
};

use super::{
    context::{Context, StartError},
    fields::{self, Field},
    hooks::are_preemptible,
    loader::{LoadError, Object},
    sched::NAME as SCHED,
    syscall::{NAME as SYSCALL, names},
};
use crate::artifacts;

/// The object's name.
const NAME: &str = "tasks";

/// Programs that follow tasks; the rest are the syscall collector's.
pub const FOLLOW: [&str; 2] = ["sched_switch", "sched_migrate_task"];

/// A sleep that certainly leaves the CPU: canaries take it.
pub const MOMENT: Duration = Duration::from_micros(50);

/// The object, held by both collectors.
pub type Shared = Rc<RefCell<Tasks>>;

/// The loaded object.
pub struct Tasks {
    /// It, for its maps and programs.
    pub object: Object,
    /// CPUs that can exist.
    pub cpus: u32,
    /// Copies of what CPUs share.
    pub shards: u32,
    /// Copies of the distributions of waits.
    pub wait_shards: u32,
    may_sleep_queued: bool,
    /// What this kernel lacks for tasks to be followed; or nothing.
    follow: Result<(), Field>,
    /// What it lacks for calls to be counted at all.
    calls: Result<(), Field>,
    following: bool,
}

impl Tasks {
    /// Creates its maps. Nothing is attached.
    ///
    /// # Errors
    ///
    /// When the object is not built in, or a map cannot be created.
    pub fn open(context: &Context) -> Result<Self, StartError> {
        let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
        let shards = context.shards(sched::MAX_SHARDS);
        let mut globals = context.cgroup_globals()?;
        let mut take = |fields: &[Field]| fields::resolve(&context.btf, fields).map(|found| globals.extend(found));
        let follow = take(fields::SCHED);
        let may_sleep_queued = take(fields::SCHED_DELAYED).is_ok();
        let state = take(fields::TASK_STATE).or_else(|_| take(fields::TASK_STATE_OLD));
        let calls = take(fields::CALL).and_then(|()| take(fields::CALL_FILE)).and(state);
        let compat = calls.is_ok() && !context.silenced(SYSCALL);
        // Waits are counted less often than calls: two CPUs share a copy.
        let wait_shards = (shards / 2).max(1);
        let preemptible = are_preemptible(&context.btf);
        globals.extend([
            ("WAIT_SHARDS", wait_shards),
            ("OWN_TGID", std::process::id()),
            ("SILENCED", u32::from(context.silenced(SCHED))),
            ("CALLS_SILENCED", u32::from(!compat)),
            ("ANY_SILENCED", u32::from(!compat || context.silenced(SCHED))),
            ("SHARDS", shards),
            // A program that can be preempted shares its CPU's copy with the next task's.
            ("SHARDS_ARE_SHARED", u32::from(shards < context.cpus || preemptible)),
            ("PREEMPTIBLE", u32::from(preemptible)),
            ("STATE_IS_ARGUMENT", u32::from(context.btf.tracepoint_arguments("sched_switch") >= Some(4))),
            ("CURRENT_IS_TYPED", u32::from(context.btf.has_function("bpf_get_current_task_btf"))),
            ("COMPAT_BIT", fields::COMPAT_BIT),
        ]);
        let sizes = [
            ("CPUS", context.cpus),
            ("TOTALS", context.cpus * sched::ROWS),
            ("HISTOGRAMS", wait_shards * sched::ROWS),
            ("MOVED_ASLEEP", if may_sleep_queued { sched::MOVED } else { 1 }),
            ("CALL_TOTALS", shards * syscall::ROWS),
            ("NUMBER_HIST", shards * syscall::HISTOGRAMS),
        ];
        context.kernel.table("CLASSES", names::CLASSES.as_slice());
        let mut object = Object::open(&context.kernel, NAME, bytes, &globals, &sizes)?;
        object.fill("FREE_ROWS", sched::OTHER + 1..sched::ROWS)?;
        Ok(Self { object, cpus: context.cpus, shards, wait_shards, may_sleep_queued, follow, calls, following: false })
    }

    /// Follows tasks on and off the CPUs, if that is not done yet.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn follow(&mut self, context: &Context) -> Result<(), StartError> {
        self.follow?;
        if !self.following {
            self.object.attach_for(SCHED);
            if self.may_sleep_queued {
                self.object.attach_tracepoint(&context.kernel, "sched_migrate_task", "sched_migrate_task")?;
            }
            self.object.go_on_with(&context.kernel, "OTHERWISE_SWITCH", "sched_switch_otherwise", "sched_switch")?;
            self.object.attach_tracepoint(&context.kernel, "sched_switch", "sched_switch")?;
            self.following = true;
        }
        Ok(())
    }

    /// What this kernel lacks for calls to be counted.
    pub fn calls(&self) -> Result<(), Field> {
        self.calls
    }

    /// Every CPU's entry.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn cpu_records(&self) -> Result<Vec<Cpu>, LoadError> {
        self.object.rows("CPUS", 0..self.cpus)
    }
}
