//! Where things are: the workspace, the artifacts, what is kept between builds.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's root.
pub fn workspace() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Ok(manifest.parent().context("xtask is not inside a workspace")?.to_path_buf())
}

/// Where the eBPF objects (`ebpf/`) and rule components (`rules/`) are put for the host's build: `$KERNO_ARTIFACTS`, else
/// `target/kerno`. The host's `build.rs` follows the same rule.
pub fn artifacts() -> Result<PathBuf> {
    let workspace = workspace()?;
    Ok(match env::var_os("KERNO_ARTIFACTS") {
        Some(directory) if !directory.is_empty() => workspace.join(directory),
        _ => workspace.join("target/kerno"),
    })
}

/// cargo's target directory for kernel programs or rules. Each has its own, because their compiler can be another one than the
/// host's.
pub fn cross_target(what: &str) -> Result<PathBuf> {
    Ok(artifacts()?.join("build").join(what))
}

/// What outlives the tree: tools that were built, kernels that were fetched. `$XDG_CACHE_HOME/kerno`, else `~/.cache/kerno`.
pub fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(directory) if directory.is_absolute() => directory,
        _ => Path::new(&env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set: no place for a cache")?)
            .join(".cache"),
    };
    Ok(base.join("kerno"))
}
