//! `cargo xtask test`: sets up, builds, runs every test, and counts.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::build::host;
use crate::counts::Counts;
use crate::setup::Guests;
use crate::{authoring, build, examples, lab, setup, strict, vm};

/// Which tests to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Leave out what boots kernels in guests; counted as skipped
    #[arg(long)]
    no_guests: bool,
    /// Arguments of `cargo test`, such as a test's name
    #[arg(value_name = "ARGS", allow_hyphen_values = true, trailing_var_arg = true)]
    cargo: Vec<OsString>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    setup::toolchain()?;
    let guests = !arguments.no_guests;
    if guests && let Guests::Unavailable(why) = setup::guests()? {
        println!("SKIPPED: no guests on this machine: {why}");
    }
    let built = build::all(false)?;
    let (mut total, in_guests) = native(&arguments.cargo)?;
    println!("\nexample rules");
    total.merge(counted(examples::run(&built.kerno)));
    println!("\na new rule");
    total.merge(counted(authoring::run(&built.kerno)));
    println!("\na rule in C");
    total.merge(counted(authoring::c::run(&built.kerno)));
    if guests {
        // Each of them is counted below, once for every kernel.
        total.skipped = total.skipped.saturating_sub(in_guests);
        println!("\nguest tests");
        total.merge(strict::judge("guest tests", counted(vm::run_default())));
        println!("\nfault lab");
        total.merge(strict::judge("scenarios", counted(lab::run_default())));
    } else {
        println!("\nSKIPPED: guest tests and fault lab, because of --no-guests");
        // The fault lab; cargo has counted the guest tests as ignored.
        total.merge(Counts { skipped: 1, ..Counts::default() });
        total = strict::judge("tests", total);
    }
    println!("\n{total}");
    Ok(strict::exit_code(&total))
}

/// A suite that could not run at all is one failure: the others still run.
fn counted(outcome: Result<Counts>) -> Counts {
    outcome.unwrap_or_else(|error| {
        println!("FAILED: {error:#}");
        Counts::failed(1, format!("{error:#}"))
    })
}

/// Runs `cargo test` over the workspace, its output passed on. The second number is of those skipped because they need a guest.
fn native(arguments: &[OsString]) -> Result<(Counts, usize)> {
    let mut cargo = host::cargo()?;
    cargo.args(["test", "--no-fail-fast"]).args(arguments).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot start cargo")?;
    let (mut counts, mut in_guests) = (Counts::default(), 0);
    let mut stdout = std::io::stdout();
    for line in BufReader::new(child.stdout.take().context("cargo has no output")?).split(b'\n') {
        let line = line.context("cannot read what cargo writes")?;
        stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).context("cannot write to standard output")?;
        let line = String::from_utf8_lossy(&line);
        counts.merge(results(&line));
        counts.failures.extend(failure(&line));
        in_guests += usize::from(needs_a_guest(&line));
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() && counts.failed == 0 {
        // A test that does not compile, or a test program that dies, has no line with results.
        counts.merge(Counts::failed(1, format!("cargo test ended with {status}")));
    }
    Ok((counts, in_guests))
}

/// The name of the test that the line says has failed.
fn failure(line: &str) -> Option<String> {
    Some(line.strip_prefix("test ")?.trim_end().strip_suffix(" ... FAILED")?.to_owned())
}

/// Whether the line tells of a test that is ignored because only a guest can run it.
fn needs_a_guest(line: &str) -> bool {
    line.starts_with("test ")
        && line.trim_end().split_once(" ... ignored, ").is_some_and(|(_, why)| why.starts_with("needs a guest"))
}

/// What a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …` counts; other lines count nothing.
fn results(line: &str) -> Counts {
    let mut counts = Counts::default();
    let Some((_, numbers)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else { return counts };
    for part in numbers.split("; ") {
        match part.split_once(' ').map(|(number, what)| (number.parse(), what)) {
            Some((Ok(number), "passed")) => counts.passed = number,
            Some((Ok(number), "failed")) => counts.failed = number,
            Some((Ok(number), "ignored")) => counts.skipped = number,
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_cargos_line() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.10s";
        assert_eq!(results(line), Counts { passed: 12, failed: 1, skipped: 2, failures: Vec::new() });
        assert_eq!(failure(line), None);
        assert_eq!(failure("test engine::loops ... FAILED").as_deref(), Some("engine::loops"));
        assert_eq!(failure("test engine::loops ... ok"), None);
    }

    #[test]
    fn tests_that_need_a_guest_are_told_from_others_that_are_ignored() {
        assert!(needs_a_guest("test sched::hogs ... ignored, needs a guest: cargo xtask vm"));
        for line in ["test a ... ignored", "test a ... ignored, takes an hour", "test needs a guest ... ok", "needs a guest"] {
            assert!(!needs_a_guest(line), "{line}");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["test engine::loops ... FAILED", "running 3 tests", "test result", "7 passed; 1 failed"] {
            assert_eq!(results(line), Counts::default(), "{line}");
        }
    }
}
