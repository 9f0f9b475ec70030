//! Installs Debian packages, from the machine's own sources and from another suite at the same address.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
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
        options(&sources_with(suite)?)?.iter().map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ");
    let install = format!("apt-get {options} install --no-install-recommends --target-release {suite} {name}");
    Ok(vec![format!("apt-get {options} update"), install])
}

/// A word as a shell takes it whole.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=+@,%".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
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
    let directory = paths::cache()?.join("apt").join(suite).join("sources");
    copy_sources(Path::new("/etc/apt"), &directory, suite)?;
    Ok(directory)
}

/// Makes `directory` hold the sources of `machine` (`/etc/apt`) with `suite`, and nothing from an earlier copy.
fn copy_sources(machine: &Path, directory: &Path, suite: &str) -> Result<()> {
    let (release, _) = suite.split_once('-').context("a suite is named release-part")?;
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", directory.display()));
        }
        _ => {}
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let parts = fs::read_dir(machine.join("sources.list.d")).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut added = false;
    for source in [machine.join("sources.list")].into_iter().chain(parts) {
        let (Ok(text), Some(name), Some(kind)) = (fs::read_to_string(&source), source.file_name(), source.extension()) else {
            continue;
        };
        let copy = match kind.to_str() {
            Some("sources") => stanzas_with(&text, release, suite),
            Some("list") => lines_with(&text, release, suite),
            _ => continue,
        };
        added |= names(&copy, suite);
        let path = directory.join(name);
        fs::write(&path, copy).with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(added, "no source in {} names the suite {release}: {suite} would be at the same address", machine.display());
    Ok(())
}

/// Whether a source that is in use has `suite`.
fn names(text: &str, suite: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.any(|line| line.split_whitespace().any(|word| word == suite))
}

/// Adds `suite` to every stanza that has `release` among its suites. Stanzas that are switched off are left out.
fn stanzas_with(text: &str, release: &str, suite: &str) -> String {
    let line = |line: &str| match line.strip_prefix("Suites:") {
        Some(suites) if suites.split_whitespace().any(|word| word == release) && !suites.contains(suite) => {
            format!("{line} {suite}\n")
        }
        _ => format!("{line}\n"),
    };
    let lines: Vec<&str> = text.lines().collect();
    let stanzas = lines.split(|line| line.trim().is_empty()).filter(|stanza| !stanza.is_empty() && !is_off(stanza));
    stanzas.map(|stanza| stanza.iter().copied().map(line).collect()).collect::<Vec<String>>().join("\n")
}

/// `Enabled: no`; names of fields have no case.
fn is_off(stanza: &[&str]) -> bool {
    let is_no = |line: &&str| {
        line.split_once(':').is_some_and(|(field, value)| {
            field.eq_ignore_ascii_case("enabled") && ["no", "false", "without", "off", "disable", "0"].contains(&value.trim())
        })
    };
    stanza.iter().any(is_no)
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
    fn a_stanza_that_is_switched_off_stays_off() {
        let off = "Enabled: no\nTypes: deb\nURIs: http://example.org/debian\nSuites: bookworm\n";
        assert_eq!(stanzas_with(off, "bookworm", "bookworm-backports"), "");
        let on = off.replace("no\n", "yes\n");
        let with = stanzas_with(&format!("{off}\n{on}"), "bookworm", "bookworm-backports");
        assert_eq!(with, on.replace("bookworm\n", "bookworm bookworm-backports\n"));
        assert!(names(&with, "bookworm-backports") && !names("# bookworm-backports", "bookworm-backports"));
    }

    #[test]
    fn a_source_that_was_removed_is_gone_from_the_copy() {
        let base = std::env::temp_dir().join(format!("kerno-sources-{}", std::process::id()));
        let (machine, copy) = (base.join("etc"), base.join("copy"));
        fs::create_dir_all(machine.join("sources.list.d")).unwrap();
        fs::create_dir_all(&copy).unwrap();
        fs::write(machine.join("sources.list"), "deb http://example.org/debian bookworm main\n").unwrap();
        fs::write(copy.join("removed.list"), "deb http://example.com bookworm main\n").unwrap();
        copy_sources(&machine, &copy, "bookworm-backports").unwrap();
        let removed = copy.join("removed.list").exists();
        let kept = fs::read_to_string(copy.join("sources.list")).unwrap();
        fs::remove_dir_all(&base).unwrap();
        assert!(!removed && kept.contains("bookworm-backports"), "{kept}");
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(quoted("-oDir::State::Lists=/var/cache/kerno/lists"), "-oDir::State::Lists=/var/cache/kerno/lists");
        assert_eq!(quoted("/home/a b/it's"), "'/home/a b/it'\\''s'");
    }

    #[test]
    fn commands_for_root_are_whole() {
        assert_eq!(by_hand(&["zstd", "kmod"]), ["apt-get update", "apt-get install --no-install-recommends zstd kmod"]);
    }
}
