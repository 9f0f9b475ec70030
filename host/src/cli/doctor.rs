//! `kerno doctor`: resolves settings, measures one window or takes a recorded one, judges it, writes the report.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::{self, Color, Form};
use super::failure::chain;
use super::progress::Progress;
use super::recording::{self, Destination};
use super::{Environment, Failure, exit, output, window};
use crate::agent::{self, AgentError, Interrupt, Moment};
use crate::findings::{Severity, Verdict};
use crate::platform::clock::SystemClock;
use crate::report::{self, Report, Style};

/// Everything that was asked for, resolved.
struct Settings {
    agent: agent::Options,
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
    let settings = resolve(arguments, environment)?;
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
    recorded.map(|()| code)
}

/// The report of a recording, and whether it could be recorded anew.
fn replay(path: &Path, settings: &Settings) -> Result<(Report, Result<(), Failure>), Failure> {
    let snapshot = recording::read(path)?;
    let recorded = settings.record.as_ref().map_or(Ok(()), |destination| destination.write(&snapshot));
    let report = agent::replay(&snapshot, &settings.agent.rules).map_err(|error| failed(&error))?;
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
    Interrupt::listen(|| std::process::exit(exit::INTERRUPTED.into())).map_err(|error| {
        let help = match error.kind() {
            ErrorKind::WouldBlock => "raise the limit of threads (ulimit -u)",
            _ => "raise the limit of open files (ulimit -n)",
        };
        Failure::own(format!("signals cannot be received: {error}"), help)
    })
}

fn resolve(arguments: arguments::Doctor, environment: Environment) -> Result<Settings, Failure> {
    let duration: Duration = window::parse(&arguments.duration)?;
    for directory in &arguments.rules {
        std::fs::read_dir(directory).map_err(|error| {
            Failure::usage(
                format!("the rules directory {} cannot be read: {error}", directory.display()),
                "give --rules a directory that this user may read",
            )
        })?;
    }
    let record = arguments.record.as_deref().map(Destination::new).transpose()?;
    Ok(Settings {
        agent: agent::Options {
            duration,
            ebpf: environment.ebpf,
            rules: arguments.rules,
            node_name: environment.node_name,
            cluster: environment.cluster,
            recording: record.is_some(),
        },
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
        AgentError::Runtime(_) => Failure::own(what, "give it 1 GiB of address space for a few instances: raise `ulimit -v`"),
        AgentError::Judge(_) | AgentError::Encode(_) => {
            Failure::own(what, "run again with KERNO_LOG=debug and report what it prints")
        }
    }
}
