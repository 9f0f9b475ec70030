//! `cargo xtask lab`: real faults in guests, and whether `kerno doctor` names them. One file in `xtask/lab` is one scenario.

mod judge;
mod line;
mod naive;
mod scenario;
mod script;
mod totals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::counts::Counts;
use crate::vm::job::{self, Job, Outcome};
use crate::vm::payload::{self, Payload};
use crate::vm::snapshot::Snapshot;
use crate::vm::{self, everywhere, kernel, matrix, requirements};
use crate::{build, paths, strict};
use judge::Judgement;
use line::{Came, Line};
use scenario::Scenario;
use totals::Totals;

/// What to run where.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios by name; all when none is given
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Kernel lines: 5.10, 6.1, 6.12, newest, or another that Debian or the cache has
    #[arg(long, value_name = "LINE,…", value_delimiter = ',', default_value = kernel::DEFAULT_LINES)]
    kernel: Vec<String>,
    /// Only the scenarios that `cargo xtask test` runs on each of several kernels
    #[arg(long)]
    smoke: bool,
    /// Does not measure with other tools beside kerno, and judges no naive thresholds
    #[arg(long)]
    no_naive: bool,
    /// Writes the results to a file, as a list of {scenario, kernel, expected, got, pass, …}
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes each window as a recording into a directory, as SCENARIO-KERNEL.json: `kerno doctor --replay` judges it again
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// Uses this `kerno` instead of building one
    #[arg(long, value_name = "FILE")]
    kerno: Option<PathBuf>,
    /// Shows the report of every scenario, not only of those that fail
    #[arg(long)]
    reports: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut scenarios = scenario::read_all(&directory()?, &arguments.scenario)?;
    scenarios.retain(|scenario| scenario.smoke || !arguments.smoke);
    kernel::ensure_known(&arguments.kernel)?;
    let lines: Vec<_> = arguments.kernel.iter().map(|line| (line.clone(), scenarios.clone())).collect();
    let counts = strict::judge("scenarios", run_all(arguments, &lines)?);
    println!("scenarios: {counts}");
    Ok(strict::exit_code(&counts))
}

/// Runs every scenario on one kernel line, and the smoke on the others of the default set.
pub fn run_default() -> Result<Counts> {
    let all = scenario::read_all(&directory()?, &[])?;
    let smoke: Vec<_> = all.iter().filter(|scenario| scenario.smoke).cloned().collect();
    let (number, few, line) = (all.len(), smoke.len(), everywhere::WHOLE);
    println!("{number} scenarios on {line}, {few} of them on the others; everything: cargo xtask lab");
    let of = |line: &str| (line.to_owned(), if line == everywhere::WHOLE { all.clone() } else { smoke.clone() });
    let lines: Vec<_> = kernel::DEFAULT_LINES.split(',').map(of).collect();
    let quick = Arguments {
        scenario: Vec::new(),
        kernel: Vec::new(),
        smoke: false,
        no_naive: true,
        json: None,
        recordings: None,
        kerno: None,
        reports: false,
    };
    run_all(&quick, &lines)
}

fn directory() -> Result<PathBuf> {
    Ok(paths::workspace()?.join("xtask/lab"))
}

fn run_all(arguments: &Arguments, lines: &[(String, Vec<Scenario>)]) -> Result<Counts> {
    if let Some(reason) = requirements::missing() {
        println!("SKIPPED: no guest can run here: {reason}");
        return Ok(Counts { skipped: lines.iter().map(|(_, scenarios)| scenarios.len()).sum(), ..Counts::default() });
    }
    let directory = vm::work_directory("lab")?;
    let kerno = match &arguments.kerno {
        Some(file) => file.clone(),
        None => build::all(false)?.kerno,
    };
    let mut programs = vec![("kerno".into(), kerno), ("loads".into(), build::host::program("kerno-loads")?)];
    // Guests have the other tools; of this one nothing else makes use.
    programs.extend(vm::which("ss").map(|path| ("ss".into(), path)));
    let payload = payload::write(&directory, &programs)?;
    if let Some(directory) = &arguments.recordings {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let results = Mutex::new((Vec::new(), Totals::default(), Totals::default()));
    let counts = matrix::each(lines, |snapshot, scenario| {
        let ran = Ran::one(snapshot, &directory, &payload, scenario, arguments)?;
        ran.print(arguments.reports);
        ran.keep(arguments.recordings.as_deref())?;
        let mut results = results.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (lines, kerno, naive) = &mut *results;
        let line = ran.add_to(kerno, naive);
        let counts = line.counts();
        lines.push(line);
        Ok(counts)
    });
    let (mut lines, kerno, naive) = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    lines.sort_by(|a, b| (&a.scenario, &a.kernel).cmp(&(&b.scenario, &b.kernel)));
    print!("{}{}", line::table(&lines), totals::table(&kerno, (!arguments.no_naive).then_some(&naive)));
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

/// One scenario that ran on one kernel, and what came of it.
struct Ran<'a> {
    scenario: &'a Scenario,
    snapshot: &'a Snapshot,
    outcome: Outcome,
    report: Option<Value>,
    got: String,
    judgement: Judgement,
    /// Why it did not do what it says.
    void: Option<String>,
}

impl<'a> Ran<'a> {
    fn one(
        snapshot: &'a Snapshot,
        directory: &Path,
        payload: &Payload,
        scenario: &'a Scenario,
        arguments: &Arguments,
    ) -> Result<Self> {
        let job = Job {
            name: &scenario.name,
            payload,
            script: &script::write(scenario, !arguments.no_naive, arguments.recordings.is_some()),
            guest_limit: scenario.window + scenario.settle + Duration::from_secs(300),
            host_limit: scenario.limit,
        };
        let outcome = job::run(snapshot, directory, &job)?;
        let report = script::part(&outcome.output, "report").and_then(|text| serde_json::from_str::<Value>(text).ok());
        let nothing = |why: &str| {
            let (faults, reasons) = (scenario.expect.finding.len(), vec![why.to_owned()]);
            Judgement { faults, reasons, ..Judgement::default() }
        };
        let (got, judgement) = match (&outcome.problem, &report) {
            (Some(problem), _) => {
                let problem = format!("{problem}{}", script::failure(&outcome.output));
                (problem.clone(), nothing(&problem))
            }
            (None, None) => ("no report".to_owned(), nothing("kerno doctor wrote no JSON report")),
            (None, Some(report)) => (judge::summary(report), judge::judge(report, &scenario.expect)),
        };
        // A guest that crashed proves nothing, and is not excused by what it could not prove.
        let void = script::void(&outcome.output).filter(|_| outcome.problem.is_none()).map(str::to_owned);
        Ok(Self { scenario, snapshot, outcome, report, got, judgement, void })
    }

    fn came(&self) -> Came {
        match (&self.void, self.judgement.reasons.is_empty()) {
            (Some(_), _) => Came::Void,
            (None, true) => Came::Passed,
            (None, false) => Came::Failed,
        }
    }

    fn print(&self, reports: bool) {
        let (kernel, scenario, outcome) = (&self.snapshot.kernel, self.scenario, &self.outcome);
        let word = match self.came() {
            Came::Passed => "ok",
            Came::Failed => "FAILED",
            Came::Void => "VOID",
        };
        let seconds = outcome.took.as_secs_f64();
        let mut text = format!("{:<7} {} {} ... {word} ({seconds:.1} s)", kernel.line, kernel.version, scenario.name);
        if let Some(why) = &self.void {
            text.push_str(&format!("\n  {} did not happen: {why}", scenario.title));
        } else if word == "FAILED" {
            text.push_str(&format!("\n  {}: expected {}", scenario.title, judge::expected(&scenario.expect)));
        }
        for reason in &self.judgement.reasons {
            text.push_str(&format!("\n  {reason}"));
        }
        if word != "ok" || reports {
            text.push_str(&format!("\n  what the guest printed:\n{}", script::without_recording(&outcome.output)));
        }
        if word == "FAILED" {
            text.push_str(&format!("\n  the console's end:\n{}", vm::console_end(&outcome.console)));
        }
        println!("{text}");
    }

    /// Writes the recording of its window, if it made one, into a directory.
    fn keep(&self, directory: Option<&Path>) -> Result<()> {
        let (Some(directory), Some(recording)) = (directory, script::part(&self.outcome.output, "recording")) else {
            return Ok(());
        };
        let file = directory.join(format!("{}-{}.json", self.scenario.name, self.snapshot.kernel.release));
        fs::write(&file, recording).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Adds it to the totals, unless it is void, and gives its line.
    fn add_to(&self, kerno: &mut Totals, naive: &mut Totals) -> Line {
        let expect = &self.scenario.expect;
        let told = self.report.as_ref().and_then(|report| report["window"]["duration_seconds"].as_f64());
        let seconds = told.unwrap_or(self.scenario.window.as_secs_f64());
        let alarms = naive::judge(&self.outcome.output, seconds);
        let came = self.came();
        // Without a report nothing healthy was watched, and a fault was missed.
        if came != Came::Void && (self.report.is_some() || !expect.is_healthy()) {
            kerno.add(&self.judgement, expect, seconds);
            if let Some(alarms) = &alarms {
                naive.add_naive(&naive::rules(alarms), expect, seconds);
            }
        }
        Line {
            scenario: self.scenario.name.clone(),
            kernel: self.snapshot.kernel.release.clone(),
            expected: judge::expected(expect),
            got: self.void.as_ref().map_or_else(|| self.got.clone(), |why| format!("void, {why}: {}", self.got)),
            pass: came == Came::Passed,
            came,
            healthy: expect.is_healthy(),
            seconds,
            faults: self.judgement.faults,
            found: self.judgement.found,
            right_entity: self.judgement.right_entity,
            rank: self.judgement.rank,
            wrong: self.judgement.wrong,
            naive: alarms.map(|alarms| alarms.iter().map(|alarm| format!("{} ({})", alarm.rule, alarm.what)).collect()),
        }
    }
}
