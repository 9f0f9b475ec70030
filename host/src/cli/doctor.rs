//! `kerno doctor`: resolves settings, measures one window or takes a recorded one, judges it, writes the report.

mod continuous;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{self, Color, Form};
use super::config::Config;
use super::failure::chain;
use super::progress::{self, Progress};
use super::recording::{self, Destination};
use super::running::Running;
use super::{Environment, Failure, exit, output, window};
use crate::agent::{self, AgentError, Interrupt, Moment};
use crate::findings::{BUILT_IN_SOURCE, RuleStatus, Severity, Verdict};
use crate::judge::JudgeError;
use crate::platform::clock::SystemClock;
use crate::report::{self, Report, Style};

/// Everything that was asked for, resolved.
struct Settings {
    agent: agent::Options,
    config: Config,
    record: Option<Destination>,
    replay: Option<PathBuf>,
    form: Form,
    style: Style,
    quiet: bool,
    only_critical: bool,
    exit_code: bool,
    fail_on: Option<Severity>,
}

pub(super) fn run(arguments: arguments::Doctor, environment: Environment) -> Result<u8, Failure> {
    let interval = arguments.continuous.then(|| arguments.interval.clone());
    let runtime = environment.runtime.clone();
    let settings = resolve(arguments, environment)?;
    if let Some(interval) = interval {
        let interval = continuous::interval(interval.as_deref(), settings.agent.duration)?;
        return continuous::run(&settings, interval, &mut Running::new(runtime.as_deref(), interval));
    }
    let (mut report, recorded) = match &settings.replay {
        Some(path) => replay(path, &settings)?,
        None => measure(&settings)?,
    };
    let code = code(&report, &settings);
    if settings.only_critical {
        report.only_critical();
    }
    output::write(&text(&report, &settings)?)?;
    // A report that was made is told first.
    recorded?;
    let ids: Vec<&str> = report.rules.iter().map(|rule| rule.id.as_str()).collect();
    let all_loaded = report.rules.iter().all(|rule| rule.status != RuleStatus::Failed || rule.source == BUILT_IN_SOURCE);
    settings.config.check_ids(&ids, all_loaded)?;
    let own = report.rules.iter().filter(|rule| rule.source != BUILT_IN_SOURCE);
    settings.config.check_replaces(&own.map(|rule| rule.id.as_str()).collect::<Vec<_>>(), all_loaded)?;
    Ok(code)
}

/// The report of a recording, and whether it could be recorded anew.
fn replay(path: &Path, settings: &Settings) -> Result<(Report, Result<(), Failure>), Failure> {
    let snapshot = recording::read(path)?;
    let recorded = settings.record.as_ref().map_or(Ok(()), |destination| destination.write(&snapshot));
    let report = agent::replay(&snapshot, &settings.agent.judging).map_err(|error| failed(&error))?;
    Ok((report, recorded))
}

/// The report of a window, and whether it could be recorded.
fn measure(settings: &Settings) -> Result<(Report, Result<(), Failure>), Failure> {
    let mut progress = Progress::new(settings.quiet, settings.agent.duration);
    let interrupt = interrupt()?;
    let mut recorded = Ok(());
    let mut tell = |moment: Moment<'_>| {
        if let (Moment::Measured(snapshot), Some(destination)) = (&moment, &settings.record) {
            recorded = destination.write(snapshot);
        }
        progress.tell(&moment);
    };
    let report = agent::doctor(&settings.agent, &SystemClock, &interrupt, &mut tell).map_err(|error| failed(&error))?;
    Ok((report, recorded))
}

/// Listens for Ctrl-C; the second one quits.
pub(super) fn interrupt() -> Result<Interrupt, Failure> {
    let quit = || {
        progress::leave();
        std::process::exit(exit::INTERRUPTED.into());
    };
    Interrupt::listen(quit).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::WouldBlock => "raise the limit of threads (ulimit -u)",
            _ => "raise the limit of open files (ulimit -n)",
        };
        Failure::own(format!("signals cannot be received: {error}"), help)
    })
}

fn resolve(arguments: arguments::Doctor, environment: Environment) -> Result<Settings, Failure> {
    let flag = arguments.duration.as_deref().map(window::parse).transpose()?;
    // What lies on this machine has no say in the report of a recording.
    let config = match (&arguments.replay, &arguments.config) {
        (Some(_), None) => Config::default(),
        (Some(_), named) => Config::load_alone(named.as_deref(), !arguments.rules.is_empty(), &environment)?,
        (None, named) => Config::load(named.as_deref(), !arguments.rules.is_empty(), &environment)?,
    };
    let duration: Duration = flag.or(config.settings.duration.map(|(duration, _)| duration)).unwrap_or(window::DEFAULT);
    let rules = rules(arguments.rules, "--rules", &config)?;
    let record = arguments.record.as_deref().map(Destination::new).transpose()?;
    Ok(Settings {
        agent: agent::Options {
            duration,
            ebpf: environment.ebpf,
            judging: config.judging(rules),
            node_name: environment.node_name,
            cluster: environment.cluster,
            recording: record.is_some(),
        },
        config,
        record,
        replay: arguments.replay,
        form: arguments.output,
        style: style(arguments.color),
        quiet: arguments.quiet,
        only_critical: arguments.only_critical,
        exit_code: arguments.exit_code,
        fail_on: arguments.fail_on.map(Severity::from),
    })
}

/// Directories of rules, those of the command line before those of the configuration: all of them can be read.
pub(super) fn rules(given: Vec<PathBuf>, flag: &str, config: &Config) -> Result<Vec<PathBuf>, Failure> {
    let named: Vec<(PathBuf, String, &str)> = if !given.is_empty() {
        given.into_iter().map(|path| (path, String::new(), flag)).collect()
    } else if config.settings.dirs.is_empty() {
        config.directories().into_iter().map(|path| (path, String::new(), flag)).collect()
    } else {
        let of_file =
            |(path, line): &(PathBuf, usize)| (path.clone(), format!("{}: rules.dirs: ", config.at(*line)), "rules.dirs");
        config.settings.dirs.iter().map(of_file).collect()
    };
    for (path, place, key) in &named {
        std::fs::read_dir(path).map_err(|error| {
            Failure::usage(
                format!("{place}the rules directory {} cannot be read: {error}", path.display()),
                format!("give {key} a directory that this user may read"),
            )
        })?;
    }
    // However it is written, a directory is read once.
    let mut known = BTreeSet::new();
    let is_new = |path: &PathBuf| known.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()));
    Ok(named.into_iter().map(|(path, ..)| path).filter(is_new).collect())
}

/// How to draw on standard output.
pub(super) fn style(color: Color) -> Style {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => output::color_on_stdout(),
    };
    match output::columns() {
        Some(columns) => Style::terminal(columns, color),
        None => Style::file(color),
    }
}

fn text(report: &Report, settings: &Settings) -> Result<String, Failure> {
    Ok(match settings.form {
        Form::Pretty => report::pretty(report, &settings.style),
        Form::Plain => report::pretty(report, &settings.style.plain()),
        Form::Markdown => report::markdown(report),
        Form::Json => report::json(report)
            .map_err(|error| Failure::own(format!("the report cannot be written as JSON: {error}"), "use --output pretty"))?,
    })
}

fn code(report: &Report, settings: &Settings) -> u8 {
    let level = settings.fail_on.or(settings.exit_code.then_some(Severity::Critical));
    if level.is_some_and(|level| report.at_least(level) > 0) {
        exit::FINDINGS
    } else if settings.exit_code && report.verdict == Verdict::InsufficientEvidence {
        exit::INSUFFICIENT_EVIDENCE
    } else {
        exit::DONE
    }
}

pub(super) fn failed(error: &AgentError) -> Failure {
    let what = chain(error);
    match error {
        AgentError::Rules(_) => Failure::usage(what, "give --rules a directory that this user may read"),
        AgentError::Host(_) => Failure::own(what, "mount /proc and /sys where kerno runs"),
        AgentError::Runtime(_) | AgentError::Judge(JudgeError::Runtime(_)) => {
            Failure::own(what, "give it 1 GiB of address space for a few instances: raise `ulimit -v`")
        }
        AgentError::Judge(JudgeError::Threads(_)) => Failure::own(what, "let kerno start one more thread"),
        AgentError::Judge(JudgeError::Start(error)) => Failure::own(
            what,
            match error.kind() {
                _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    "raise the limit of open files (ulimit -n)"
                }
                ErrorKind::WouldBlock => "let kerno start one more process: raise `ulimit -u`, or TasksMax= in the unit",
                _ => "run it where /proc is mounted and where it may start its own program",
            },
        ),
        AgentError::Judge(JudgeError::Walls(_)) => {
            Failure::own(what, "run it where a process may give up rights and have its calls filtered (seccomp)")
        }
        AgentError::Judge(JudgeError::Ended(_)) => {
            Failure::own(what, "see in the kernel's log whether it was killed for lack of memory, make room, and run kerno again")
        }
        AgentError::Judge(_) | AgentError::Encode(_) => {
            Failure::own(what, "run again with KERNO_LOG=debug and report what it prints")
        }
    }
}
