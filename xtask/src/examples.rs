//! The example rules as users have them: built into components, and judged by `kerno rules test` on their recorded windows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::counts::Counts;
use crate::{command, paths, rule};

/// Every fixture of every example says what its name says.
pub fn run(kerno: &Path) -> Result<Counts> {
    let into = paths::artifacts()?.join("examples");
    fs::create_dir_all(&into).with_context(|| format!("cannot make {}", into.display()))?;
    let mut counts = Counts::default();
    for example in entries(&paths::workspace()?.join("examples/rules"))? {
        let component = match rule::build(&example, &into) {
            Ok(component) => component,
            Err(error) => {
                println!("{} ... FAILED\n{error:#}", shown(&example));
                counts.count(Err(format!("{}: {error:#}", shown(&example))));
                continue;
            }
        };
        for fixture in entries(&example.join("fixtures"))? {
            let name = format!("{} {}", shown(&component), shown(&fixture));
            let outcome = judged(kerno, &component, &fixture).map_err(|error| format!("{name}: {error:#}"));
            match &outcome {
                Ok(()) => println!("{name} ... ok"),
                Err(error) => println!("{name} ... FAILED\n{error}"),
            }
            counts.count(outcome);
        }
    }
    Ok(counts)
}

/// A fixture's name begins with what the rule must say of it.
fn judged(kerno: &Path, component: &Path, fixture: &Path) -> Result<()> {
    let expected = match shown(fixture).split('-').next() {
        Some("fires") => "fired",
        Some("quiet") => "quiet",
        _ => bail!("the name of a fixture begins with `fires-` or `quiet-`"),
    };
    let report: Value = serde_json::from_str(&command::output(test(kerno, component, fixture).args(["--output", "json"]))?)?;
    if report["status"] != expected {
        bail!("{expected} was expected: {report}");
    }
    says(kerno, component, fixture)
}

/// An example that has no tests of its own language has in `expected` what kerno must print of a fixture, among other things.
fn says(kerno: &Path, component: &Path, fixture: &Path) -> Result<()> {
    let example = fixture.parent().and_then(Path::parent).context("a fixture is in an example")?;
    let path = example.join("expected").join(shown(fixture)).with_extension("txt");
    let Ok(lines) = fs::read_to_string(&path) else { return Ok(()) };
    let text = command::output(&mut test(kerno, component, fixture))?;
    match lines.lines().find(|line| !text.lines().any(|said| said.trim() == line.trim())) {
        Some(line) => bail!("it does not say `{}`: {text}", line.trim()),
        None => Ok(()),
    }
}

fn test(kerno: &Path, component: &Path, fixture: &Path) -> Command {
    let mut kerno = Command::new(kerno);
    kerno.args(["rules", "test"]).arg(component).arg("--snapshot").arg(fixture);
    // The rules of this machine are none of theirs.
    kerno.args(["--config", "/dev/null"]);
    kerno
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let unread = || format!("cannot list {}", directory.display());
    let entries: std::io::Result<Vec<_>> = fs::read_dir(directory).with_context(unread)?.map(|entry| Ok(entry?.path())).collect();
    let mut entries = entries.with_context(unread)?;
    entries.sort();
    Ok(entries)
}

fn shown(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
