//! A rule as its author makes it: `kerno rules new`, and then every command that it prints, until a report names what it finds.

pub mod c;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::counts::Counts;
use crate::{command, paths, toolchain};

const ID: &str = "my-rule";
const TARGET: &str = "wasm32-unknown-unknown";
const FIXTURE: &str = "fixtures/fires-over-budget.json";

/// A rule that needs many times the memory that it begins with, in pieces of all sizes, of which it gives some back.
const GROWS: (&str, &str) = (
    "let budget = signals.parameter(\"budget\");",
    "let budget = signals.parameter(\"budget\");
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for size in 1_usize..300 {
            pieces.push(vec![size as u8; size * 100]);
            if size % 3 == 0 {
                pieces.swap_remove(size % pieces.len());
            }
            if let Some(piece) = pieces.get_mut(size / 2) {
                piece.extend_from_slice(&[piece[0]; 1_000]);
            }
        }
        if let Some(piece) = pieces.iter().find(|piece| piece.iter().any(|byte| *byte != piece[0])) {
            return Err(format!(\"a piece of {} bytes was written over\", piece.len()));
        }",
);

/// Each command counts as one test, and so does each thing that is seen of the rule.
pub fn run(kerno: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    let author = Author::new(kerno, ID)?;
    let text = command::output(author.command(kerno).args(["rules", "new", ID, "--output", "json"]))?;
    let made: Value = serde_json::from_str(&text)?;
    // What was compiled for the last new rule is of use for this one.
    let compiled = paths::cross_target("authoring")?;
    fs::create_dir_all(&compiled).with_context(|| format!("cannot make {}", compiled.display()))?;
    symlink(&compiled, author.project().join("target")).context("cannot link the directory of what is compiled")?;
    let next: Vec<&str> = made["next"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [enter, commands @ .., last] = &next[..] else { bail!("{text} tells no commands") };
    ensure!(*enter == format!("cd {ID}") && *last == "kerno doctor", "{text} tells other commands");
    let [_, build, try_it, _] = commands else { bail!("{text} tells other commands") };
    for line in commands {
        count(&mut counts, line, author.run(line));
    }
    count(&mut counts, "kerno doctor --replay", author.is_told());
    count(&mut counts, "more memory than it begins with", author.grows(&[build, try_it]));
    author.leave(counts)
}

fn count(counts: &mut Counts, name: &str, outcome: Result<()>) {
    match &outcome {
        Ok(()) => println!("{name} ... ok"),
        Err(error) => println!("{name} ... FAILED\n{error:#}"),
    }
    counts.count(outcome.map_err(|error| format!("a new rule, {name}: {error:#}")));
}

/// Somebody with kerno and cargo, in a directory of their own, outside of this tree.
struct Author {
    kerno: PathBuf,
    place: PathBuf,
    id: &'static str,
    path: OsString,
    /// Whether the compiler has its library for rules ready-made.
    is_ready: bool,
}

impl Author {
    fn new(kerno: &Path, id: &'static str) -> Result<Self> {
        let place = env::temp_dir().join(format!("kerno-authoring-{}-{id}", process::id()));
        fs::create_dir_all(place.join("rules")).with_context(|| format!("cannot make {}", place.display()))?;
        let rules = format!("rules:\n  dirs: [{}]\n", place.join("rules").display());
        fs::write(place.join("config.yaml"), rules).context("cannot write a configuration")?;
        let compiler = toolchain::find()?.compiler;
        let library = command::ask(Command::new(&compiler.rustc).args(["--print", "target-libdir", "--target", TARGET]));
        let programs = [kerno, &compiler.cargo].into_iter().filter_map(Path::parent).map(Path::to_path_buf);
        let others = env::var_os("PATH").unwrap_or_default();
        Ok(Self {
            kerno: kerno.to_path_buf(),
            path: env::join_paths(programs.chain(env::split_paths(&others))).context("a directory of programs has a colon")?,
            is_ready: library.is_some_and(|library| Path::new(library.trim()).is_dir()),
            place,
            id,
        })
    }

    fn project(&self) -> PathBuf {
        self.place.join(self.id)
    }

    /// What was made is of use where something failed.
    fn leave(&self, counts: Counts) -> Result<Counts> {
        if counts.failed == 0 {
            fs::remove_dir_all(&self.place).with_context(|| format!("cannot remove {}", self.place.display()))?;
        } else {
            println!("the project: {}", self.project().display());
        }
        Ok(counts)
    }

    /// A command with nothing of the cargo that runs this test.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_TARGET_DIR", "LD_LIBRARY_PATH", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        command.env("PATH", &self.path).env("KERNO_CONFIG", self.place.join("config.yaml")).current_dir(&self.place);
        command
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", line]).current_dir(self.project());
        if line.starts_with("cargo ") && line.contains(TARGET) && !self.is_ready {
            // The library's source is there, for the built-in rules.
            shell.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "core,alloc");
        }
        shell
    }

    /// Runs a line in the project.
    fn run(&self, line: &str) -> Result<()> {
        command::run(&mut self.shell(line))
    }

    /// Whether a report of a recorded window has the installed rule's finding.
    fn is_told(&self) -> Result<()> {
        let mut doctor = self.command(&self.kerno);
        doctor.args(["doctor", "--replay"]).arg(self.project().join(FIXTURE));
        let text = command::output(doctor.arg("--config").arg(self.place.join("config.yaml")).args(["--output", "json"]))?;
        let report: Value = serde_json::from_str(&text)?;
        let findings = report["findings"].as_array().into_iter().flatten();
        ensure!(findings.filter(|finding| finding["rule"] == ID).count() == 1, "the report has no finding of {ID}: {text}");
        Ok(())
    }

    /// Whether the allocator gives more memory than the rule begins with, much or little.
    fn grows(&self, commands: &[&str; 2]) -> Result<()> {
        let source = self.project().join("src/lib.rs");
        let text = fs::read_to_string(&source)?;
        ensure!(text.contains(GROWS.0), "the rule does not read its budget any more");
        fs::write(&source, text.replace(GROWS.0, GROWS.1))?;
        let [build, try_it] = commands;
        for memory in ["196608", "131072"] {
            let flags = format!("-Clink-arg=-zstack-size=65536\x1f-Clink-arg=--initial-memory={memory}");
            command::run(self.shell(build).env("CARGO_ENCODED_RUSTFLAGS", flags))?;
            let text = command::output(&mut self.shell(&format!("{try_it} --output json")))?;
            let report: Value = serde_json::from_str(&text)?;
            ensure!(report["status"] == "fired", "with {memory} bytes: {text}");
        }
        Ok(())
    }
}
