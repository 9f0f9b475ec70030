//! The example in C as its README says one builds it by hand, in a directory of one's own: every command that it shows.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Author, count};
use crate::build::c;
use crate::counts::Counts;
use crate::{command, paths, setup};

const EXAMPLE: &str = "quota-headroom";
/// The README promises it.
const LARGEST: u64 = 32 * 1024;
/// What the tool does is done by the library that it is made of.
const BINDINGS: &str = "wit-bindgen c wit --out-dir bindings";

/// Each command counts as one test.
pub fn run(kerno: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    let author = Author::new(kerno, EXAMPLE)?;
    let workspace = paths::workspace()?;
    let example = workspace.join("examples/rules").join(EXAMPLE);
    copy(&example, &author.project())?;
    symlink(workspace.join("wit/v1"), author.project().join("wit")).context("cannot link the contract")?;
    let path = path(&author)?;
    let readme = fs::read_to_string(example.join("README.md")).context("the example in C has no README")?;
    let commands = readme.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).map(|(commands, _)| commands);
    let commands: Vec<&str> = commands.unwrap_or_default().lines().collect();
    ensure!(commands.first() == Some(&BINDINGS), "the README does not begin with `{BINDINGS}`");
    for line in commands {
        let outcome = match line {
            BINDINGS => c::bindings(&author.project().join("bindings")),
            _ => command::run(author.shell(line).env("PATH", &path)),
        };
        count(&mut counts, line, outcome);
    }
    count(&mut counts, "its size", is_small(&author.project().join(EXAMPLE).with_extension("wasm")));
    author.leave(counts)
}

/// Where the compiler has its plain name, whatever it is called here.
fn path(author: &Author) -> Result<OsString> {
    let clang = setup::clang()?;
    let programs = author.place.join("bin");
    fs::create_dir_all(&programs).with_context(|| format!("cannot make {}", programs.display()))?;
    for (program, name) in [(clang.path, "clang"), (clang.linker, "wasm-ld")] {
        symlink(&program, programs.join(name)).with_context(|| format!("cannot link {}", program.display()))?;
    }
    env::join_paths([programs].into_iter().chain(env::split_paths(&author.path))).context("a directory of programs has a colon")
}

fn is_small(module: &Path) -> Result<()> {
    let size = fs::metadata(module).with_context(|| format!("{} is not there", module.display()))?.len();
    ensure!(size <= LARGEST, "the rule in C has {size} bytes, and its README promises {LARGEST}");
    Ok(())
}

/// Files and directories, but not what somebody has built there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let (path, into) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if !path.is_dir() {
            fs::copy(&path, &into).with_context(|| format!("cannot copy {}", path.display()))?;
        } else if !path.ends_with("bindings") {
            copy(&path, &into)?;
        }
    }
    Ok(())
}
