//! Builds rules in C: bindings of the contract, clang, and a component of what it links.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use crate::build::{rules, write_if_changed};
use crate::clang::Clang;
use crate::{command, paths};

/// clang's arguments, in the rule's directory: whoever builds by hand, editors and this take the same.
const FLAGS: &str = "compile_flags.txt";

/// The C files in a directory, by name.
pub fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut sources: Vec<_> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "c")).collect();
    sources.sort();
    sources
}

/// Writes what `wit-bindgen c` would: `rule.h`, `rule.c`, and `rule_component_type.o`, by which the module can be made into a component.
pub fn bindings(into: &Path) -> Result<()> {
    let contract = paths::workspace()?.join("wit/v1");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&contract)?;
    let world = resolve.select_world(&[package], Some("rule"))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    files.iter().try_for_each(|(name, bytes)| write_if_changed(&into.join(name), bytes))
}

/// Builds the rule in a directory of C files and gives its component.
pub fn build(directory: &Path, clang: &Clang) -> Result<Vec<u8>> {
    ensure!(
        directory.join(FLAGS).is_file(),
        "it has no {FLAGS}, clang's arguments: begin with that of examples/rules/quota-headroom"
    );
    let name = directory.file_name().context("the directory of a rule has a name")?;
    let into = paths::artifacts()?.join("build/c").join(name);
    bindings(&into.join("bindings")).context("no bindings can be made of wit/v1")?;
    let module = into.join("rule.wasm");
    let mut compile = Command::new(&clang.path);
    // Before those that somebody may have made by hand.
    compile.current_dir(directory).arg("-I").arg(into.join("bindings")).arg(format!("@{FLAGS}"));
    compile.arg(format!("-fuse-ld={}", clang.linker.display())).args(sources(directory));
    compile.args(["rule.c", "rule_component_type.o"].map(|file| into.join("bindings").join(file)));
    command::run(compile.arg("-o").arg(&module))?;
    rules::component(&[module])
}
