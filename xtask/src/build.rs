//! `cargo xtask build`: kernel programs, rules, and the host's binary with both embedded.

pub mod c;
pub mod host;
mod kernel;
pub mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{command, paths, toolchain};

/// What to build.
#[derive(clap::Args)]
pub struct Arguments {
    /// Have the host's build itself refuse an absent eBPF object or rule, as packages do
    #[arg(long)]
    require: bool,
}

/// What a build made.
pub struct Built {
    /// The `kerno` binary.
    pub kerno: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let built = all(arguments.require)?;
    println!("{}", built.kerno.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds everything: the artifacts, then the host's crates around them.
pub fn all(require: bool) -> Result<Built> {
    artifacts()?;
    let mut kerno = host::build(require)?;
    if precompile(&kerno)? {
        kerno = host::build(require)?;
    }
    Ok(Built { kerno })
}

/// Has a `kerno` that was just built compile its rules, whose runtime only it knows. True when there is something new, which it embeds
/// when it is built again.
pub fn precompile(kerno: &Path) -> Result<bool> {
    let said = command::output(Command::new(kerno).arg("precompile-rules").arg(paths::artifacts()?.join("native")))?;
    Ok(!said.starts_with("0 "))
}

/// Builds the kernel programs and the built-in rules into the artifact directory.
pub fn artifacts() -> Result<()> {
    let toolchain = toolchain::find()?;
    kernel::build(&toolchain)?;
    rules::build_in(&toolchain.compiler)
}

/// Writes a file unless it already has these bytes: an unchanged artifact must not rebuild the host.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let directory = path.parent().context("a file has a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    // Written beside and renamed, so that a build that is under way never sees half of it.
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    fs::write(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
