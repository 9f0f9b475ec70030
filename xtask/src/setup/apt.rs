//! Installs Debian packages, from the machine's own sources and from another suite at the same address.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{command, paths};

/// Installs packages from the sources this machine has.
pub fn install(names: &[&str]) -> Result<()> {
    if let Err(error) = command::run(apt_get().arg("update")) {
        // What is known from earlier may be enough.
        eprintln!("xtask: {error:#}");
    }
    command::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(names))
}

/// Installs a package from another suite, such as `bookworm-backports`. The suite is added to a copy of the machine's sources; the
/// machine's own are left as they are.
pub fn install_from(suite: &str, name: &str) -> Result<()> {
    let options = options(&sources_with(suite)?)?;
    command::run(apt_get().args(&options).arg("update"))?;
    command::run(apt_get().args(&options).args(["install", "--yes", "--no-install-recommends", "--target-release", suite, name]))
}

/// The commands of [`install`], for root.
pub fn by_hand(names: &[&str]) -> Vec<String> {
    vec!["apt-get update".into(), format!("apt-get install --no-install-recommends {}", names.join(" "))]
}

/// The commands of [`install_from`], for root.
pub fn by_hand_from(suite: &str, name: &str) -> Result<Vec<String>> {
    let options =
        options(&sources_with(suite)?)?.into_iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let install = format!("apt-get {options} install --no-install-recommends --target-release {suite} {name}");
    Ok(vec![format!("apt-get {options} update"), install])
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Has apt-get read the sources in `directory` alone, and keep their indexes beside them.
fn options(directory: &Path) -> Result<Vec<OsString>> {
    let lists = directory.with_file_name("lists");
    fs::create_dir_all(lists.join("partial")).with_context(|| format!("cannot make {}", lists.display()))?;
    let set = |name: &str, value: &Path| {
        let mut word = OsString::from(format!("-oDir::{name}="));
        word.push(value);
        word
    };
    Ok(vec![set("Etc::sourcelist", Path::new("/dev/null")), set("Etc::sourceparts", directory), set("State::Lists", &lists)])
}

/// Copies the machine's sources, with `suite` beside the release that it belongs to, and gives the directory.
fn sources_with(suite: &str) -> Result<PathBuf> {
    let (release, _) = suite.split_once('-').context("a suite is named release-part")?;
    let directory = paths::cache()?.join("apt").join(suite).join("sources");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut added = false;
    for source in [PathBuf::from("/etc/apt/sources.list")].into_iter().chain(parts) {
        let (Ok(text), Some(name), Some(kind)) = (fs::read_to_string(&source), source.file_name(), source.extension()) else {
            continue;
        };
        let copy = match kind.to_str() {
            Some("sources") => stanzas_with(&text, release, suite),
            Some("list") => lines_with(&text, release, suite),
            _ => continue,
        };
        added |= copy.contains(suite);
        let path = directory.join(name);
        fs::write(&path, copy).with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(added, "no source in /etc/apt names the suite {release}: {suite} would be at the same address");
    Ok(directory)
}

/// Adds `suite` to every stanza that has `release` among its suites.
fn stanzas_with(text: &str, release: &str, suite: &str) -> String {
    let line = |line: &str| match line.strip_prefix("Suites:") {
        Some(suites) if suites.split_whitespace().any(|word| word == release) && !suites.contains(suite) => {
            format!("{line} {suite}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Adds a line for `suite` after every one-line source of `release`.
fn lines_with(text: &str, release: &str, suite: &str) -> String {
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(|word| if word == release { suite } else { word }).collect();
        let is_source = matches!(words.first(), Some(&"deb")) && words.contains(&suite);
        if is_source { format!("{line}\n{}\n", words.join(" ")) } else { format!("{line}\n") }
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_added_to_the_stanza_of_its_release() {
        let text = "Types: deb\nURIs: http://example.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://example.org/debian-security\nSuites: bookworm-security\nComponents: main\n";
        let with = stanzas_with(text, "bookworm", "bookworm-backports");
        assert_eq!(with, text.replace("bookworm-updates\n", "bookworm-updates bookworm-backports\n"));
        assert_eq!(stanzas_with(&with, "bookworm", "bookworm-backports"), with, "nothing is added twice");
    }

    #[test]
    fn a_suite_is_a_line_of_its_own_in_the_older_format() {
        let text = "# comment about bookworm\ndeb [arch=amd64] http://example.org/debian bookworm main contrib\ndeb http://example.org/s bookworm-security main\n";
        let with = lines_with(text, "bookworm", "bookworm-backports");
        assert_eq!(
            with,
            "# comment about bookworm\ndeb [arch=amd64] http://example.org/debian bookworm main contrib\n\
             deb [arch=amd64] http://example.org/debian bookworm-backports main contrib\ndeb http://example.org/s bookworm-security main\n"
        );
    }

    #[test]
    fn commands_for_root_are_whole() {
        assert_eq!(by_hand(&["zstd", "kmod"]), ["apt-get update", "apt-get install --no-install-recommends zstd kmod"]);
    }
}
