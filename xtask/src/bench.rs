//! `cargo xtask bench`: what kerno costs, measured in guests. Prints what missed its target, and fails on nothing.

mod table;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::counts::Counts;
use crate::vm::job::{self, Job};
use crate::vm::{self, kernel, libtest, matrix, payload, requirements};
use crate::{build, command, paths, rule, strict};
use table::Line;

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Programs, walks and memory beside libbpf-tools, in a guest of each kernel
    Kernel(KernelArguments),
    /// The built-in rules and a hundred of a user's own: judgements, reloads, memory
    Rules,
}

/// Where to measure.
#[derive(clap::Args)]
struct KernelArguments {
    /// Kernel lines: 5.10, 6.1, 6.12, newest, or another that Debian or the cache has
    #[arg(long, value_name = "LINE,…", value_delimiter = ',', default_value = kernel::DEFAULT_LINES)]
    kernel: Vec<String>,
    /// Writes the results to a file, as a list of {hook, workload, kerno, peer, ratio, target, kernel}
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The in-guest test that measures.
const TEST: &str = "bench::measure_bench_of_the_kernel_side";

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let arguments = match &arguments.what {
        What::Kernel(arguments) => arguments,
        What::Rules => return rules(),
    };
    let counts = strict::judge("benches", on_kernels(arguments)?);
    println!("benches: {counts}");
    Ok(strict::exit_code(&counts))
}

/// Runs the bench of rules on this machine with the rule that it makes copies of.
fn rules() -> Result<ExitCode> {
    build::artifacts()?;
    let into = paths::artifacts()?.join("benches");
    fs::create_dir_all(&into).with_context(|| format!("cannot make {}", into.display()))?;
    let rule = rule::build(&paths::workspace()?.join("host/benches/rules/top-of-family"), &into)?;
    let mut cargo = build::host::cargo()?;
    cargo.args(["bench", "--profile", "dev", "--bench", "many"]).env("KERNO_BENCH_RULE", rule);
    command::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}

fn on_kernels(arguments: &KernelArguments) -> Result<Counts> {
    kernel::ensure_known(&arguments.kernel)?;
    build::artifacts()?;
    let libtest::Built { tests, kerno } = libtest::build()?;
    let binary = tests.into_iter().find(|binary| binary.name == "kernel").context("no in-guest test program")?;
    if let Some(reason) = requirements::missing() {
        println!("SKIPPED: no guest can run here: {reason}");
        return Ok(Counts { skipped: arguments.kernel.len(), ..Counts::default() });
    }
    let directory = vm::work_directory("bench")?;
    let script = libtest::script(&binary.name, TEST);
    let mut programs = vec![(binary.name, binary.path), ("kerno".into(), kerno)];
    // Guests have the other peers; of this one nothing else makes use.
    programs.extend(vm::which("tcprtt").map(|path| ("tcprtt".into(), path)));
    let payload = payload::write(&directory, &programs)?;
    let all = Mutex::new(Vec::new());
    let counts = matrix::run(&arguments.kernel, 1, |snapshot| {
        let job = Job {
            name: "bench",
            payload: &payload,
            script: &script,
            guest_limit: Duration::from_secs(3_000),
            host_limit: Duration::from_secs(3_600),
        };
        let outcome = job::run(snapshot, &directory, &job)?;
        let mut counts = Counts::default();
        let problem = libtest::problem(&outcome);
        let failure = |problem| format!("{}: {problem}", snapshot.kernel.release);
        counts.count(problem.clone().map_or(Ok(()), |problem| Err(failure(problem))));
        let (lines, notes) = table::read(&outcome.output, &snapshot.kernel.release);
        println!("\nLinux {} ({:.0} s)\n{}", snapshot.kernel.release, outcome.took.as_secs_f64(), table::text(&lines));
        notes.iter().for_each(|note| println!("{note}"));
        if let Some(problem) = problem {
            println!("FAILED: {problem}\n{}{}", vm::console_end(&outcome.output), vm::console_end(&outcome.console));
        }
        all.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(lines);
        Ok(counts)
    });
    if let Some(file) = &arguments.json {
        let lines: Vec<Line> = all.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        fs::write(file, serde_json::to_string_pretty(&lines)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if counts.failed == 0 {
        let _ = fs::remove_dir_all(&directory);
    } else {
        println!("consoles and outputs: {}", directory.display());
    }
    Ok(counts)
}
