//! In-guest tests: the test programs named `kernel…`, listed on the host, run one by one in guests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::job::Outcome;
use crate::{command, paths};

/// A test program.
pub struct Binary {
    pub name: String,
    pub path: PathBuf,
}

/// What guests bring: the test programs, and the `kerno` that was built with them.
pub struct Built {
    pub tests: Vec<Binary>,
    pub kerno: PathBuf,
}

/// Builds the test programs and `kerno`, in one go: tests have dependencies of their own, and a build without them would compile
/// all that they share once more.
pub fn build() -> Result<Built> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["test", "--quiet", "--no-run", "--message-format=json-render-diagnostics", "--test", "kernel*"]);
    let text = command::output(build.current_dir(paths::workspace()?))?;
    let of = |kind: &'static str| text.lines().filter_map(move |line| binary(line, kind));
    let tests: Vec<Binary> = of("test").collect();
    anyhow::ensure!(!tests.is_empty(), "cargo built no in-guest test program");
    let kerno = of("bin").find(|program| program.name == "kerno").context("cargo built no `kerno` beside its tests")?;
    Ok(Built { tests, kerno: kerno.path })
}

/// The program of this kind in one of cargo's messages.
fn binary(line: &str, kind: &str) -> Option<Binary> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_it = message["target"]["kind"].as_array()?.iter().any(|found| found == kind);
    let path = message["executable"].as_str().filter(|_| is_it)?;
    Some(Binary { name: message["target"]["name"].as_str()?.to_owned(), path: PathBuf::from(path) })
}

/// Names of all tests, those that are ignored outside guests included.
pub fn list(binary: &Binary) -> Result<Vec<String>> {
    let text = command::output(Command::new(&binary.path).args(["--list", "--format", "terse"]))?;
    let names: Vec<String> = text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
    anyhow::ensure!(!names.is_empty(), "{} has no tests", binary.name);
    Ok(names)
}

/// What a guest runs for one test.
pub fn script(binary: &str, test: &str) -> String {
    format!(
        "export KERNO_GUEST=1 KERNO_BIN=/job/kerno RUST_BACKTRACE=1\n/job/{binary} --exact '{test}' --include-ignored --nocapture\n"
    )
}

/// Why the test did not pass.
pub fn problem(outcome: &Outcome) -> Option<String> {
    outcome.problem.clone().or_else(|| {
        let passed = passed(&outcome.output);
        (passed != Some(1)).then(|| "the test did not run".to_owned())
    })
}

/// How many tests passed, by the summary's line.
fn passed(output: &str) -> Option<usize> {
    let summary = output.lines().rev().find_map(|line| line.strip_prefix("test result: ok. "))?;
    summary.split(" passed").next()?.parse().ok()
}

/// The lines by which a test tells what it measured.
pub fn notes(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter_map(|line| line.strip_prefix("measured: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_ran_and_passed_counts() {
        assert_eq!(passed("test a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n"), Some(1));
        assert_eq!(passed("test result: ok. 0 passed; 0 failed; 1 ignored\n"), Some(0));
        assert_eq!(passed("test result: FAILED. 0 passed; 1 failed;\n"), None);
        assert_eq!(passed(""), None);
    }

    #[test]
    fn test_programs_are_told_from_others_in_cargos_messages() {
        let test = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"kernel"},"executable":"/t/kernel-1"}"#;
        assert_eq!(binary(test, "test").unwrap().path, PathBuf::from("/t/kernel-1"));
        let bin = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"kerno"},"executable":"/t/kerno"}"#;
        assert!(binary(bin, "test").is_none());
        assert!(binary(r#"{"reason":"build-finished","success":true}"#, "test").is_none());
    }
}
