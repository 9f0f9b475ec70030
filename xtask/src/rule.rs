//! `cargo xtask rule build`: one rule's crate, made into a component that `kerno doctor --rules DIR` loads.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build::{host, rules, write_if_changed};
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
        /// The directory of the rule's crate
        path: PathBuf,
        /// The directory to write the component to
        #[arg(short, long, value_name = "DIR", default_value = ".")]
        output: PathBuf,
    },
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Action::Build { path, output } = &arguments.action;
    setup::toolchain()?;
    println!("{}", build(path, output)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the rule in the directory `path` and gives the path of its component in the directory `output`.
pub fn build(path: &Path, output: &Path) -> Result<PathBuf> {
    let manifest = path.join("Cargo.toml").canonicalize().with_context(|| format!("{} has no Cargo.toml", path.display()))?;
    let mut cargo = toolchain::find()?.compiler.rules_cargo()?;
    // A rule outside this workspace does not have its profile.
    for setting in ["inherits='release'", "opt-level=2", "lto='fat'", "codegen-units=1", "panic='abort'", "strip=true"] {
        cargo.arg("--config").arg(format!("profile.rule.{setting}"));
    }
    let made = host::messages(cargo.arg("--manifest-path").arg(&manifest))
        .with_context(|| format!("{} did not build", path.display()))?;
    let rule = made.last().with_context(|| format!("{} made nothing", path.display()))?;
    let component = rules::component(&rule.files).with_context(|| format!("rule {}", rule.package))?;
    let file = output.join(format!("{}.wasm", rule.package));
    write_if_changed(&file, &component)?;
    Ok(file)
}
