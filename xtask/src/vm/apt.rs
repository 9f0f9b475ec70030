//! Fetches packages of other Debian suites from where this machine's own apt gets its packages. Nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// apt with a state directory and source list of its own, for one suite.
pub struct Suite {
    directory: PathBuf,
}

impl Suite {
    /// Derives the suite's sources from the machine's and reads its package lists anew.
    pub fn update(name: &str, directory: &Path) -> Result<Self> {
        let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
        let own = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default().trim_matches('"');
        let sources = derive(&own_sources()?, own, name);
        if sources.is_empty() {
            bail!(
                "this machine's apt sources name no Debian archive of its own suite `{own}`; add one to /etc/apt/sources.list.d"
            );
        }
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(part))
                .with_context(|| format!("cannot make {}", directory.join(part).display()))?;
        }
        fs::write(directory.join("sources.list"), sources).context("cannot write a source list")?;
        let suite = Self { directory: directory.to_path_buf() };
        command::ask(suite.apt("apt-get").arg("update")).with_context(|| {
            format!("cannot update the package lists of Debian's {name}: `apt-get update` failed; check the network")
        })?;
        Ok(suite)
    }

    /// Names of the packages that the newest version of `package` depends on.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let text = command::output(self.apt("apt-cache").args(["depends", package]))?;
        Ok(text.lines().filter_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned).collect())
    }

    /// The newest version of `package`.
    pub fn version(&self, package: &str) -> Result<String> {
        let text = command::output(self.apt("apt-cache").args(["policy", package]))?;
        let candidate = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        candidate.map(str::to_owned).with_context(|| format!("the archive has no package {package}"))
    }

    /// Downloads packages and unpacks them all into `root`.
    pub fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let archives = self.directory.join("cache/archives");
        for package in packages {
            // Named alone, so that no older download of the same package can be mistaken for it.
            let directory = archives.join(package);
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).context("cannot make a download directory")?;
            command::run(self.apt("apt-get").args(["--quiet", "--quiet", "download", package]).current_dir(&directory))?;
            for file in fs::read_dir(&directory).context("cannot read a download directory")? {
                command::run(Command::new("dpkg").arg("-x").arg(file?.path()).arg(root))?;
            }
            let _ = fs::remove_dir_all(&directory);
        }
        Ok(())
    }

    fn apt(&self, program: &str) -> Command {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new(program);
        command.arg(format!("-oDir::State={}", at("")));
        command.arg(format!("-oDir::State::Lists={}", at("lists")));
        command.arg(format!("-oDir::Cache={}", at("cache")));
        command.arg(format!("-oDir::Etc::sourcelist={}", at("sources.list")));
        command.args([
            "-oDir::State::status=/dev/null",
            "-oDir::Etc::sourceparts=/dev/null",
            "-oDir::Etc::preferencesparts=/dev/null",
        ]);
        command.args(["-oAPT::Sandbox::User=root", "-oAcquire::Languages=none", "-oAPT::Update::Error-Mode=any"]);
        command.env("LC_ALL", "C");
        command
    }
}

/// The machine's apt sources as one deb822 text.
fn own_sources() -> Result<String> {
    let mut text = String::new();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    for file in files {
        let Ok(content) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => text.push_str(&content),
            Some("list") => text.push_str(&content.lines().filter_map(stanza).collect::<String>()),
            _ => {}
        }
        text.push_str("\n\n");
    }
    Ok(text)
}

/// A one-line source (`deb [signed-by=…] URI suite component…`) as a deb822 stanza.
fn stanza(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let signed = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let signed = signed.map(|keyring| format!("Signed-By: {keyring}\n")).unwrap_or_default();
    Some(format!("Types: deb\nURIs: {uri}\nSuites: {suite}\n{signed}\n"))
}

/// One-line sources for `suite`, from the archives that `sources` (deb822) uses for the machine's `own` suite and its security
/// updates. sid has no security suite.
fn derive(sources: &str, own: &str, suite: &str) -> String {
    let mut lines = Vec::new();
    let text: String =
        sources.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{}\n", line.trim_end())).collect();
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
        if own.is_empty()
            || field("Enabled") == Some("no")
            || !field("Types").unwrap_or_default().split(' ').any(|kind| kind == "deb")
        {
            continue;
        }
        // A key given inline (several lines) is not for us to copy: apt's own trusted keys are used then.
        let signed = field("Signed-By").filter(|value| value.starts_with('/')).map(|value| format!("[signed-by={value}] "));
        for uri in field("URIs").unwrap_or_default().split_whitespace() {
            for theirs in field("Suites").unwrap_or_default().split_whitespace() {
                let wanted = if theirs == own {
                    suite.to_owned()
                } else if theirs == format!("{own}-security") && suite != "sid" {
                    format!("{suite}-security")
                } else {
                    continue;
                };
                let line = format!("deb {}{uri} {wanted} main\n", signed.as_deref().unwrap_or_default());
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "Types: deb\n# a comment\nURIs: http://archive.example/debian\nSuites: bookworm bookworm-updates\n\
        Components: main\nSigned-By: /usr/share/keyrings/k.gpg\n\nTypes: deb\nURIs: http://archive.example/security\n\
        Suites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://other.example/\nSuites: stable\n";

    #[test]
    fn another_suite_comes_from_the_machines_own_archives() {
        assert_eq!(
            derive(DEB822, "bookworm", "bullseye"),
            "deb [signed-by=/usr/share/keyrings/k.gpg] http://archive.example/debian bullseye main\n\
             deb http://archive.example/security bullseye-security main\n"
        );
    }

    #[test]
    fn sid_has_no_security_suite() {
        assert_eq!(
            derive(DEB822, "bookworm", "sid"),
            "deb [signed-by=/usr/share/keyrings/k.gpg] http://archive.example/debian sid main\n"
        );
    }

    #[test]
    fn disabled_and_foreign_sources_are_left_alone() {
        let disabled = DEB822.replace("Types: deb\n", "Types: deb\nEnabled: no\n");
        assert_eq!(derive(&disabled, "bookworm", "trixie"), "");
        assert_eq!(derive(DEB822, "noble", "trixie"), "");
    }

    #[test]
    fn one_line_sources_become_stanzas() {
        let text = stanza("deb [arch=amd64 signed-by=/k.gpg] http://archive.example/debian bookworm main contrib").unwrap();
        assert_eq!(derive(&text, "bookworm", "sid"), "deb [signed-by=/k.gpg] http://archive.example/debian sid main\n");
        assert_eq!(stanza("deb-src http://archive.example/debian bookworm main"), None);
        assert_eq!(stanza("# deb http://archive.example/debian bookworm main"), None);
    }
}
