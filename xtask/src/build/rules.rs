//! Builds rules: a crate for wasm32-unknown-unknown, made into a component.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

use crate::build::{host, write_if_changed};
use crate::paths;
use crate::toolchain::Compiler;

/// The largest a built-in rule may be, in bytes: twelve of them are loaded on every node.
const LARGEST_BUILT_IN: usize = 64 * 1024;

/// Builds every crate of `rules-builtin` and puts the components where the host's build looks for them.
pub fn build_in(compiler: &Compiler) -> Result<()> {
    let source = paths::workspace()?.join("rules-builtin");
    let mut ids = Vec::new();
    for entry in fs::read_dir(&source).with_context(|| format!("cannot list {}", source.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            ids.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let packages: Vec<_> = ids.iter().map(|id| format!("kerno-rule-{id}")).collect();
    let mut cargo = compiler.rules_cargo()?;
    cargo.current_dir(paths::workspace()?).args(packages.iter().flat_map(|package| ["--package", package]));
    let made = host::messages(&mut cargo).context("the built-in rules did not build")?;
    for (id, package) in ids.iter().zip(&packages) {
        let artifact =
            made.iter().find(|artifact| artifact.package == *package).with_context(|| format!("cargo did not make {id}"))?;
        let component = component(&artifact.files).with_context(|| format!("rule {id}"))?;
        let size = component.len();
        ensure!(
            size <= LARGEST_BUILT_IN,
            "rule {id} is {size} bytes, more than the {LARGEST_BUILT_IN} that a built-in rule may have"
        );
        write_if_changed(&paths::artifacts()?.join("rules").join(format!("{id}.wasm")), &component)?;
    }
    Ok(())
}

/// Makes a component of the module among the files that cargo made.
pub fn component(files: &[impl AsRef<Path>]) -> Result<Vec<u8>> {
    let module = files.iter().map(AsRef::as_ref).find(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    let Some(module) = module else {
        bail!("its build made no .wasm file: its Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]` under [lib]");
    };
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&bytes).context("the module is not made for a component")?;
    encoder.encode().context("the module cannot be made into a component: does it export a rule with the SDK's macro?")
}
