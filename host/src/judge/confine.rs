//! The walls around the process that judges: whoever gets out of a rule's sandbox finds no file, no network, no other process.

use std::collections::BTreeMap;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getpid, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::engine::{Limits, RESERVED};
use crate::platform::privileges;

/// Memory that it may have, bytes: rules are small, but compiling a large one is not. What is only reserved does not count.
const fn memory(limits: &Limits) -> u64 {
    (512 << 20) + 64 * limits.module + limits.memory as u64
}

/// Addresses that it may have, bytes: those that instances reserve, this program, and its memory, whatever kind that is of.
const fn addresses(limits: &Limits) -> u64 {
    RESERVED + (512 << 20) + memory(limits)
}

/// Calls that computing, memory, time and the one open connection need. Everything else is refused.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Shuts this thread in, and those it starts from now on; the rest is [`seal`]'s. It dies with the process that started it.
///
/// # Errors
/// What the kernel says.
pub fn enclose(limits: &Limits) -> io::Result<()> {
    privileges::belong(c"kerno-judge");
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Nobody but root looks into it, and nothing of it is left on a disk.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Data, memory(limits))?;
    privileges::forbid_new_privileges()?;
    privileges::keep(&[])?;
    // Before 5.13, and where it is switched off, the filter of calls stands alone.
    let landlock = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match landlock {
        Ok(status) => tracing::debug!(?status.ruleset, "landlock"),
        Err(error) => tracing::debug!(%error, "landlock does not hold"),
    }
    Ok(())
}

/// The last wall, for all threads: no more than [`ALLOWED`] from now on, and no file or thread that is not there yet.
///
/// # Errors
/// What the kernel says.
pub fn seal(limits: &Limits) -> io::Result<()> {
    limit(Resource::As, addresses(limits))?;
    limit(Resource::Nofile, 0)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // An abort is a signal to itself; a limit is read, not set; and of a file it is asked whether it is open.
    let own = getpid().as_raw_nonzero().get();
    rules.insert(libc::SYS_tgkill, vec![only(&[(0, own as u64)])?]);
    rules.insert(libc::SYS_prlimit64, vec![only(&[(0, 0), (2, 0)])?]);
    rules.insert(libc::SYS_fcntl, vec![only(&[(1, libc::F_GETFD as u64)])?]);
    // Memory is its own.
    let private = SeccompCmpOp::MaskedEq(libc::MAP_SHARED as u64);
    rules.insert(libc::SYS_mmap, vec![rule(vec![condition(3, private, 0)])?]);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(io::Error::other)?;
    let program = BpfProgram::try_from(filter).map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
}

/// Only with these arguments.
fn only(arguments: &[(u8, u64)]) -> io::Result<SeccompRule> {
    rule(arguments.iter().map(|(argument, value)| condition(*argument, SeccompCmpOp::Eq, *value)).collect())
}

fn condition(argument: u8, compared: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, compared, value)
}

fn rule(conditions: Vec<Result<SeccompCondition, seccompiler::BackendError>>) -> io::Result<SeccompRule> {
    conditions.into_iter().collect::<Result<_, _>>().and_then(SeccompRule::new).map_err(io::Error::other)
}

/// Never more than there was.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let before = rustix::process::getrlimit(resource).maximum;
    let most = Some(before.map_or(most, |before| before.min(most)));
    Ok(setrlimit(resource, Rlimit { current: most, maximum: most })?)
}
