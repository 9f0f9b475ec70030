//! `cargo xtask setup`: finds out what is missing, says what it installs and why, installs it. Doing it twice changes nothing.

mod apt;
mod facts;
mod install;
mod plan;
pub mod tools;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use self::facts::Facts;
use self::plan::{Requirement, Way};
use crate::clang::{self, Clang};
use crate::toolchain::OLDEST;

/// What to set up.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only report what is needed and whether it is there; exit code 1 when something is missing
    #[arg(long)]
    check: bool,
}

/// Are the tools for guests there?
pub enum Guests {
    /// All of them.
    Ready,
    /// Not, and set-up cannot install them on this machine; why.
    Unavailable(String),
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.check {
        let requirements = plan::requirements(&Facts::gather()?);
        print!("{}", table(&requirements));
        return Ok(if requirements.iter().all(|requirement| requirement.present) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    toolchain()?;
    clang()?;
    if let Guests::Unavailable(why) = guests()? {
        println!("no guests on this machine: {why}");
    }
    println!("everything else is there: `cargo xtask doctor` builds kerno and runs it");
    Ok(ExitCode::SUCCESS)
}

/// Sets up what a build needs. Silent, and without root or network, when all of it is there.
pub fn toolchain() -> Result<()> {
    let facts = Facts::gather()?;
    if crate::toolchain::choose(&facts.compilers, &facts.linkers).is_some() {
        return Ok(());
    }
    let ways = plan::toolchain_ways(&facts);
    ensure!(!ways.is_empty(), "{}", no_way());
    eprintln!(
        "xtask: kernel programs and rules need a compiler for bpfel-unknown-none and wasm32-unknown-unknown, and bpf-linker"
    );
    install::first_that_works(&ways, facts.root)?;
    crate::toolchain::find()?;
    Ok(())
}

/// Sets up what rules in C need, and gives it. Silent, and without root or network, when it is there.
pub fn clang() -> Result<Clang> {
    if let Some(clang) = Clang::find() {
        return Ok(clang);
    }
    let facts = Facts::gather()?;
    let steps = plan::c_steps(&facts);
    ensure!(
        !steps.is_empty(),
        "rules in C need clang {} or newer with the target wasm32, and wasm-ld, and set-up knows Debian's packages only: install clang \
         and lld with this system's package manager, and run this again",
        clang::OLDEST
    );
    eprintln!("xtask: rules in C need clang and wasm-ld");
    install::first_that_works(&[Way { name: "Debian's packages", steps }], facts.root)?;
    Clang::find().context("the clang of this system has no target wasm32, or is too old: see `cargo xtask setup --check`")
}

/// Sets up what guests need.
pub fn guests() -> Result<Guests> {
    let facts = Facts::gather()?;
    let missing: Vec<_> = tools::GUESTS.iter().filter(|tool| !facts.has(tool)).collect();
    if missing.is_empty() {
        return Ok(Guests::Ready);
    }
    let names = missing.iter().map(|tool| tool.package).collect::<Vec<_>>().join(", ");
    if facts.debian.is_none() {
        let why =
            format!("{names} missing, and set-up knows Debian's packages only: install them with this system's package manager");
        return Ok(Guests::Unavailable(why));
    }
    eprintln!("xtask: tests boot real kernels in guests, which needs");
    for tool in missing {
        eprintln!("xtask:   {}: {}", tool.package, tool.purpose);
    }
    install::first_that_works(&[Way { name: "Debian's packages", steps: plan::guest_steps(&facts) }], facts.root)?;
    let facts = Facts::gather()?;
    Ok(match tools::GUESTS.iter().find(|tool| !facts.has(tool)) {
        None => Guests::Ready,
        // A release whose QEMU is too old, for one.
        Some(tool) => Guests::Unavailable(format!("this system's {} does not do: {}", tool.package, tool.purpose)),
    })
}

fn no_way() -> String {
    let (major, minor) = OLDEST;
    format!(
        "this machine has no compiler for kernel programs and rules, and none that set-up can install: \
         install rustup (https://rustup.rs) with a stable toolchain of {major}.{minor} or newer and the development files of an LLVM \
         as new as its own, and run this again"
    )
}

/// One line each: there or missing, what, for what, and how set-up would get it.
fn table(requirements: &[Requirement]) -> String {
    let width = requirements.iter().map(|requirement| requirement.name.len()).max().unwrap_or_default();
    let line = |requirement: &Requirement| {
        let state = if requirement.present { "present" } else { "missing" };
        let how = match (requirement.present, requirement.how.as_str()) {
            (true, _) => String::new(),
            (false, "") => " (by hand: set-up cannot install it here)".into(),
            (false, how) => format!(" (by `{how}`)"),
        };
        format!("{state}  {:width$}  {}{how}\n", requirement.name, requirement.purpose)
    };
    requirements.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_missing_and_how_it_is_had() {
        let requirement = |name: &str, present, how: &str| Requirement {
            name: name.into(),
            present,
            purpose: "a purpose".into(),
            how: how.into(),
        };
        let text = table(&[
            requirement("zstd", true, ""),
            requirement("kmod", false, "apt-get install kmod"),
            requirement("x", false, ""),
        ]);
        assert_eq!(
            text,
            "present  zstd  a purpose\n\
             missing  kmod  a purpose (by `apt-get install kmod`)\n\
             missing  x     a purpose (by hand: set-up cannot install it here)\n"
        );
    }
}
