//! `cargo xtask doctor`: sets up, builds, and becomes `kerno doctor` on this host.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::{build, setup};

/// What `kerno doctor` is given.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    /// Arguments of `kerno doctor`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    kerno: Vec<OsString>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    setup::toolchain()?;
    let kerno = build::all(false)?.kerno;
    // In this process's place: signals, terminal and exit code are kerno's own.
    let error = Command::new(&kerno).arg("doctor").args(&arguments.kerno).env_remove("LD_LIBRARY_PATH").exec();
    Err(Error::new(error).context(format!("cannot run {}", kerno.display())))
}
