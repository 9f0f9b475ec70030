//! Loads the oom object and attaches its programs.

use kerno_ebpf_common::oom::Case;

use super::NAME;
use crate::{
    artifacts,
    collector::{
        context::{Context, StartError},
        fields::{self, Field},
        loader::{LoadError, Object},
    },
};

/// The object, and why whose memory was short is not known.
pub fn attach(context: &Context, memory_v1: bool) -> Result<(Object, Option<LoadError>), StartError> {
    let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
    let mut globals = context.globals(fields::OOM)?;
    globals.extend(context.globals(fields::CGROUP_V1)?);
    globals.extend(context.globals(fields::CGROUP_V2)?);
    globals.extend(context.cgroup_globals()?);
    globals.extend(context.globals(fields::NODE_PARENT).or_else(|_| context.globals(fields::NODE_PARENT_RCU))?);
    globals.extend(resident(context)?);
    globals.extend(memory_controller(context, memory_v1)?);
    globals.extend(context.common_globals(NAME));
    // Told, because the loader would remember the size of another object's map of this name.
    let mut object = Object::open(&context.kernel, NAME, bytes, &globals, &[("COUNTERS", 1)])?;
    let no_case = attach_case(context, &mut object).err();
    // Before 6.9 and its backports the tracepoint tells a pid only.
    if context.btf.tracepoint_arguments("mark_victim") == Some(2) {
        object.attach_tracepoint(&context.kernel, "mark_victim", "mark_victim")?;
    } else {
        object.attach_entry(&context.kernel, "mark_oom_victim", "mark_oom_victim")?;
    }
    Ok((object, no_case))
}

/// Whose memory is short is known at the entry of these functions alone.
fn attach_case(context: &Context, object: &mut Object) -> Result<(), LoadError> {
    object.attach_exit(&context.kernel, "oom_kill_process_exit", "oom_kill_process")?;
    object.attach_entry(&context.kernel, "oom_kill_victim", "__oom_kill_process")?;
    object.attach_entry(&context.kernel, "oom_kill_process", "oom_kill_process")?;
    object.set("CASE", 0, Case { told: 1, ..Case::default() })
}

/// Where a task's resident pages are: since 6.2 (f1a7941243c1) in one `percpu_counter` for each kind.
fn resident(context: &Context) -> Result<[(&'static str, u32); 2], StartError> {
    const PLAIN: &str = "rss_stat.count";
    const COUNTERS: Field = Field { global: "MM_RSS", structure: "mm_struct", path: "rss_stat" };
    const COUNT: Field = Field { global: "MM_RSS", structure: "percpu_counter", path: "count" };
    let btf = &context.btf;
    let (first, stride) = match btf.offset(COUNTERS.structure, PLAIN) {
        Some(first) => (first, 8),
        None => {
            let counters = btf.offset(COUNTERS.structure, COUNTERS.path).ok_or(COUNTERS)?;
            let count = btf.offset(COUNT.structure, COUNT.path).ok_or(COUNT)?;
            (counters + count, btf.size(COUNT.structure).ok_or(COUNT)?)
        }
    };
    Ok([("MM_RSS", first), ("MM_RSS_STRIDE", stride)])
}

fn memory_controller(context: &Context, memory_v1: bool) -> Result<[(&'static str, u32); 2], StartError> {
    const INDEX: Field = Field { global: "MEMORY_CONTROLLER", structure: "cgroup_subsys_id", path: "memory_cgrp_id" };
    let index = context.btf.enum_value(INDEX.structure, INDEX.path).ok_or(INDEX)?;
    Ok([("MEMORY_V1", u32::from(memory_v1)), (INDEX.global, index)])
}
