//! Runs rules: WebAssembly components that see one snapshot and nothing else. The only user of wasmtime.
//!
//! One function, [`RuleSet::judge`]: snapshot bytes in, findings out. Every evaluation gets a fresh instance, little memory, little
//! time and no way out; whatever a rule does, the others still run.

mod ahead;
mod answers;
mod bench;
mod bindings;
mod clock;
mod described;
mod load;
mod module;
mod output;
mod parameters;
mod rule;
mod sandbox;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kerno_signals::Snapshot;

pub use ahead::compile as compile_ahead;
pub use bench::{Bench, Cost, RUNS, Times};
pub use described::{About, Described, Fingerprint};
pub use load::{SWITCH, switches};
pub use module::{NoComponent, component_of};

use crate::findings::{RuleReport, RuleStatus};

pub use parameters::{BUILT_IN_PARAMETERS, Parameter, Quantity, Settings, Unit, nearest};

use load::Candidate;
use rule::LoadedRule;
use sandbox::Sandbox;

/// What a rule may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time of one call, by the wall: generous, because kerno runs where tasks wait long for a CPU.
    pub deadline: Duration,
    /// Linear memory of one instance, bytes.
    pub memory: usize,
    /// What one call may pass or return, bytes as the host holds them.
    pub result: usize,
    /// Findings of one evaluation.
    pub findings: usize,
    /// Size of a user's component, bytes.
    pub module: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(1), memory: 16 << 20, result: 256 << 10, findings: 64, module: 1 << 20 }
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

/// Room for rules, and nothing compiled yet: whether there is any is known before a window is measured.
pub struct Runtime(Sandbox);

/// All rules, loaded or refused.
pub struct RuleSet {
    sandbox: Sandbox,
    rules: Vec<Slot>,
    /// Of each rule.
    files: Vec<File>,
}

/// A rule's file, as far as there is one and it could be read.
struct File {
    path: Option<PathBuf>,
    component: Option<Fingerprint>,
}

/// A rule, or why there is none.
enum Slot {
    Loaded(Box<LoadedRule>),
    /// Not loaded; or loaded, and switched off.
    Refused(RuleReport, Option<Box<About>>),
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
        let Self(sandbox) = self;
        let candidates = load::candidates(built_in, directories, &sandbox.limits)?;
        let off = switched_off(directories, settings);
        let clock = sandbox.start_clock().map_err(no_deadline);
        let (mut rules, mut files): (Vec<Slot>, Vec<_>) = (Vec::new(), Vec::new());
        for candidate in candidates {
            let Candidate { stem, source, path, bytes } = candidate;
            files.push(File { path, component: bytes.as_ref().ok().map(|bytes| Fingerprint::of(bytes)) });
            // One that is known by its name need not be compiled.
            if let (load::BUILT_IN, Some(reason)) = (&*source, off.get(&stem)) {
                rules.push(Slot::Refused(disabled(stem, None, source, reason), None));
                continue;
            }
            let built_in_id = (source == load::BUILT_IN).then(|| stem.clone());
            let bytes = bytes.and_then(|bytes| clock.as_ref().map(|_| bytes).map_err(Clone::clone));
            let loaded = bytes.and_then(|bytes| LoadedRule::load(&sandbox, &bytes, &source, settings)).and_then(|rule| {
                let taken = rules.iter().find_map(|slot| match slot {
                    Slot::Loaded(other) if other.id() == rule.id() => Some(other.source()),
                    Slot::Refused(report, _) if report.source == load::BUILT_IN && report.id == rule.id() => Some(load::BUILT_IN),
                    Slot::Refused(report, Some(_)) if report.id == rule.id() => Some(&report.source),
                    _ => None,
                });
                match taken {
                    Some(load::BUILT_IN) => Err(format!("its id `{}` is that of a built-in rule: give it another id", rule.id())),
                    Some(other) => Err(format!("its id `{}` is already taken by {other}: remove one of the two", rule.id())),
                    None if built_in_id.as_ref().is_some_and(|id| id != rule.id()) => {
                        Err(format!("it describes itself as `{}`: build kerno again with `cargo xtask build`", rule.id()))
                    }
                    None => Ok(rule),
                }
            });
            rules.push(match loaded {
                Ok(rule) => match off.get(rule.id()) {
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
            });
        }
        drop(clock);
        Ok(RuleSet { sandbox, rules, files })
    }
}

/// Rules that are not used, and why not.
fn switched_off(directories: &[PathBuf], settings: &Settings) -> BTreeMap<String, String> {
    if settings.even_disabled {
        return BTreeMap::new();
    }
    let by_file = switches(directories).into_iter().filter_map(|switch| {
        let reason = format!("switched off by {}", output::printable(switch.display().to_string()));
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
    /// What there is, in the order of loading.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        let described = |(slot, file): (&Slot, &File)| match slot {
            Slot::Loaded(rule) => Described {
                id: rule.id().to_owned(),
                source: rule.source().to_owned(),
                path: file.path.clone(),
                component: file.component.clone(),
                disabled: false,
                about: Some(rule.about().clone()),
                reason: None,
            },
            Slot::Refused(report, about) => Described {
                id: report.id.clone(),
                source: report.source.clone(),
                path: file.path.clone(),
                component: file.component.clone(),
                disabled: report.status == RuleStatus::Disabled,
                about: about.as_deref().cloned(),
                reason: report.reason.clone(),
            },
        };
        self.rules.iter().zip(&self.files).map(described).collect()
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
        let clock = self.sandbox.start_clock().map_err(no_deadline);
        let judge = |slot: &Slot| match (slot, &clock) {
            (Slot::Loaded(rule), Ok(_)) => rule.judge(&self.sandbox, snapshot).0,
            (Slot::Loaded(rule), Err(reason)) => rule.failed(reason.clone()),
            (Slot::Refused(report, _), _) => report.clone(),
        };
        self.rules.iter().map(judge).collect()
    }
}
