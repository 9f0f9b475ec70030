//! Which hooks the programs are on: what this kernel has, what it loses nothing by, what it allows.

use super::{NAME, Partial};
use crate::collector::{
    context::{Context, StartError},
    hooks::are_preemptible,
    load_error::Explained,
    running::explained,
    tasks::Tasks,
};

/// How calls are seen.
pub enum How {
    /// By programs on typed tracepoints.
    Typed,
    /// By programs on perf events of tracepoints: on this kernel the others can be preempted, and lose events then.
    Perf,
    /// By programs on typed tracepoints although they can be preempted, for this reason.
    Preempted(Explained),
    /// By returns alone, without times, for this reason.
    Alone(Explained),
}

impl How {
    /// The program that sees calls begin.
    pub fn enter(&self) -> Option<&'static str> {
        match self {
            Self::Typed | Self::Preempted(_) => Some("sys_enter"),
            Self::Perf => Some("sys_enter_perf"),
            Self::Alone(_) => None,
        }
    }

    /// The program that sees calls return.
    pub fn exit(&self) -> &'static str {
        match self {
            Self::Typed | Self::Preempted(_) => "sys_exit",
            Self::Perf => "sys_exit_perf",
            Self::Alone(_) => "sys_exit_alone",
        }
    }

    /// Why part of the family is missing.
    pub fn partial(&self) -> Partial {
        match self {
            Self::Typed | Self::Perf => None,
            Self::Preempted(Explained { reason, fix }) => Some(Explained {
                reason: format!("calls are lost where programs can be preempted on this kernel, and {reason}"),
                fix: fix.clone(),
            }),
            Self::Alone(Explained { reason, fix }) => {
                Some(Explained { reason: format!("calls are counted but not timed: {reason}"), fix: fix.clone() })
            }
        }
    }
}

/// Attaches what this host allows.
///
/// # Errors
///
/// When it does not even allow calls to be counted.
pub fn attach(context: &Context, tasks: &mut Tasks) -> Result<How, StartError> {
    let preemptible = are_preemptible(&context.btf);
    // The long programs before any is attached: the verifier keeps a CPU busy, and others would be seen to wait for it.
    let loaded = if preemptible { load_perf(tasks) } else { load_typed(context, tasks) };
    let followed = tasks.follow(context);
    tasks.object.attach_for(NAME);
    let why = match followed {
        // Typed ones that are preempted skip the events of other tasks on that CPU meanwhile.
        Ok(()) if preemptible => match loaded.and_then(|()| perf(context, tasks)) {
            Ok(()) => return Ok(How::Perf),
            Err(error) => {
                let why = explained(&error);
                tasks.object.detach_those(is_of_calls);
                match load_typed(context, tasks).and_then(|()| typed(context, tasks)) {
                    Ok(()) => return Ok(How::Preempted(why)),
                    Err(error) => explained(&error),
                }
            }
        },
        Ok(()) => match loaded.and_then(|()| typed(context, tasks)) {
            Ok(()) => return Ok(How::Typed),
            Err(error) => explained(&error),
        },
        Err(error) => explained(&error),
    };
    tasks.object.detach_those(is_of_calls);
    tasks.object.attach_tracepoint(&context.kernel, "sys_exit_alone", "sys_exit")?;
    Ok(How::Alone(why))
}

fn is_of_calls(program: &str) -> bool {
    program.starts_with("sys_")
}

fn load_typed(context: &Context, tasks: &mut Tasks) -> Result<(), StartError> {
    Ok(tasks.object.go_on_with(&context.kernel, "OTHERWISE", "sys_exit_otherwise", "sys_exit")?)
}

fn load_perf(tasks: &mut Tasks) -> Result<(), StartError> {
    Ok(tasks.object.go_on_with_perf("OTHERWISE_PERF", "sys_exit_otherwise_perf")?)
}

/// Returns first: a call that is seen to begin must be seen to return. When nothing is to be seen, none is seen to begin.
fn typed(context: &Context, tasks: &mut Tasks) -> Result<(), StartError> {
    tasks.object.attach_tracepoint(&context.kernel, "sys_exit", "sys_exit")?;
    if !context.silenced(NAME) {
        tasks.object.attach_tracepoint(&context.kernel, "sys_enter", "sys_enter")?;
    }
    Ok(())
}

fn perf(context: &Context, tasks: &mut Tasks) -> Result<(), StartError> {
    tasks.object.attach_perf_tracepoint("sys_exit_perf", "raw_syscalls", "sys_exit")?;
    if !context.silenced(NAME) {
        tasks.object.attach_perf_tracepoint("sys_enter_perf", "raw_syscalls", "sys_enter")?;
    }
    Ok(())
}
