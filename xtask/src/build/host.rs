//! Builds the host's crates and reads what cargo says it made.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, io};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{command, paths};

/// One thing that cargo made.
pub struct Artifact {
    /// The package it belongs to.
    pub package: String,
    /// The name of the library or binary.
    pub name: String,
    /// The program, when it is one.
    pub executable: Option<PathBuf>,
    /// Every file of it.
    pub files: Vec<PathBuf>,
}

/// The cargo that runs this program, in the workspace.
pub fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::workspace()?);
    Ok(cargo)
}

/// Builds the default members and gives the path of the `kerno` binary.
pub fn build(require: bool) -> Result<PathBuf> {
    let mut cargo = cargo()?;
    cargo.arg("build");
    if require {
        cargo.env("KERNO_REQUIRE_ARTIFACTS", "1");
    }
    let made = messages(&mut cargo)?;
    let kerno = made.into_iter().find(|artifact| artifact.package == "kerno" && artifact.executable.is_some());
    kerno.and_then(|artifact| artifact.executable).context("cargo built no `kerno` binary")
}

/// Builds one package of the workspace that has a program, which depends on nothing of kerno, and gives the program's path.
pub fn program(package: &str) -> Result<PathBuf> {
    let made = messages(cargo()?.args(["build", "--package", package]))?;
    let program = made.into_iter().find(|artifact| artifact.package == package && artifact.executable.is_some());
    program.and_then(|artifact| artifact.executable).with_context(|| format!("cargo built no program of {package}"))
}

/// Runs a cargo that builds, with its diagnostics on standard error, and gives what it made.
pub fn messages(cargo: &mut Command) -> Result<Vec<Artifact>> {
    cargo.arg("--message-format=json-render-diagnostics");
    let output = cargo.stdin(Stdio::null()).stderr(io::stderr()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`{}` failed ({})", command::line(cargo), output.status);
    }
    let text = String::from_utf8(output.stdout).context("cargo wrote messages that are not UTF-8")?;
    Ok(text.lines().filter_map(artifact).collect())
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    target: Option<Target>,
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Reads one line of cargo's messages; other messages than artifacts give nothing.
fn artifact(line: &str) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok().filter(|message: &Message| message.reason == "compiler-artifact")?;
    let package = package_name(&message.package_id?)?.to_owned();
    Some(Artifact { package, name: message.target?.name, executable: message.executable, files: message.filenames })
}

/// The name in a package id: `…/directory#name@version`, or `…/name#version` when the directory is named like the package.
fn package_name(id: &str) -> Option<&str> {
    let (source, fragment) = id.split_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => source.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_read_from_cargos_message() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///k/host#kerno@0.1.0","manifest_path":"/k/host/Cargo.toml",
            "target":{"kind":["bin"],"name":"kerno"},"filenames":["/t/debug/kerno"],"executable":"/t/debug/kerno","fresh":true}"#;
        let artifact = artifact(line).unwrap();
        assert_eq!((artifact.package.as_str(), artifact.name.as_str()), ("kerno", "kerno"));
        assert_eq!(artifact.executable, Some("/t/debug/kerno".into()));
    }

    #[test]
    fn other_messages_are_passed_over() {
        assert!(artifact(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(artifact("not JSON").is_none());
    }

    #[test]
    fn both_forms_of_a_package_id_give_the_name() {
        assert_eq!(package_name("path+file:///k/host#kerno@0.1.0"), Some("kerno"));
        assert_eq!(package_name("path+file:///k/xtask#0.1.0"), Some("xtask"));
        assert_eq!(package_name("nonsense"), None);
    }
}
