//! Composition root: one window from the first collector to the finished report, or from a recording to the same report.

mod check;
mod continuous;
mod host;
mod interrupt;
mod predict;
mod rights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kerno_signals::{Snapshot, Window};

pub use check::check;
pub use continuous::{Continuous, continuous};
pub use interrupt::{Interrupt, Wake};
pub use predict::{Predict, predict, predict_from};

use crate::artifacts;
use crate::bundle::{self, Policy};
use crate::collector::{self, Collectors, Progress};
use crate::engine::{self, Bench, Candidate, Described, Limits, LoadError, NoComponent, RuntimeError, Settings};
use crate::findings::{Objective, RuleReport};
use crate::judge::{Judge, JudgeError, Native};
use crate::platform::{self, clock::Clock, memory};
use crate::report::Report;

/// How often collectors are looked after and progress is told.
const TICK: Duration = Duration::from_secs(1);

/// A window that was interrupted sooner is none: in it everything is quiet. A little less than the shortest that can be asked for.
const SHORTEST: Duration = Duration::from_millis(950);

/// What to measure and how to judge it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of the window.
    pub duration: Duration,
    /// Whether eBPF may be used; without it collectors read `/proc`.
    pub ebpf: bool,
    /// What judges it.
    pub judging: Judging,
    /// Name to report instead of the host name.
    pub node_name: Option<String>,
    /// Cluster name to report.
    pub cluster: Option<String>,
    /// Whether what was measured is written to a file: the right to write wherever the one who started kerno may is kept until then.
    pub recording: bool,
}

/// What judges a window.
#[derive(Clone, Debug, Default)]
pub struct Judging {
    /// Directories with rules besides the built-in ones.
    pub rules: Vec<PathBuf>,
    /// What was set of rules.
    pub settings: Settings,
    /// What they may use.
    pub limits: Limits,
    /// Whose rules may be used.
    pub policy: Policy,
    /// Objectives that findings may burn.
    pub objectives: Vec<Objective>,
}

/// A moment of the window, for whoever shows progress.
#[derive(Debug)]
pub enum Moment<'a> {
    /// Programs are loaded, which takes a second or more.
    Starting,
    /// Collectors run; counts are those of the first moment.
    Started(&'a [Progress]),
    /// So much of the window has passed.
    Ticked(Duration, &'a [Progress]),
    /// The window is over, or one of several snapshots is taken: what it held, before any rule has seen it.
    Measured(&'a Snapshot),
    /// Rules judge.
    Judging,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nothing is known of the host.
    #[error("this host cannot be described")]
    Host(#[from] platform::Error),
    /// Rules cannot be asked what is too much.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The rules of a directory could not be listed.
    #[error(transparent)]
    Rules(#[from] LoadError),
    /// Rules cannot be run at all.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The snapshot could not be encoded.
    #[error("the snapshot cannot be encoded")]
    Encode(#[from] postcard::Error),
}

/// Measures one window and judges it. An interrupt ends the window early; what was collected until then is judged all the same.
///
/// # Errors
/// When rules cannot be listed or run at all. A rule or a collector that fails is part of the report.
pub fn doctor(
    options: &Options,
    clock: &dyn Clock,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(Moment<'_>),
) -> Result<Report, AgentError> {
    progress(Moment::Starting);
    // A window that cannot be judged need not be measured.
    let mut judge = Judge::start(options.judging.limits.clone())?;
    let snapshot = measure(options, clock, interrupt, progress)?;
    progress(Moment::Judging);
    rights::judging();
    // Not before the window has ended: compiling keeps CPUs busy, and others would be seen to wait for it.
    report(&mut judge, &snapshot, &options.judging)
}

/// Measures one window, and gives up what this thread needs no more for that.
fn measure(
    options: &Options,
    clock: &dyn Clock,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(Moment<'_>),
) -> Result<Snapshot, AgentError> {
    let mut collectors = Collectors::start(&collector::Options { ebpf: options.ebpf, ..collector::Options::default() });
    rights::measuring(options.recording);
    let host = host::Start::read(options)?;
    let (start_unix_ns, start_ns) = (clock.unix_ns(), clock.monotonic_ns());
    let passed = || Duration::from_nanos(clock.monotonic_ns().saturating_sub(start_ns));
    // Loading programs, and rules, takes much more than keeping them.
    memory::give_back();
    progress(Moment::Started(&collectors.tick()));

    let mut elapsed = Duration::ZERO;
    let mut next = TICK.min(options.duration);
    let mut interrupted = false;
    while elapsed < options.duration && !interrupted {
        interrupted = interrupt.wait(next.saturating_sub(elapsed)) == Wake::Interrupted;
        elapsed = passed();
        if elapsed >= next {
            progress(Moment::Ticked(elapsed, &collectors.tick()));
            next = (elapsed + TICK).min(options.duration);
        }
    }
    collectors.stop();
    let duration_ns = clock.monotonic_ns().saturating_sub(start_ns);
    let collected = collectors.finish();
    let collected = if elapsed < SHORTEST { collected.too_short() } else { collected };
    let snapshot = Snapshot {
        host: host.finish(options, duration_ns),
        window: Window { start_unix_ns, duration_ns, interrupted },
        collectors: collected.reports,
        families: collected.families,
        processes: collected.processes,
    };
    progress(Moment::Measured(&snapshot));
    Ok(snapshot)
}

/// Judges a window that was measured before, here or elsewhere: the same snapshot and the same rules give the same report.
///
/// # Errors
/// When rules cannot be listed or run at all.
pub fn replay(snapshot: &Snapshot, judging: &Judging) -> Result<Report, AgentError> {
    rights::judging();
    report(&mut Judge::start(judging.limits.clone())?, snapshot, judging)
}

/// Loads all rules and tells what they are.
///
/// # Errors
/// When rules cannot be listed or run at all.
pub fn rules(judging: &Judging) -> Result<Vec<Described>, AgentError> {
    rights::judging();
    Ok(load(judging)?.described().to_vec())
}

/// The same of these rules alone, beside the built-in ones.
///
/// # Errors
/// When rules cannot be run at all.
pub fn rules_beside(candidates: Vec<Candidate>, judging: &Judging) -> Result<Vec<Described>, AgentError> {
    rights::judging();
    let mut judge = Judge::start(judging.limits.clone())?;
    let all = built_in().into_iter().chain(candidates).collect();
    Ok(judge.load(all, judging.settings.clone(), BTreeMap::new())?.to_vec())
}

/// Gives up what is not needed to change directories of rules.
pub fn only_change_files() {
    rights::changing();
}

/// The component that a module which cargo built is to be.
///
/// # Errors
/// When rules cannot be run at all; or it is damaged, or no rule.
pub fn component_of(bytes: Vec<u8>, limits: &Limits) -> Result<Result<Vec<u8>, NoComponent>, AgentError> {
    rights::judging();
    Ok(Judge::start(limits.clone())?.component_of(bytes)?)
}

/// What each rule is, and what it says of a window that was measured before, untouched by triage.
///
/// # Errors
/// When rules cannot be listed or run at all.
pub fn rule_reports(snapshot: &Snapshot, judging: &Judging) -> Result<Vec<(Described, RuleReport)>, AgentError> {
    rights::judging();
    let mut judge = load(judging)?;
    let reports = judge.judge(&postcard::to_allocvec(snapshot)?)?;
    Ok(judge.described().iter().cloned().zip(reports).collect())
}

/// What those rules cost on a window that was measured before that are wanted, by id and file.
///
/// # Errors
/// When rules cannot be listed or run at all.
pub fn bench(
    snapshot: &Snapshot,
    judging: &Judging,
    is_wanted: &dyn Fn(&str, Option<&Path>) -> bool,
) -> Result<Vec<Bench>, AgentError> {
    rights::judging();
    // What is switched off costs as much.
    let settings = Settings { even_disabled: true, ..judging.settings.clone() };
    let mut judge = load(&Judging { settings, ..judging.clone() })?;
    let bytes = postcard::to_allocvec(snapshot)?;
    let is_wanted = |rule: &Described| is_wanted(&rule.id, rule.path.as_deref());
    let wanted: Vec<usize> = (0..).zip(judge.described()).filter(|(_, rule)| is_wanted(rule)).map(|(index, _)| index).collect();
    wanted.into_iter().map(|index| Ok(judge.bench(index, &bytes)?)).collect()
}

fn report(judge: &mut Judge, snapshot: &Snapshot, judging: &Judging) -> Result<Report, AgentError> {
    load_into(judge, judging)?;
    let mut report = Report::new(snapshot, judge.judge(&postcard::to_allocvec(snapshot)?)?);
    report.mark(&judging.objectives);
    Ok(report)
}

fn load(judging: &Judging) -> Result<Judge, AgentError> {
    let mut judge = Judge::start(judging.limits.clone())?;
    load_into(&mut judge, judging)?;
    Ok(judge)
}

/// Rules that are not used, and why not. Where only what is signed counts, a switch in a directory does not.
fn switched_off(judging: &Judging) -> BTreeMap<String, String> {
    let directories = if judging.policy.require_signature { &[] } else { judging.rules.as_slice() };
    engine::switched_off(directories, &judging.settings)
}

/// The built-in rules and those of the directories.
fn load_into(judge: &mut Judge, judging: &Judging) -> Result<(), AgentError> {
    let Judging { rules, settings, limits, policy, .. } = judging;
    // Nothing was accepted before: this process judges once.
    let found = bundle::find(rules, limits, policy, SystemTime::now(), &[])?.candidates;
    let mut all: Vec<Candidate> = built_in().into_iter().chain(found).collect();
    let (off, mut native) = (switched_off(judging), Native::awaited());
    // What is named stands for what a bundle has of its id, and is no fault of that.
    let is_named = all.iter().any(Candidate::is_named);
    while {
        let described = judge.load_with(all.clone(), settings.clone(), off.clone(), &mut native)?;
        !is_named && bundle::refuse_broken(&mut all, described)
    } {}
    Ok(())
}

fn built_in() -> Vec<Candidate> {
    artifacts::BUILT_IN_RULES.iter().map(|(id, component)| Candidate::built_in(id, *component)).collect()
}
