//! Does the steps of a plan, or prints them where they need root and there is none.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::facts::Llvm;
use super::plan::{Step, Way};
use super::{apt, tools};
use crate::command;
use crate::toolchain::{self, LINKER};

/// Takes the first way whose steps all succeed. A step that failed once is not tried again in a later way.
pub fn first_that_works(ways: &[Way], root: bool) -> Result<()> {
    let mut failed: Vec<&Step> = Vec::new();
    let mut last = None;
    for way in ways {
        if way.steps.iter().any(|step| failed.contains(&step)) {
            continue;
        }
        if !root && way.steps.iter().any(Step::needs_root) {
            let commands = by_hand(&way.steps)?;
            bail!("{} must be installed by root. Run these, then this again:\n{commands}", way.name);
        }
        match way.steps.iter().try_for_each(|step| take(step).map_err(|error| (step, error))) {
            Ok(()) => return Ok(()),
            Err((step, error)) => {
                eprintln!("xtask: {} does not work here: {error:#}", way.name);
                failed.push(step);
                last = Some(error);
            }
        }
    }
    Err(last.context("nothing to install")?).context("no way to install what is missing")
}

fn take(step: &Step) -> Result<()> {
    eprintln!("xtask: {step}");
    match step {
        Step::Rustup(kind, name) => command::run(Command::new("rustup").args([kind, "add", name])),
        Step::Packages(names) => apt::install(names),
        Step::Backport(suite) => apt::install_from(suite, tools::QEMU),
        Step::BuildLinker(llvm) => build_linker(llvm),
    }
}

/// The commands for somebody who has root, one a line.
fn by_hand(steps: &[Step]) -> Result<String> {
    let mut lines = Vec::new();
    for step in steps {
        match step {
            Step::Packages(names) => lines.extend(apt::by_hand(names)),
            Step::Backport(suite) => lines.extend(apt::by_hand_from(suite, tools::QEMU)?),
            _ => {}
        }
    }
    Ok(lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
}

/// Builds bpf-linker into the cache. Takes about a minute.
fn build_linker(llvm: &Llvm) -> Result<()> {
    let mut path = vec![llvm.prefix.join("bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "bpf-linker", "--version", LINKER, "--locked", "--no-default-features", "--features"]);
    cargo.arg(format!("llvm-{}", llvm.major)).arg("--root").arg(toolchain::linker_root()?);
    // Its own target directory: the workspace's is locked by whoever builds there.
    cargo.env_remove("CARGO_TARGET_DIR").env("PATH", env::join_paths(path)?).env("LLVM_PREFIX", &llvm.prefix);
    command::run(&mut cargo)
}
