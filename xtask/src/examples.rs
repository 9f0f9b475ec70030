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
        let component = rule::build(&example, &into)?;
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
    let mut kerno = Command::new(kerno);
    kerno.args(["rules", "test"]).arg(component).arg("--snapshot").arg(fixture).args(["--output", "json"]);
    // The rules of this machine are none of theirs.
    kerno.args(["--config", "/dev/null"]);
    let report: Value = serde_json::from_str(&command::output(&mut kerno)?)?;
    if report["status"] != expected {
        bail!("{expected} was expected: {report}");
    }
    Ok(())
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
