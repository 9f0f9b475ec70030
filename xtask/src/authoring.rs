//! A rule as its author makes it: `kerno rules new`, and then every command that it prints, until a report names what it finds.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::counts::Counts;
use crate::{command, paths, toolchain};

const ID: &str = "my-rule";
const TARGET: &str = "wasm32-unknown-unknown";

/// Each command counts as one test, and the report as another.
pub fn run(kerno: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    let author = Author::new(kerno)?;
    let text = command::output(author.command(kerno).args(["rules", "new", ID, "--output", "json"]))?;
    let made: Value = serde_json::from_str(&text)?;
    // What was compiled for the last new rule is of use for this one.
    let compiled = paths::cross_target("authoring")?;
    fs::create_dir_all(&compiled).with_context(|| format!("cannot make {}", compiled.display()))?;
    symlink(&compiled, author.project().join("target")).context("cannot link the directory of what is compiled")?;
    let next: Vec<&str> = made["next"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [enter, commands @ .., last] = &next[..] else { anyhow::bail!("{text} tells no commands") };
    ensure!(*enter == format!("cd {ID}") && *last == "kerno doctor" && commands.len() == 3, "{text} tells other commands");
    for line in commands {
        count(&mut counts, line, author.run(line));
    }
    count(&mut counts, "kerno doctor --replay", author.is_told());
    Ok(counts)
}

fn count(counts: &mut Counts, name: &str, outcome: Result<()>) {
    println!("{name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    counts.count(outcome.map_err(|error| format!("a new rule, {name}: {error:#}")));
}

/// Somebody with kerno and cargo, in a directory of their own.
struct Author {
    kerno: PathBuf,
    place: PathBuf,
    path: OsString,
    /// Whether the compiler has its library for rules ready-made.
    is_ready: bool,
}

impl Author {
    fn new(kerno: &Path) -> Result<Self> {
        let place = paths::artifacts()?.join("authoring");
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
        }
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
        })
    }

    fn project(&self) -> PathBuf {
        self.place.join(ID)
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

    /// Runs a line in the project, as a shell does.
    fn run(&self, line: &str) -> Result<()> {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", line]).current_dir(self.project());
        if line.contains(TARGET) && !self.is_ready {
            // The library's source is there, for the built-in rules.
            shell.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "core,alloc");
        }
        command::run(&mut shell)
    }

    /// Whether a report of a recorded window has the installed rule's finding.
    fn is_told(&self) -> Result<()> {
        let mut doctor = self.command(&self.kerno);
        doctor.args(["doctor", "--replay"]).arg(self.project().join("fixtures/fires-over-budget.json"));
        let text = command::output(doctor.arg("--config").arg(self.place.join("config.yaml")).args(["--output", "json"]))?;
        let report: Value = serde_json::from_str(&text)?;
        let findings = report["findings"].as_array().into_iter().flatten();
        ensure!(findings.filter(|finding| finding["rule"] == ID).count() == 1, "the report has no finding of {ID}: {text}");
        Ok(())
    }
}
