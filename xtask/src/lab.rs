//! `cargo xtask lab`: real faults in guests, and whether `kerno doctor` names them. One file in `xtask/lab` is one scenario.

mod judge;
mod scenario;
mod script;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::counts::Counts;
use crate::vm::job::{self, Job, Outcome};
use crate::vm::payload::Payload;
use crate::vm::snapshot::Snapshot;
use crate::vm::{self, kernel, matrix, payload, requirements};
use crate::{build, paths, strict};
use scenario::Scenario;

/// What to run where.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios by name; all when none is given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Kernel lines: 5.10, 6.1, 6.12, newest, or another that Debian or the cache has
    #[arg(long, value_name = "LINE,…", value_delimiter = ',', default_value = kernel::DEFAULT_LINES)]
    kernel: Vec<String>,
    /// Writes the results to a file, as a list of {scenario, kernel, expected, got, pass}
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Uses this `kerno` instead of building one
    #[arg(long, value_name = "FILE")]
    kerno: Option<PathBuf>,
    /// Shows the report of every scenario, not only of those that fail
    #[arg(long)]
    reports: bool,
}

/// One scenario on one kernel.
#[derive(Serialize)]
struct Line {
    scenario: String,
    /// The exact release.
    kernel: String,
    expected: String,
    got: String,
    pass: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let counts = strict::judge("scenarios", run_all(arguments)?);
    println!("scenarios: {counts}");
    Ok(strict::exit_code(counts))
}

/// Runs every scenario on every kernel line of the default set.
pub fn run_default() -> Result<Counts> {
    let kernel = kernel::DEFAULT_LINES.split(',').map(str::to_owned).collect();
    run_all(&Arguments { scenario: Vec::new(), kernel, json: None, kerno: None, reports: false })
}

fn run_all(arguments: &Arguments) -> Result<Counts> {
    let scenarios = scenario::read_all(&paths::workspace()?.join("xtask/lab"), &arguments.scenario)?;
    kernel::ensure_known(&arguments.kernel)?;
    if let Some(reason) = requirements::missing() {
        println!("SKIPPED: no guest can run here: {reason}");
        return Ok(Counts { skipped: scenarios.len() * arguments.kernel.len(), ..Counts::default() });
    }
    let directory = vm::work_directory("lab")?;
    let kerno = match &arguments.kerno {
        Some(file) => file.clone(),
        None => build::all(false)?.kerno,
    };
    let payload = payload::write(&directory, &[("kerno".into(), kerno)])?;
    let lines = Mutex::new(Vec::new());
    let counts = matrix::run(&arguments.kernel, scenarios.len(), |snapshot| {
        let mut counts = Counts::default();
        for scenario in &scenarios {
            let line = one(snapshot, &directory, &payload, scenario, arguments.reports)?;
            counts.count(line.pass);
            lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(line);
        }
        Ok(counts)
    });
    let mut lines = lines.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    lines.sort_by(|a, b| (&a.scenario, &a.kernel).cmp(&(&b.scenario, &b.kernel)));
    print!("{}", table(&lines));
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&lines)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if counts.failed == 0 {
        let _ = fs::remove_dir_all(&directory);
    } else {
        println!("consoles and outputs: {}", directory.display());
    }
    Ok(counts)
}

fn one(snapshot: &Snapshot, directory: &Path, payload: &Payload, scenario: &Scenario, reports: bool) -> Result<Line> {
    let kernel = &snapshot.kernel;
    let job = Job {
        name: &scenario.name,
        payload,
        script: &script::write(scenario),
        guest_limit: scenario.window + scenario.settle + Duration::from_secs(300),
        host_limit: scenario.limit,
    };
    let outcome = job::run(snapshot, directory, &job)?;
    let (got, reasons) = verdict(&outcome, scenario);
    let pass = reasons.is_empty();
    let word = if pass { "ok" } else { "FAILED" };
    let seconds = outcome.took.as_secs_f64();
    let mut text = format!("{:<7} {} {} ... {word} ({seconds:.1} s)", kernel.line, kernel.version, scenario.name);
    if !pass {
        text.push_str(&format!("\n  {}: expected {}", scenario.title, judge::expected(&scenario.expect)));
    }
    for reason in &reasons {
        text.push_str(&format!("\n  {reason}"));
    }
    if !pass || reports {
        text.push_str(&format!("\n  what the guest printed:\n{}", outcome.output));
    }
    if !pass {
        text.push_str(&format!("\n  the console's end:\n{}", vm::console_end(&outcome.console)));
    }
    println!("{text}");
    let expected = judge::expected(&scenario.expect);
    Ok(Line { scenario: scenario.name.clone(), kernel: kernel.release.clone(), expected, got, pass })
}

/// What was got, and why it is not what was expected.
fn verdict(outcome: &Outcome, scenario: &Scenario) -> (String, Vec<String>) {
    if let Some(problem) = &outcome.problem {
        let said =
            outcome.output.lines().find_map(|line| line.strip_prefix("kerno-lab: the ").or(line.strip_prefix("kerno-lab: ")));
        let said = said.filter(|line| *line != "report").map(|line| format!(" ({line})")).unwrap_or_default();
        return (format!("{problem}{said}"), vec![format!("{problem}{said}")]);
    }
    let report = script::report(&outcome.output).and_then(|text| serde_json::from_str::<Value>(text).ok());
    match report {
        Some(report) => (judge::summary(&report), judge::judge(&report, &scenario.expect)),
        None => ("no report".into(), vec!["kerno doctor wrote no JSON report".into()]),
    }
}

fn table(lines: &[Line]) -> String {
    let width = |get: fn(&Line) -> &str, title: &str| {
        lines.iter().map(|line| get(line).chars().count()).chain([title.len()]).max().unwrap_or_default()
    };
    let (scenario, kernel) = (width(|line| &line.scenario, "scenario"), width(|line| &line.kernel, "kernel"));
    let expected = width(|line| &line.expected, "expected");
    let row =
        |a: &str, b: &str, c: &str, d: &str, e: &str| format!("{a:<scenario$}  {b:<kernel$}  {c:<4}  {d:<expected$}  {e}\n");
    let mut text = format!("\n{}", row("scenario", "kernel", "pass", "expected", "got"));
    for line in lines {
        text.push_str(&row(&line.scenario, &line.kernel, if line.pass { "yes" } else { "NO" }, &line.expected, &line.got));
    }
    text
}
