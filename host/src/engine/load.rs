//! Finds rules, and looks at their bytes before the runtime does: what is no component of ours is refused with the reason.

use std::fs;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use super::bindings::RulePre;
use super::sandbox::{Sandbox, State};
use super::{Bytes, Fingerprint, Limits, LoadError, OfBundle, ahead, component_of, output};

pub(super) use crate::findings::BUILT_IN_SOURCE as BUILT_IN;

/// The contract that is offered: `wit/v1`.
const PACKAGE: &str = "kerno:rules";
const VERSION: &str = "1.1.0";
const MAJOR: &str = "1";

/// The extension of a file that switches off the rule with its name.
pub const SWITCH: &str = "disabled";

/// A rule that was found, and its bytes or why there are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    pub(super) stem: String,
    pub(super) source: String,
    /// Its file; the source is what is shown of it.
    #[serde(skip)]
    pub(super) path: Option<PathBuf>,
    pub(super) bytes: Result<Bytes, String>,
    /// It was named: what cargo built can be tried as it is; directories hold what was installed.
    pub(super) named: bool,
    /// Native code that was made of it, or why there can be none; `None` when nobody has tried yet.
    pub(super) code: Option<Result<Bytes, String>>,
    /// The bundle that it is of.
    pub(super) bundle: Option<Box<OfBundle>>,
}

impl Candidate {
    /// A rule of kerno's own, and its component.
    #[must_use]
    pub fn built_in(id: &str, component: Option<&[u8]>) -> Self {
        let bytes = component
            .map(Bytes::from)
            .ok_or_else(|| "not built in: this kerno was built without its rules; build it with `cargo xtask build`".to_owned());
        Self { bytes, ..Self::refused_as(id.to_owned(), BUILT_IN.to_owned(), String::new()) }
    }

    /// In the place of all rules of a directory that cannot be read: why not.
    #[must_use]
    pub fn unreadable(directory: &Path, reason: String) -> Self {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::refused_as(output::printable(name), output::printable(directory.display().to_string()), reason)
    }

    /// The same, shown as a file of that name in another directory.
    #[must_use]
    pub fn moved_to(mut self, directory: &Path) -> Self {
        if let Some(path) = self.path.as_ref().and_then(|path| Some(directory.join(path.file_name()?))) {
            self.source = output::printable(path.display().to_string());
            self.path = Some(path);
        }
        self
    }

    /// A rule of a bundle, which was checked.
    #[must_use]
    pub fn of_bundle(of: OfBundle, path: PathBuf, component: Vec<u8>) -> Self {
        let stem = of.id.clone();
        Self { stem, bytes: Ok(component.into()), bundle: Some(Box::new(of)), ..Self::refused("", path, String::new()) }
    }

    /// A rule whose bytes are at hand, from that file.
    #[must_use]
    pub fn in_memory(path: PathBuf, component: Vec<u8>) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self { bytes: Ok(component.into()), named: true, ..Self::refused(&stem, path, String::new()) }
    }

    /// What is not to be tried, for a reason.
    #[must_use]
    pub fn refused(name: &str, path: PathBuf, reason: String) -> Self {
        let source = output::printable(path.display().to_string());
        Self { path: Some(path), ..Self::refused_as(output::printable(name.to_owned()), source, reason) }
    }

    const fn refused_as(stem: String, source: String, reason: String) -> Self {
        Self { stem, source, path: None, bytes: Err(reason), named: false, code: None, bundle: None }
    }

    /// The bundle that it is of.
    #[must_use]
    pub fn bundle(&self) -> Option<Box<OfBundle>> {
        self.bundle.clone()
    }

    /// Its file.
    #[must_use]
    pub const fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// What is shown of where it comes from.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.source
    }

    /// Whether it is one of kerno's own.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.source == BUILT_IN
    }

    /// Whether it was named, not found in a directory.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.named
    }

    /// Whether it is not to be tried.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.bytes.is_err()
    }

    /// Why it is not to be tried.
    #[must_use]
    pub fn why_refused(&self) -> Option<&str> {
        self.bytes.as_ref().err().map(String::as_str)
    }

    /// It is not to be tried, for this reason.
    pub fn refuse(&mut self, reason: String) {
        self.bytes = Err(reason);
    }

    /// What its file holds, by which it is known again.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.bytes.as_ref().ok().map(|bytes| Fingerprint::of(bytes))
    }

    /// Whether it is of a bundle that must not be used from now on.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.bundle.as_ref().and_then(|bundle| bundle.expires).is_some_and(|expires| expires <= now)
    }

    /// Whether it is the same as another one in all that counts: what it holds, and what its bundle says of it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.stem, &self.path, &self.bytes, &self.bundle) == (&other.stem, &other.path, &other.bytes, &other.bundle)
    }

    /// The same with native code that was made of it by [`RuleSet::compile`](super::RuleSet::compile), or with why there can be none.
    #[must_use]
    pub fn compiled(self, code: Result<Bytes, String>) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The component, or why there is none.
    pub(super) fn component(self) -> Result<Bytes, String> {
        let bytes = self.bytes?;
        if self.named { component_of(bytes.to_vec()).map(Bytes::from).map_err(|error| format!("it {error}")) } else { Ok(bytes) }
    }
}

/// Every `*.wasm` of the directories, sorted; a file that is named stands for itself. Whether they are of a bundle, and whether they may
/// be used, is looked at before.
///
/// # Errors
/// A directory cannot be read.
pub fn candidates(directories: &[PathBuf], limits: &Limits) -> Result<Vec<Candidate>, LoadError> {
    let mut all = Vec::new();
    for directory in directories {
        if fs::metadata(directory).is_ok_and(|there| !there.is_dir()) {
            all.push(Candidate { named: true, ..candidate(directory, limits) });
            continue;
        }
        let unreadable = |source| LoadError::Directory { path: directory.clone(), source };
        // One that is empty was made for rules; in another one they were looked for in vain.
        let (mut paths, mut has_others) = (Vec::new(), false);
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            has_others |= path.extension().is_none_or(|extension| extension != SWITCH);
            if path.extension().is_some_and(|extension| extension == "wasm") {
                paths.push(path);
            }
        }
        if paths.is_empty() && has_others {
            let reason = "there is no rule (*.wasm) in this directory: name the one that they were built into";
            all.push(Candidate::unreadable(directory, reason.to_owned()));
        }
        paths.sort();
        all.extend(paths.iter().map(|path| candidate(path, limits)));
    }
    Ok(all)
}

/// Files `ID.disabled` in the directories: each switches off the rule with its name. Directories that cannot be read have none.
#[must_use]
pub fn switches(directories: &[PathBuf]) -> Vec<PathBuf> {
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let paths = files.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == SWITCH)).collect()
}

fn candidate(path: &Path, limits: &Limits) -> Candidate {
    Candidate {
        stem: output::printable(path.file_stem().unwrap_or_default().to_string_lossy().into_owned()),
        source: output::printable(path.display().to_string()),
        path: Some(path.to_path_buf()),
        bytes: read(path, limits).map(Bytes::from),
        named: false,
        code: None,
        bundle: None,
    }
}

/// A component's bytes.
///
/// # Errors
/// Why there are none.
pub fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read ({error}): let kerno read it, or remove it");
    // A pipe or a device would never end.
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err("it is no regular file: put the component itself there".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(limits.module + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > limits.module {
        return Err(format!("it {}", limits.too_large()));
    }
    Ok(bytes)
}

/// Whether these bytes begin as a component does.
fn check_kind(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            Err("it is a core WebAssembly module, not a component: `kerno rules install` makes one of it as it installs it"
                .to_owned())
        }
        [] => Err("it is empty: copy it again".to_owned()),
        [b'\0', b'a', b's', b'm', ..] if bytes.len() < 8 => {
            Err("it is truncated after its first bytes: copy it again".to_owned())
        }
        [b'\0', b'a', b's', b'm', ..] => Err("it is WebAssembly of an unknown version: build it again with the SDK".to_owned()),
        _ => Err("it is not WebAssembly: put a rule's component there, or remove the file".to_owned()),
    }
}

/// Native code of a component, to be loaded in another process of this program.
pub(super) fn native_code(sandbox: &Sandbox, bytes: &[u8]) -> Result<Vec<u8>, String> {
    check_kind(bytes)?;
    compiled(sandbox, || sandbox.native_code(bytes))
}

/// Compiles a component, unless the build or another process already did, and links it to the contract.
pub(super) fn prepare(sandbox: &Sandbox, bytes: &[u8], code: Option<&[u8]>) -> Result<RulePre<State>, String> {
    check_kind(bytes)?;
    let component = match ahead::load(sandbox.engine(), bytes).or_else(|| ahead::load_made(sandbox.engine(), code?)) {
        Some(component) => component,
        None => compile(sandbox, bytes)?,
    };
    check_world(sandbox, &component)?;
    sandbox.link(&component).map_err(|error| {
        let text = format!("{error:#}");
        match component.component_type().imports(sandbox.engine()).find_map(|(name, _)| newer(name).map(str::to_owned)) {
            Some(wanted) => format!(
                "it was built for {PACKAGE}@{wanted}, and this kerno offers {PACKAGE}@{VERSION}, which does not have all that it uses \
                 ({text}): use a newer kerno, or build it with the SDK of this one"
            ),
            None => format!("it does not fit {PACKAGE}@{VERSION} ({text}): build it with the SDK of this kerno"),
        }
    })
}

/// Compiles a component, whether its native code is there or not.
fn compile(sandbox: &Sandbox, bytes: &[u8]) -> Result<Component, String> {
    compiled(sandbox, || Component::new(sandbox.engine(), bytes))
}

fn compiled<T>(sandbox: &Sandbox, compile: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, String> {
    let compiled = catch_unwind(AssertUnwindSafe(compile))
        .map_err(|_| "the compiler gave up on it, by a fault of its own: build it again with the SDK, or remove it".to_owned())?;
    compiled.map_err(|error| {
        let text = format!("{:#}", error.root_cause());
        if text.contains("unexpected end") || text.contains("out-of-bounds") || text.contains("extends past") {
            format!("it is truncated ({text}): copy it again")
        } else if text.contains("memory has a minimum byte size") {
            sandbox.too_much_memory()
        } else {
            format!("it is no valid component ({text}): build it again")
        }
    })
}

/// Names what a component wants that is not there, before the runtime does so in its own words.
fn check_world(sandbox: &Sandbox, component: &Component) -> Result<(), String> {
    let world = component.component_type();
    for (name, _) in world.imports(sandbox.engine()) {
        if name.starts_with("wasi:") {
            return Err(format!(
                "it imports `{name}`, but rules have no WASI: build it for wasm32-unknown-unknown, without files, clocks or randomness"
            ));
        }
        check_version(name)?;
        let interface =
            name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split('@').next());
        if !matches!(
            interface,
            Some(
                "types"
                    | "host"
                    | "params"
                    | "log"
                    | "block"
                    | "cpu"
                    | "fd"
                    | "memory"
                    | "oom"
                    | "sched"
                    | "start"
                    | "syscall"
                    | "tcp"
            )
        ) {
            let instead = match newer(name) {
                Some(_) => "use a newer kerno, or build it with the SDK of this one",
                None => "build it for that contract",
            };
            return Err(format!(
                "it imports `{name}`, which {PACKAGE}@{VERSION}, which this kerno offers, does not have: {instead}"
            ));
        }
    }
    let guest = format!("{PACKAGE}/guest");
    let mut others = None;
    for (name, _) in world.exports(sandbox.engine()) {
        check_version(name)?;
        if name.split('@').next() == Some(&guest) {
            return Ok(());
        }
        others.get_or_insert(name);
    }
    let instead = others.map_or_else(String::new, |name| format!(" but `{name}`"));
    Err(format!(
        "it is a component of another world: it does not export `{guest}@{VERSION}`{instead}; export a rule with the SDK"
    ))
}

/// What it imports.
pub(super) fn imports(sandbox: &Sandbox, component: &Component) -> Vec<String> {
    component.component_type().imports(sandbox.engine()).map(|(name, _)| output::printable(name.to_owned())).collect()
}

/// The version of the contract that it imports this of, if it is a later one than what is offered.
fn newer(name: &str) -> Option<&str> {
    let number = |version: &str| -> Option<Vec<u32>> {
        let plain = version.split(['-', '+']).next()?;
        plain.split('.').map(|part| part.parse().ok()).collect()
    };
    let (_, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    (number(version)? > number(VERSION)?).then_some(version)
}

fn check_version(name: &str) -> Result<(), String> {
    match name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) {
        Some((_, version)) if version.split('.').next() != Some(MAJOR) => Err(format!(
            "it was built for {PACKAGE}@{version}, this kerno offers {PACKAGE}@{VERSION}: build it for that, or use another kerno"
        )),
        _ => Ok(()),
    }
}
