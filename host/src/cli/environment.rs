//! The environment variables that kerno reads; nothing else in kerno looks at the environment.

use std::env;
use std::path::PathBuf;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::Failure;
use crate::platform::privileges;

/// Their values; an empty one counts as absent.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// `KERNO_CONFIG`: the configuration.
    pub(super) config: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, else `.config` below `HOME`: where a user's own configuration lies.
    pub(super) config_home: Option<PathBuf>,
    /// `RUNTIME_DIRECTORY`, as systemd sets it; `/run/kerno` for root, else `kerno` in `XDG_RUNTIME_DIR`: where a kerno that goes on measuring tells what it does.
    pub(super) runtime: Option<PathBuf>,
    /// `KERNO_NODE_NAME`: the node's name in reports.
    pub(super) node_name: Option<String>,
    /// `KERNO_CLUSTER`: the cluster's name in reports.
    pub(super) cluster: Option<String>,
    /// `KERNO_EBPF=off`: measure from `/proc` only.
    pub(super) ebpf: bool,
    /// `KERNO_LOG`: filter of the log on standard error (`debug`, `kerno::engine=trace`).
    pub(super) log: Option<String>,
}

impl Environment {
    /// Reads them.
    pub(super) fn read() -> Result<Self, Failure> {
        Ok(Self {
            config: variable("KERNO_CONFIG")?.map(PathBuf::from),
            config_home: directory("XDG_CONFIG_HOME").or_else(|| directory("HOME").map(|home| home.join(".config"))),
            runtime: directory("RUNTIME_DIRECTORY").or_else(|| match privileges::is_root() {
                true => Some(PathBuf::from("/run/kerno")),
                false => directory("XDG_RUNTIME_DIR").map(|runtime| runtime.join("kerno")),
            }),
            node_name: variable("KERNO_NODE_NAME")?,
            cluster: variable("KERNO_CLUSTER")?,
            ebpf: match variable("KERNO_EBPF")?.as_deref() {
                None | Some("on") => true,
                Some("off") => false,
                Some(other) => {
                    return Err(Failure::usage(format!("KERNO_EBPF={other} is not known: it is on or off"), "unset KERNO_EBPF"));
                }
            },
            log: variable("KERNO_LOG")?,
        })
    }

    /// Variables that say something of a report, and their values.
    pub(super) fn told(&self) -> Vec<(&'static str, &str)> {
        let mut told: Vec<(&'static str, &str)> = Vec::new();
        told.extend(self.node_name.as_deref().map(|name| ("KERNO_NODE_NAME", name)));
        told.extend(self.cluster.as_deref().map(|name| ("KERNO_CLUSTER", name)));
        if !self.ebpf {
            told.push(("KERNO_EBPF", "off"));
        }
        told
    }

    /// Starts logging to standard error when a filter is set.
    pub(super) fn log(&self) -> Result<(), Failure> {
        let Some(filter) = &self.log else { return Ok(()) };
        let help =
            "set it to off, error, warn, info, debug or trace, or to these by module, as in KERNO_LOG=warn,kerno::engine=trace";
        if let Some(word) = unknown_level(filter) {
            return Err(Failure::usage(format!("KERNO_LOG={filter} is no log filter: {word} is no level"), help));
        }
        let filter = EnvFilter::builder()
            .parse(filter)
            .map_err(|error| Failure::usage(format!("KERNO_LOG={filter} is no log filter: {error}"), help))?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(super::output::color_on_stderr())
            .log_internal_errors(false)
            .init();
        Ok(())
    }
}

/// A word of a log filter that stands for a level and is none: it would be taken for a part of some program, of which nothing is heard.
fn unknown_level(filter: &str) -> Option<&str> {
    let words = filter.split(',').map(str::trim);
    let is_part = |word: &str| word.contains(['=', '[', ']', '}', ':']) || word.starts_with("kerno");
    words.into_iter().find(|word| !is_part(word) && word.parse::<LevelFilter>().is_err())
}

/// A directory that is named as a whole; a relative one counts as absent.
fn directory(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{name} cannot be read: its value is not UTF-8"), format!("unset {name}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_word_of_a_filter_is_a_level() {
        for (filter, unknown) in [
            ("debug", None),
            ("WARN", None),
            ("warn,kerno::engine=trace", None),
            ("off, aya=info", None),
            ("foo", Some("foo")),
            ("debug,foo", Some("foo")),
            ("kerno", None),
            ("kerno::engine", None),
        ] {
            assert_eq!(unknown_level(filter), unknown, "{filter}");
        }
    }
}
