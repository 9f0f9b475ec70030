//! `cargo xtask`: sets up, builds, tests and measures kerno.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool: what it prints is its product")]

mod build;
mod command;
mod paths;
mod toolchain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, builds, tests and measures kerno.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the kernel programs, the built-in rules and the `kerno` binary
    Build(build::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Build(arguments) => build::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
