//! Runs rules: WebAssembly components that see one snapshot and nothing else. The only user of wasmtime.
//!
//! One function, [`RuleSet::judge`]: snapshot bytes in, findings out. Every evaluation gets a fresh instance, little memory, little
//! time and no way out; whatever a rule does, the others still run.

mod ahead;
mod answers;
mod bench;
mod bindings;
mod bytes;
mod clock;
mod cpu_time;
mod described;
mod load;
mod module;
mod output;
mod parameters;
mod replaced;
mod rule;
mod sandbox;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kerno_signals::Snapshot;
use serde::{Deserialize, Serialize};

pub use ahead::compile as compile_ahead;
pub use bench::{Bench, Cost, RUNS, Times};
pub use bytes::Bytes;
pub use described::{About, Described, Fingerprint, OfBundle};
pub use load::{Candidate, SWITCH, candidates, read, switches};
pub use module::{NoComponent, component_of};
pub use output::printable;
pub use replaced::{settle, tell_replaced, without_place};

use crate::findings::{RuleReport, RuleStatus};

pub use parameters::{BUILT_IN_PARAMETERS, Parameter, Quantity, Settings, Unit, nearest, quantity};

use rule::{Judged, LoadedRule};
use sandbox::Sandbox;

/// What a rule may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one call.
    pub deadline: Duration,
    /// Linear memory of one instance, bytes.
    pub memory: usize,
    /// What one call may pass or return, bytes as the host holds them.
    pub result: usize,
    /// Findings of one evaluation.
    pub findings: usize,
    /// Size of a user's component, bytes.
    pub module: u64,
    /// Time to compile one, by the wall.
    pub compile: Duration,
    /// Length of a text in a finding, bytes: what is longer is cut.
    pub text: usize,
}

impl Limits {
    /// Time of one call by the wall: generous, because kerno runs where tasks wait long for a CPU.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.deadline + (self.deadline * 19).min(Duration::from_secs(10))
    }

    /// What is said of a component that is larger than it may be, after its name.
    #[must_use]
    pub fn too_large(&self) -> String {
        format!(
            "has more than the {} KiB that a rule may have (rules.limits.module): build it with `--release`, or raise that limit for a \
             language that brings a runtime of its own",
            self.module >> 10
        )
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(50),
            memory: 16 << 20,
            result: 256 << 10,
            findings: 64,
            module: 1 << 20,
            compile: Duration::from_secs(30),
            text: 4096,
        }
    }
}

/// Why rules cannot be run at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the runtime for rules: {reason}")]
pub struct RuntimeError {
    /// What it said.
    reason: String,
}

/// Why no rule set could be made.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A directory of rules cannot be listed.
    #[error("cannot read the rules in {}: name a directory that exists and that kerno may read", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The bytes are no snapshot.
    #[error("the snapshot cannot be decoded")]
    Decode(#[from] postcard::Error),
}

/// Address space that must be left before a window is measured, for the collectors and for compiling rules after it.
const ROOM: usize = 256 << 20;

/// Address space that instances take where it is not limited, bytes: they reserve it, and use little of it.
pub const RESERVED: u64 = sandbox::POOL;

/// Room for rules, and nothing compiled yet: whether there is any is known before a window is measured.
pub struct Runtime(Sandbox);

/// All rules, loaded or refused.
pub struct RuleSet {
    sandbox: Sandbox,
    settings: Settings,
    /// Rules that are not used, and why not.
    off: BTreeMap<String, String>,
    rules: Vec<Slot>,
    /// Of each rule.
    files: Vec<File>,
}

/// A rule's file, as far as there is one and it could be read.
struct File {
    path: Option<PathBuf>,
    component: Option<Fingerprint>,
    bundle: Option<Box<OfBundle>>,
}

/// A rule, or why there is none.
enum Slot {
    Loaded(Box<LoadedRule>),
    /// Not loaded; or loaded, and switched off.
    Refused(RuleReport, Option<Box<About>>),
}

impl Slot {
    fn source(&self) -> &str {
        match self {
            Self::Loaded(rule) => rule.source(),
            Self::Refused(report, _) => &report.source,
        }
    }
}

impl Runtime {
    /// Sets it up.
    ///
    /// # Errors
    /// The address space for its instances, or what compiling takes, cannot be had.
    pub fn new(limits: &Limits) -> Result<Self, RuntimeError> {
        let failed = |reason: String| RuntimeError { reason };
        let sandbox = Sandbox::new(limits).map_err(|error| failed(format!("{error:#}")))?;
        if sandbox::address_space_is_limited() {
            // Nothing can be told any more once memory that must be there is not: so it is asked for now, and given back.
            let mut room: Vec<u8> = Vec::new();
            room.try_reserve_exact(ROOM)
                .map_err(|_| failed(format!("{} MiB more of address space cannot be had", ROOM >> 20)))?;
            std::hint::black_box(&room);
        }
        Ok(Self(sandbox))
    }

    /// Loads the built-in rules, then every `*.wasm` of each directory, by name. A rule that does not load is kept as its report.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn load(self, built_in: &[(&str, Option<&[u8]>)], directories: &[PathBuf]) -> Result<RuleSet, LoadError> {
        self.load_with(built_in, directories, &Settings::default())
    }

    /// The same with what users set of rules. What is set of a rule and does not fit it makes that rule fail.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn load_with(
        self,
        built_in: &[(&str, Option<&[u8]>)],
        directories: &[PathBuf],
        settings: &Settings,
    ) -> Result<RuleSet, LoadError> {
        let found = candidates(directories, &self.0.limits)?;
        let mut rules = self.without_rules(settings.clone(), switched_off(directories, settings));
        let built_in = built_in.iter().map(|(id, component)| Candidate::built_in(id, *component));
        for candidate in built_in.chain(found) {
            rules.add(candidate);
        }
        Ok(rules)
    }

    /// A set that rules are to be added to: how they are set, and which are not used, for a reason.
    #[must_use]
    pub fn without_rules(self, settings: Settings, off: BTreeMap<String, String>) -> RuleSet {
        RuleSet { sandbox: self.0, settings, off, rules: Vec::new(), files: Vec::new() }
    }

    /// Starts what it needs beside the thread that judges: later there may be no right to.
    ///
    /// # Errors
    /// There is no room for another thread.
    pub fn start_threads(&self) -> Result<(), RuntimeError> {
        self.0.start_clock().map(drop).map_err(|error| RuntimeError { reason: no_deadline(error) })
    }
}

/// Rules that are not used, and why not.
#[must_use]
pub fn switched_off(directories: &[PathBuf], settings: &Settings) -> BTreeMap<String, String> {
    if settings.even_disabled {
        return BTreeMap::new();
    }
    let by_file = switches(directories).into_iter().filter_map(|switch| {
        let reason = format!("switched off by {}", printable(switch.display().to_string()));
        Some((switch.file_stem()?.to_str()?.to_owned(), reason))
    });
    let by_configuration = |id: &String| (id.clone(), "switched off by the configuration (rules.disabled)".to_owned());
    by_file.chain(settings.disabled.iter().map(by_configuration)).collect()
}

/// Its report: it is not used.
fn disabled(id: String, version: Option<String>, source: String, reason: &str) -> RuleReport {
    let reason = Some(reason.to_owned());
    RuleReport { id, version, source, status: RuleStatus::Disabled, reason, findings: Vec::new() }
}

/// Without it a rule could run for ever.
fn no_deadline(error: std::io::Error) -> String {
    format!("the thread that keeps its deadline cannot be started ({error}): raise the limit of threads (`ulimit -u`)")
}

impl RuleSet {
    /// The same without a rule, for others.
    #[must_use]
    pub fn emptied(self, settings: Settings, off: BTreeMap<String, String>) -> Self {
        Runtime(self.sandbox).without_rules(settings, off)
    }

    /// Makes native code of a rule, and runs nothing of it.
    ///
    /// # Errors
    /// It is no component.
    pub fn compile(&self, candidate: Candidate) -> Result<Bytes, String> {
        load::native_code(&self.sandbox, &candidate.component()?).map(Bytes::from)
    }

    /// Adds a rule; one that does not load, or is not used, is kept as the reason.
    pub fn add(&mut self, candidate: Candidate) -> Described {
        let (stem, source, path) = (candidate.stem.clone(), candidate.source.clone(), candidate.path.clone());
        let is_built_in = candidate.is_built_in();
        let code = candidate.code.clone();
        let bundle = candidate.bundle();
        let bytes = candidate.component();
        let component = bytes.as_ref().ok().map(|bytes| Fingerprint::of(bytes));
        let slot = match self.off.get(&stem) {
            // One that is known by its name need not be compiled.
            Some(reason) if is_built_in => Slot::Refused(disabled(stem, None, source, reason), None),
            _ => match bytes.and_then(|bytes| {
                self.load(&bytes, code.transpose()?.as_deref(), &source, is_built_in.then_some(&*stem), bundle.as_deref())
            }) {
                Ok(rule) => match self.off.get(rule.id()) {
                    Some(reason) => {
                        let about = rule.about();
                        let report = disabled(rule.id().to_owned(), Some(about.version.clone()), source, reason);
                        Slot::Refused(report, Some(Box::new(about.clone())))
                    }
                    None => Slot::Loaded(Box::new(rule)),
                },
                Err(reason) => Slot::Refused(
                    RuleReport {
                        id: stem,
                        version: None,
                        source,
                        status: RuleStatus::Failed,
                        // It may quote names that the file's author chose.
                        reason: Some(output::sentence(reason)),
                        findings: Vec::new(),
                    },
                    None,
                ),
            },
        };
        self.rules.push(slot);
        self.files.push(File { path, component, bundle });
        describe(&self.rules[self.rules.len() - 1], &self.files[self.files.len() - 1])
    }

    /// Loads a rule whose id is still free, or that of a built-in one whose place it may take; a built-in one has its own.
    fn load(
        &self,
        bytes: &[u8],
        code: Option<&[u8]>,
        source: &str,
        built_in: Option<&str>,
        bundle: Option<&OfBundle>,
    ) -> Result<LoadedRule, String> {
        let _clock = self.sandbox.start_clock().map_err(no_deadline)?;
        // What is set of a rule in its place need not fit the built-in one, which must be there when that one fails.
        let settings = match built_in.filter(|id| self.settings.replaces.contains(*id)) {
            Some(id) => &self.settings.fitting(id),
            None => &self.settings,
        };
        let rule = LoadedRule::load(&self.sandbox, bytes, code, source, settings, bundle)?;
        let replaces = self.settings.replaces.contains(rule.id()) || bundle.is_some_and(|of| of.replaces);
        let is_free = |other: &str| replaces && other == load::BUILT_IN;
        let taken = self.rules.iter().filter(|slot| !is_free(slot.source())).find_map(|slot| match slot {
            Slot::Loaded(other) if other.id() == rule.id() => Some(other.source()),
            Slot::Refused(report, _) if report.source == load::BUILT_IN && report.id == rule.id() => Some(load::BUILT_IN),
            Slot::Refused(report, Some(_)) if report.id == rule.id() => Some(&report.source),
            _ => None,
        });
        match taken {
            Some(load::BUILT_IN) => Err(format!(
                "its id `{}` is that of a built-in rule: give it another id, or name that id in rules.replaces of the configuration",
                rule.id()
            )),
            Some(other) => Err(format!("its id `{}` is already taken by {other}: remove one of the two", rule.id())),
            None if built_in.is_some_and(|id| id != rule.id()) => {
                Err(format!("it describes itself as `{}`: build kerno again with `cargo xtask build`", rule.id()))
            }
            None => Ok(rule),
        }
    }

    /// What there is, in the order of loading.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        let mut all: Vec<Described> = self.rules.iter().zip(&self.files).map(|(slot, file)| describe(slot, file)).collect();
        tell_replaced(&mut all, &self.settings);
        all
    }

    /// The value of a loaded rule's parameter.
    #[must_use]
    pub fn parameter(&self, rule: &str, name: &str) -> Option<f64> {
        self.rules.iter().find_map(|slot| match slot {
            Slot::Loaded(loaded) if loaded.id() == rule => loaded.parameter(name),
            _ => None,
        })
    }

    /// Judges a postcard-encoded [`Snapshot`]: one report a rule, in the order of loading.
    ///
    /// # Errors
    /// The bytes are no snapshot.
    pub fn judge(&self, snapshot: &[u8]) -> Result<Vec<RuleReport>, JudgeError> {
        Ok(self.judge_decoded(&Arc::new(Snapshot::from_postcard(snapshot)?)))
    }

    /// The same of a snapshot that is at hand.
    #[must_use]
    pub fn judge_decoded(&self, snapshot: &Arc<Snapshot>) -> Vec<RuleReport> {
        let mut reports = Vec::with_capacity(self.rules.len());
        let Ok(()) = self.judge_each(0..self.rules.len(), snapshot, |report, _| {
            reports.push(report);
            Ok::<_, Infallible>(())
        });
        settle(&mut reports, &self.described(), &self.settings);
        reports
    }

    /// The same of some of the rules, one after the other, until somebody has heard enough, before it is settled which of two counts:
    /// who is told as well whether the rule trapped or was stopped at one of its limits.
    ///
    /// # Errors
    /// What `tell` says.
    pub fn judge_each<E>(
        &self,
        mut which: impl Iterator<Item = usize>,
        snapshot: &Arc<Snapshot>,
        mut tell: impl FnMut(RuleReport, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let clock = self.sandbox.start_clock().map_err(no_deadline);
        which.try_for_each(|index| match (self.rules.get(index), &clock) {
            (Some(Slot::Loaded(rule)), Ok(_)) => {
                let Judged { report, stopped, .. } = rule.judge(&self.sandbox, snapshot);
                tell(report, stopped)
            }
            (Some(Slot::Loaded(rule)), Err(reason)) => tell(rule.failed(reason.clone()), false),
            (Some(Slot::Refused(report, _)), _) => tell(report.clone(), false),
            (None, _) => Ok(()),
        })
    }
}

fn describe(slot: &Slot, file: &File) -> Described {
    let File { path, component, bundle } = file;
    let (id, source, disabled, about, reason) = match slot {
        Slot::Loaded(rule) => (rule.id(), rule.source(), false, Some(rule.about()), None),
        Slot::Refused(report, about) => {
            (&*report.id, &*report.source, report.status == RuleStatus::Disabled, about.as_deref(), report.reason.clone())
        }
    };
    let (id, source, about) = (id.to_owned(), source.to_owned(), about.cloned());
    Described { id, source, path: path.clone(), component: component.clone(), bundle: bundle.clone(), disabled, about, reason }
}
