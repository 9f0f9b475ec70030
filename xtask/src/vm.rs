//! `cargo xtask vm`: tests of the kernel side, each in a fresh guest, on stock Debian kernels.

mod apt;
mod console;
mod cpio;
pub mod everywhere;
mod initramfs;
pub mod job;
pub mod kernel;
pub mod libtest;
pub mod matrix;
mod modules;
pub mod payload;
mod qemu;
pub mod requirements;
pub mod snapshot;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::counts::Counts;
use crate::{build, paths, strict};
use job::{Job, Outcome};
use snapshot::Snapshot;

pub use console::end as console_end;
pub use initramfs::which;

/// What to run where.
#[derive(clap::Args)]
pub struct Arguments {
    /// Kernel lines: 5.10, 6.1, 6.12, newest, or another that Debian or the cache has
    #[arg(long, value_name = "LINE,…", value_delimiter = ',', default_value = kernel::DEFAULT_LINES)]
    kernel: Vec<String>,
    /// Only tests whose name has one of these words in it
    #[arg(last = true, value_name = "TEST")]
    tests: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    kernel::ensure_known(&arguments.kernel)?;
    let lines: Vec<_> = arguments.kernel.iter().map(|line| (line.clone(), arguments.tests.clone())).collect();
    let counts = strict::judge("guest tests", run_all(&lines)?);
    println!("guest tests: {counts}");
    Ok(strict::exit_code(&counts))
}

/// Tests with this in their name measure.
const MEASUREMENT: &str = "measure_";

/// Runs what [`everywhere`] picks on every kernel line of the default set.
pub fn run_default() -> Result<Counts> {
    println!("what depends on the kernel, and one truth of each family; all there are: cargo xtask vm");
    let words = |line: &str| everywhere::WORDS.into_iter().chain((line == everywhere::WHOLE).then_some(everywhere::ONCE));
    let of = |line: &str| (line.to_owned(), words(line).map(str::to_owned).collect());
    run_all(&kernel::DEFAULT_LINES.split(',').map(of).collect::<Vec<_>>())
}

/// Runs the in-guest tests whose names contain one of the words of a kernel line on that; without words all but the measurements, which
/// give numbers and no verdict. Prints a line for each; skips, loudly, what this machine cannot run.
fn run_all(lines: &[(String, Vec<String>)]) -> Result<Counts> {
    build::artifacts()?;
    let mut built = libtest::build()?;
    if build::precompile(&built.kerno)? {
        built = libtest::build()?;
    }
    let libtest::Built { tests: binaries, kerno } = built;
    let mut tests = Vec::new();
    for binary in &binaries {
        tests.extend(libtest::list(binary)?.into_iter().map(|test| (binary.name.clone(), test)));
    }
    for word in lines.iter().flat_map(|(_, words)| words) {
        anyhow::ensure!(tests.iter().any(|(_, test)| test.contains(word)), "no in-guest test has `{word}` in its name");
    }
    let is_asked_for = |words: &[String], test: &str| match words {
        [] => !test.contains(MEASUREMENT),
        _ => words.iter().any(|word| test.contains(word.as_str())),
    };
    let of = |(line, words): &(String, Vec<String>)| {
        (line.clone(), tests.iter().filter(|(_, test)| is_asked_for(words, test)).cloned().collect::<Vec<_>>())
    };
    let jobs: Vec<_> = lines.iter().map(of).collect();
    if let Some(reason) = requirements::missing() {
        println!("SKIPPED: no guest can run here: {reason}");
        return Ok(Counts { skipped: jobs.iter().map(|(_, tests)| tests.len()).sum(), ..Counts::default() });
    }
    let directory = work_directory("vm")?;
    let mut programs: Vec<(String, PathBuf)> = binaries.into_iter().map(|binary| (binary.name, binary.path)).collect();
    programs.push(("kerno".into(), kerno));
    let payload = payload::write(&directory, &programs)?;
    let counts = matrix::each(&jobs, |snapshot: &Snapshot, (binary, test)| {
        let mut counts = Counts::default();
        let job = Job {
            name: &format!("{binary}-{}", test.replace("::", "-")),
            payload: &payload,
            script: &libtest::script(binary, test),
            guest_limit: Duration::from_secs(300),
            host_limit: Duration::from_secs(900),
        };
        let outcome = job::run(snapshot, &directory, &job)?;
        let problem = libtest::problem(&outcome);
        print(snapshot, test, &outcome, problem.as_deref());
        let failure = |problem| format!("{test} on {}: {problem}", snapshot.kernel.line);
        counts.count(problem.map_or(Ok(()), |problem| Err(failure(problem))));
        Ok(counts)
    });
    if counts.failed == 0 {
        let _ = fs::remove_dir_all(&directory);
    } else {
        println!("consoles and outputs: {}", directory.display());
    }
    Ok(counts)
}

fn print(snapshot: &Snapshot, test: &str, outcome: &Outcome, problem: Option<&str>) {
    let kernel = &snapshot.kernel;
    let word = if problem.is_none() { "ok" } else { "FAILED" };
    let mut text = format!("{:<7} {} {test} ... {word} ({:.1} s)", kernel.line, kernel.version, outcome.took.as_secs_f64());
    if let Some(problem) = problem {
        text.push_str(&format!(
            "\n  {problem}\n  output:\n{}  console:\n{}",
            console_end(&outcome.output),
            console_end(&outcome.console)
        ));
    }
    for note in libtest::notes(&outcome.output) {
        text.push_str(&format!("\n          {note}"));
    }
    println!("{text}");
}

/// A place for one run's disks, consoles and outputs.
pub fn work_directory(name: &str) -> Result<PathBuf> {
    let directory = paths::artifacts()?.join("guests").join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}
