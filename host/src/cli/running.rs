//! What a kerno that goes on measuring says of its rules to `kerno rules list`: a file in the directory for such things, for as long
//! as it runs.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::failure::warn;
use super::{Environment, whole};
use crate::findings::RuleStatus;
use crate::report::Report;

const FILE: &str = "rules.json";

/// What is told of all rules.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// Process id of the kerno that says it.
    pub(super) pid: u32,
    /// Which set of rules is in force.
    pub(super) generation: Option<u64>,
    /// Until when it will have said more, if it still runs then.
    until: SystemTime,
    /// What each said last, by source and id.
    rules: Vec<Evaluated>,
}

/// What one rule said last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Evaluated {
    id: String,
    source: String,
    /// The version that is in force.
    pub(super) version: Option<String>,
    /// What became of it in the last window.
    pub(super) status: RuleStatus,
    /// Why.
    pub(super) reason: Option<String>,
    /// Why it is not what its file is now.
    pub(super) kept: Option<String>,
    /// RFC 3339, UTC: when it was judged last; `None` when it never was.
    pub(super) evaluated: Option<String>,
}

/// Says it. Dropped, it says no more.
pub(super) struct Running {
    /// `None` where there is no such directory.
    path: Option<PathBuf>,
    /// So long after a window the next one has been judged.
    patience: Duration,
    evaluated: BTreeMap<(String, String), String>,
}

impl Running {
    /// Of one that judges a window in each interval.
    pub(super) fn new(directory: Option<&Path>, interval: Duration) -> Self {
        let path = directory.map(|directory| directory.join(FILE));
        Self { path, patience: interval * 2 + Duration::from_secs(60), evaluated: BTreeMap::new() }
    }

    /// A window was judged.
    pub(super) fn note(&mut self, report: &Report) {
        let Some(path) = &self.path else { return };
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut rules = Vec::with_capacity(report.rules.len());
        for rule in &report.rules {
            let key = (rule.source.clone(), rule.id.clone());
            if matches!(rule.status, RuleStatus::Fired | RuleStatus::Quiet) {
                self.evaluated.insert(key.clone(), now.clone());
            }
            rules.push(Evaluated {
                id: rule.id.clone(),
                source: rule.source.clone(),
                version: rule.version.clone(),
                status: rule.status,
                reason: rule.reason.clone(),
                kept: report.kept.get(&rule.source).cloned(),
                evaluated: self.evaluated.get(&key).cloned(),
            });
        }
        let until = SystemTime::now() + self.patience;
        let state = State { pid: std::process::id(), generation: report.rules_generation, until, rules };
        if let Err(error) = write(path, &state) {
            warn(&format!(
                "{} cannot be written ({}): kerno rules list does not tell what runs",
                path.display(),
                whole::reason(&error)
            ));
            // Once is enough.
            self.path = None;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_ref().filter(|path| read(path).is_some_and(|state| state.pid == std::process::id())) {
            // It says of itself whose it is.
            let _ = fs::remove_file(path);
        }
    }
}

fn write(path: &Path, state: &State) -> std::io::Result<()> {
    let directory = whole::directory(path);
    if !directory.is_dir() {
        DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    }
    whole::write(path, &serde_json::to_vec(state).map_err(std::io::Error::other)?, 0o644)
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// What the kerno that runs on this machine says, if one does.
pub(super) fn running(environment: &Environment) -> Option<State> {
    let state = read(&environment.runtime.as_ref()?.join(FILE))?;
    let process = Pid::from_raw(i32::try_from(state.pid).ok()?)?;
    // One that may not be asked is there as well.
    let is_there = test_kill_process(process).map_or_else(|error| error == rustix::io::Errno::PERM, |()| true);
    // After a start of the machine, or in another container, its number may be somebody else's.
    (is_there && SystemTime::now() < state.until).then_some(state)
}

impl State {
    /// Rules whose last good version is in force, and why.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().filter_map(|rule| Some((rule.id.as_str(), rule.kept.as_deref()?)))
    }

    /// What it does not use, by id, and why: besides what is listed.
    pub(super) fn failed_besides<'a>(
        &'a self,
        listed: &'a dyn Fn(&str, &str) -> bool,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let failed = self.rules.iter().filter(move |rule| rule.status == RuleStatus::Failed && !listed(&rule.id, &rule.source));
        failed.filter_map(|rule| Some((rule.id.as_str(), rule.reason.as_deref()?)))
    }

    /// What it says of one rule.
    pub(super) fn of(&self, id: &str, source: &str) -> Option<&Evaluated> {
        self.rules.iter().find(|rule| rule.id == id && rule.source == source)
    }
}
