//! Builds the kernel programs: one object per binary of `ebpf/programs`.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::build::{host, write_if_changed};
use crate::paths;
use crate::toolchain::Toolchain;

/// Builds every object and puts it where the host's build looks for it.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    let mut cargo = toolchain.kernel_cargo()?;
    let made = host::messages(cargo.current_dir(paths::workspace()?).args(["--package", "kerno-ebpf"]))
        .context("the kernel programs did not build")?;
    let directory = paths::artifacts()?.join("ebpf");
    let mut count = 0;
    for program in made.into_iter().filter(|artifact| artifact.package == "kerno-ebpf") {
        // The package's library, which its programs share, is none.
        let Some(path) = program.executable else { continue };
        let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write_if_changed(&directory.join(format!("{}.bpf.o", program.name)), &object)?;
        count += 1;
    }
    ensure!(count > 0, "the package kerno-ebpf made no object");
    Ok(())
}
