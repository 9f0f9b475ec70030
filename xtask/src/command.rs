//! Runs other programs: their output goes to standard error, so that standard output stays kerno's own.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Standard error as a place for a child's standard output.
pub fn to_stderr() -> Result<Stdio> {
    Ok(Stdio::from(io::stderr().as_fd().try_clone_to_owned().context("cannot duplicate standard error")?))
}

/// Runs the command with its output on standard error; fails unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(to_stderr()?).status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs the command and gives its standard output; its standard error goes through. Fails unless it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote something that is not UTF-8", line(command)))
}

/// What the command says on standard output, nothing when it cannot be started or fails: for questions about the machine.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The command as it would be typed.
pub fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
