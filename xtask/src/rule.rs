//! `cargo xtask rule build`: one rule, a crate or a directory of C files, made into a component that `kerno doctor --rules DIR` loads.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::build::{c, host, rules, write_if_changed};
use crate::{setup, toolchain};

/// What to do with a rule.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Builds the rule and writes it as a component, NAME.wasm
    Build {
        /// The directory of the rule: a crate, or C files
        path: PathBuf,
        /// The directory to write the component to
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        output: PathBuf,
    },
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Action::Build { path, output } = &arguments.action;
    if is_a_crate(path) {
        setup::toolchain()?;
    }
    println!("{}", build(path, output)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the rule in the directory `path` and gives the path of its component in the directory `output`.
pub fn build(path: &Path, output: &Path) -> Result<PathBuf> {
    let directory = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
    let (name, component) = if is_a_crate(&directory) {
        of_a_crate(&directory)
    } else if !c::sources(&directory).is_empty() {
        of_c_files(&directory)
    } else {
        bail!("{} has neither a Cargo.toml nor C files", path.display())
    }
    .with_context(|| format!("{} did not build", path.display()))?;
    let file = output.join(format!("{name}.wasm"));
    write_if_changed(&file, &component)?;
    Ok(file)
}

fn is_a_crate(directory: &Path) -> bool {
    directory.join("Cargo.toml").is_file()
}

fn of_a_crate(directory: &Path) -> Result<(String, Vec<u8>)> {
    let mut cargo = toolchain::find()?.compiler.rules_cargo()?;
    // A rule outside this workspace does not have its profile.
    for setting in ["inherits='release'", "opt-level=2", "lto='fat'", "codegen-units=1", "panic='abort'", "strip=true"] {
        cargo.arg("--config").arg(format!("profile.rule.{setting}"));
    }
    let made = host::messages(cargo.arg("--manifest-path").arg(directory.join("Cargo.toml")))?;
    let rule = made.last().context("cargo made nothing")?;
    Ok((rule.package.clone(), rules::component(&rule.files)?))
}

fn of_c_files(directory: &Path) -> Result<(String, Vec<u8>)> {
    let name = directory.file_name().context("the directory of a rule has a name")?;
    Ok((name.to_string_lossy().into_owned(), c::build(directory, &setup::clang()?)?))
}
