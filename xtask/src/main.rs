//! `cargo xtask`: sets up, builds, tests and measures kerno.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool: what it prints is its product")]

mod authoring;
mod bench;
mod build;
mod clang;
mod command;
mod counts;
mod doctor;
mod examples;
mod lab;
mod paths;
mod rule;
mod setup;
mod strict;
mod test;
mod toolchain;
mod vm;

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
    /// Installs what a build or a test needs and this machine lacks, saying what and why
    Setup(setup::Arguments),
    /// Builds the kernel programs, the built-in rules and the `kerno` binary
    Build(build::Arguments),
    /// Sets up, builds, and runs `kerno doctor` on this host
    Doctor(doctor::Arguments),
    /// Sets up, builds, and runs every test
    Test(test::Arguments),
    /// Works on one rule
    Rule(rule::Arguments),
    /// Runs the in-guest tests on stock Debian kernels
    Vm(vm::Arguments),
    /// Runs the fault scenarios on stock Debian kernels
    Lab(lab::Arguments),
    /// Measures what kerno costs beside the usual tools
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup(arguments) => setup::run(&arguments),
        Task::Build(arguments) => build::run(&arguments),
        Task::Doctor(arguments) => doctor::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Rule(arguments) => rule::run(&arguments),
        Task::Vm(arguments) => vm::run(&arguments),
        Task::Lab(arguments) => lab::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
