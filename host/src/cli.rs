//! The command line: reads arguments and environment, runs one command, tells errors, and sets the exit code.

mod arguments;
mod check;
mod config;
mod doctor;
mod environment;
mod failure;
mod output;
mod precompile;
mod predict;
mod progress;
mod recording;
mod rules;
mod running;
mod version;
mod whole;
mod window;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use environment::Environment;
use failure::Failure;

use crate::judge;
use crate::platform::privileges::forbid_new_privileges;

/// Exit codes: part of the contract.
mod exit {
    /// The report was made.
    pub(super) const DONE: u8 = 0;
    /// Findings at or above the level that was asked about.
    pub(super) const FINDINGS: u8 = 1;
    /// Wrong usage or configuration.
    pub(super) const USAGE: u8 = 2;
    /// Too little was measured to say that the host is healthy.
    pub(super) const INSUFFICIENT_EVIDENCE: u8 = 3;
    /// kerno itself failed.
    pub(super) const FAILED: u8 = 4;
    /// A second Ctrl-C.
    pub(super) const INTERRUPTED: u8 = 130;
}

/// Runs kerno.
#[must_use]
pub fn main() -> ExitCode {
    match std::panic::catch_unwind(run) {
        Ok(Ok(code)) => code.into(),
        Ok(Err(failure)) => failure.tell().into(),
        Err(_) => exit::FAILED.into(),
    }
}

fn run() -> Result<u8, Failure> {
    if let Err(error) = forbid_new_privileges() {
        return Err(Failure::own(
            format!("no_new_privs cannot be set: {error}"),
            "run kerno without the filter that forbids prctl()",
        ));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return arguments::not_parsed(&error),
    };
    let environment = Environment::read()?;
    environment.log()?;
    match arguments.command {
        Command::Check(arguments) => check::run(&arguments, environment),
        Command::Config(command) => config::run(&command, &environment),
        Command::Doctor(arguments) => doctor::run(arguments, environment),
        Command::Judge => match judge::serve() {
            Ok(()) => Ok(exit::DONE),
            Err(error) => {
                Err(Failure::own(format!("it cannot go on judging: {error}"), "kerno itself starts this command: use another"))
            }
        },
        Command::PrecompileRules { directory } => precompile::run(&directory),
        Command::Predict(arguments) => predict::run(arguments, environment),
        Command::Rules(command) => rules::run(command, &environment),
        Command::Version => version::run(),
    }
}
