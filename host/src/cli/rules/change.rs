//! `kerno rules install`, `remove`, `enable` and `disable`: what changes a directory of rules. Whatever happens meanwhile, each file in
//! it is the old or the new one.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use serde::Serialize;

use super::{described, find, is_meant, place, tell, unknown, whole_bundle};
use crate::agent;
use crate::bundle::is_bundle;
use crate::cli::arguments::Rules;
use crate::cli::config::{self, Config};
use crate::cli::failure::warn;
use crate::cli::whole::{self, Staged};
use crate::cli::{Environment, Failure, doctor, exit};
use crate::engine::{Described, Limits, SWITCH};

/// Rules are no secret, and nobody else's to change.
pub(super) const FILE: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// What became of a rule.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) id: String,
    /// Its version, where there is one.
    pub(super) version: Option<String>,
    /// What was done: `installed`, `unchanged`, `removed`, `enabled` or `disabled`.
    pub(super) change: &'static str,
    /// The file that it was done to; of an unchanged rule its own.
    pub(super) path: String,
    /// The version that was there before.
    pub(super) replaced: Option<String>,
    /// The bundle that it is of.
    pub(super) bundle: Option<Revision>,
    /// What keeps it from being used.
    pub(super) off: Option<String>,
}

/// A bundle at one of its revisions.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Revision {
    pub(super) name: String,
    pub(super) revision: u64,
}

/// Directories of rules, the one of them that is changed, and what is in them.
pub(super) struct Directories {
    pub(super) config: Config,
    all: Vec<PathBuf>,
    pub(super) changed: PathBuf,
    pub(super) known: Vec<Described>,
}

impl Directories {
    pub(super) fn open(rules: &Rules, environment: &Environment) -> Result<Self, Failure> {
        agent::only_change_files();
        let config = Config::load(rules.config.as_deref(), true, environment)?;
        let named = match rules.dir.as_slice() {
            [] => config.settings.dirs.first().map(|(path, _)| path.clone()).or_else(|| config::usual_directory(environment)),
            [one] => Some(one.clone()),
            _ => return Err(Failure::usage("one directory is changed at a time", "give --dir once")),
        };
        let changed = named.ok_or_else(|| {
            Failure::usage("there is no directory of rules: neither HOME nor XDG_CONFIG_HOME is set", "name one with --dir")
        })?;
        let mut all = if rules.dir.is_empty() { doctor::rules(Vec::new(), "--dir", &config)? } else { Vec::new() };
        // One that is not there is made when there is something to put there.
        if changed.exists() && !all.contains(&changed) {
            all.push(changed.clone());
        }
        let mut directories = Self { config, all, changed, known: Vec::new() };
        let used: Vec<PathBuf> = directories.all.iter().filter(|directory| config::has_rules(directory)).cloned().collect();
        directories.known = directories.load(used)?;
        Ok(directories)
    }

    /// Loads rules, also those that are switched off.
    pub(super) fn load(&self, rules: Vec<PathBuf>) -> Result<Vec<Described>, Failure> {
        let mut judging = self.config.judging(rules);
        judging.settings.even_disabled = true;
        without_rights(|| described(&judging))
    }

    /// Makes the directory that is changed, if it is not there.
    pub(super) fn make(&self) -> Result<(), Failure> {
        if self.changed.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().recursive(true).mode(DIRECTORY).create(&self.changed);
        // Whatever the umask says.
        made.and_then(|()| fs::set_permissions(&self.changed, Permissions::from_mode(DIRECTORY)))
            .map_err(|error| refused(&self.changed, &error))
    }

    /// Files that switch a rule off.
    pub(super) fn switches(&self, id: &str) -> Vec<PathBuf> {
        // What a user types is the name of a file, and no way out of the directory.
        let all = self.all.iter().filter(|_| !id.contains('/')).map(|directory| switch(directory, id));
        all.filter(|path| fs::symlink_metadata(path).is_ok()).collect()
    }

    /// What keeps a rule from being used.
    pub(super) fn off(&self, id: &str) -> Option<String> {
        let counts = self.config.asks_for_signatures().is_none();
        let by_file = self.switches(id).first().filter(|_| counts).map(|switch| shown(switch));
        by_file.or_else(|| self.config.switches_off(id).map(|place| format!("rules.disabled in {place}")))
    }

    pub(super) fn of_id(&self, id: &str) -> impl Iterator<Item = &Described> {
        self.known.iter().filter(move |known| known.id == id)
    }

    /// The same without the built-in one, whose place another may take.
    fn own_of_id(&self, id: &str) -> impl Iterator<Item = &Described> {
        self.of_id(id).filter(|known| known.path.is_some())
    }

    fn version(&self, id: &str) -> Option<String> {
        self.of_id(id).find_map(|known| Some(known.about.as_ref()?.version.clone()))
    }
}

pub(super) fn install(from: &[PathBuf], rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    if let Some(bundle) = from.iter().find(|path| is_bundle(path)) {
        if from.len() > 1 {
            let what = format!("{} is a bundle, which is installed alone", shown(bundle));
            return Err(Failure::usage(what, "name it alone; nothing was installed"));
        }
        return whole_bundle::install(bundle, rules, environment);
    }
    let files: Vec<PathBuf> = from.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let directories = Directories::open(rules, environment)?;
    if is_bundle(&directories.changed) {
        let what = format!("{} is a bundle, which is used as a whole", shown(&directories.changed));
        let help = "make the bundle again with the rule in it, or name another directory with --dir; nothing was installed";
        return Err(Failure::usage(what, help));
    }
    let limits = &directories.config.settings.limits;
    let read: Vec<(PathBuf, Vec<u8>)> =
        files.into_iter().map(|file| read(&file, limits).map(|bytes| (file, bytes))).collect::<Result<_, Failure>>()?;
    directories.make()?;
    whole::sweep(&directories.changed);
    let mut ready: Vec<(Staged, PathBuf, Change)> = Vec::new();
    for (file, bytes) in read {
        let (staged, path, change) = stage(&file, &bytes, &directories)?;
        if ready.iter().any(|(.., other)| other.id == change.id) {
            let what = format!("{}: its id `{}` is that of another of these files", shown(&file), change.id);
            return Err(Failure::usage(what, "remove one of the two; nothing was installed"));
        }
        ready.push((staged, path, change));
    }
    // All of them would load: now none is held back by another.
    let mut changes: Vec<Change> = Vec::new();
    for (staged, path, change) in ready {
        if change.change == "installed" {
            staged.put(&path).map_err(|error| {
                let done: Vec<&str> = changes.iter().map(|change| change.id.as_str()).collect();
                let all = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
                refused(&path, &error).and(format!("{all} was installed before that"))
            })?;
        }
        changes.push(change);
    }
    done(rules, &changes)
}

/// Writes a file beside where it will be, and makes sure that it would load there.
fn stage(file: &Path, bytes: &[u8], directories: &Directories) -> Result<(Staged, PathBuf, Change), Failure> {
    let name = shown(file);
    let staged = Staged::write(&directories.changed, bytes, FILE).map_err(|error| refused(&directories.changed, &error))?;
    let loaded = directories.load(vec![staged.path().to_path_buf()])?;
    let rule = find(&staged.path().to_string_lossy(), &loaded)?;
    let Some(about) = &rule.about else {
        let reason = rule.reason.as_deref().unwrap_or_default();
        return Err(Failure::usage(
            format!("{name} does not load: {reason}"),
            "mend it, and install it again; nothing was installed",
        ));
    };
    let path = directories.changed.join(format!("{}.wasm", rule.id));
    let is_there = |known: &Described| known.path.as_deref().is_some_and(|known| place(known) == place(&path));
    if let Some(other) = directories.known.iter().find(|known| is_there(known) && known.id != rule.id) {
        let what = format!("{name}: its place {} is that of the rule {}", shown(&path), other.id);
        return Err(Failure::usage(what, format!("give that file another name, as {}.wasm; nothing was installed", other.id)));
    }
    let mut change = Change {
        id: rule.id.clone(),
        version: Some(about.version.clone()),
        change: "unchanged",
        path: shown(&path),
        replaced: None,
        bundle: None,
        off: directories.off(&rule.id),
    };
    if let Some(same) = directories.own_of_id(&rule.id).find(|known| known.component == rule.component) {
        change.path.clone_from(&same.source);
        return Ok((staged, path, change));
    }
    if let Some(other) = directories.own_of_id(&rule.id).find(|known| !is_there(known)) {
        let what = format!("{name}: its id `{}` is already taken by {}", rule.id, other.source);
        return Err(Failure::usage(what, "remove that file first; nothing was installed"));
    }
    if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        let what = format!("{name}: its place {} is taken by what is no file", shown(&path));
        return Err(Failure::usage(what, "remove that first; nothing was installed"));
    }
    change.change = "installed";
    change.replaced = directories.own_of_id(&rule.id).find_map(|known| Some(known.about.as_ref()?.version.clone()));
    Ok((staged, path, change))
}

pub(super) fn remove(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::open(rules, environment)?;
    if let Some(done) = whole_bundle::remove(rule, &directories, rules) {
        return done;
    }
    let mut meant = directories.known.iter().filter(|known| known.path.is_some() && is_meant(rule, known));
    let Some(one) = meant.next() else {
        let built_in = find(rule, &directories.known)?;
        let help = format!("switch it off: kerno rules disable {}", built_in.id);
        return Err(Failure::usage(format!("{} is built in and cannot be removed", built_in.id), help));
    };
    if let Some(other) = meant.next() {
        let what = format!("{rule} is the id of {} and of {}", one.source, other.source);
        return Err(Failure::usage(what, "name the file that is to be removed"));
    }
    let path = one.path.clone().unwrap_or_default();
    whole::remove(&path).map_err(|error| refused(&path, &error))?;
    if directories.of_id(&one.id).count() == 1 {
        // Without its rule a switch has nothing to switch.
        for switch in directories.switches(&one.id) {
            whole::remove(&switch).map_err(|error| refused(&switch, &error))?;
        }
        if let Some(place) = directories.config.switches_off(&one.id) {
            warn(&format!("rules.disabled in {place} still names {}: remove it there", one.id));
        }
    }
    let version = one.about.as_ref().map(|about| about.version.clone());
    changed(rules, &one.id, version, "removed", shown(&path))
}

pub(super) fn enable(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::open(rules, environment)?;
    let known = directories.known.iter().find(|known| is_meant(rule, known));
    // A switch may be there without its rule.
    let id = known.map_or(rule, |known| &known.id);
    if let Some(place) = directories.config.switches_off(id) {
        let what = format!("{id} is switched off by the configuration, rules.disabled in {place}");
        return Err(Failure::usage(what, "remove it there"));
    }
    let found = directories.switches(id);
    for switch in &found {
        whole::remove(switch).map_err(|error| refused(switch, &error))?;
    }
    match (found.first(), known) {
        (Some(switch), _) => changed(rules, id, directories.version(id), "enabled", shown(switch)),
        (None, Some(known)) => changed(rules, id, directories.version(id), "unchanged", known.source.clone()),
        (None, None) => Err(unknown(rule, directories.known.iter().map(|known| known.id.as_str()))),
    }
}

pub(super) fn disable(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::open(rules, environment)?;
    let is_used = |known: &&Described| is_meant(rule, known) && (known.about.is_some() || known.path.is_none());
    let known = match directories.known.iter().find(is_used) {
        Some(used) => used,
        None => {
            let broken = find(rule, &directories.known)?;
            let what =
                format!("{} does not load and is not used: {}", broken.source, broken.reason.as_deref().unwrap_or_default());
            return Err(Failure::usage(what, "remove it, or mend it"));
        }
    };
    let id = &known.id;
    if let Some(place) = directories.config.asks_for_signatures() {
        let what = format!("a file switches nothing off where signatures are asked for (rules.require_signature in {place})");
        return Err(Failure::usage(what, format!("write {id} into rules.disabled there")));
    }
    if let Some(switch) = directories.switches(id).first() {
        return changed(rules, id, directories.version(id), "unchanged", shown(switch));
    }
    let switch = switch(&directories.changed, id);
    directories.make()?;
    whole::write(&switch, &[], FILE).map_err(|error| refused(&switch, &error))?;
    changed(rules, id, directories.version(id), "disabled", shown(&switch))
}

/// The file that switches a rule off in a directory.
fn switch(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.{SWITCH}"))
}

/// The file itself, or all rules of a directory, sorted.
pub(super) fn files(from: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::usage(format!("{} cannot be read: {error}", shown(from)), "name a rule's component, or a directory of them")
    };
    if !fs::metadata(from).map_err(unreadable)?.is_dir() {
        return Ok(vec![from.to_path_buf()]);
    }
    let entries: io::Result<Vec<PathBuf>> = fs::read_dir(from).map_err(unreadable)?.map(|entry| Ok(entry?.path())).collect();
    let is_rule = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let mut files: Vec<PathBuf> = entries.map_err(unreadable)?.into_iter().filter(is_rule).collect();
    if files.is_empty() {
        let what = format!("there is no rule (*.wasm) in {}", shown(from));
        return Err(Failure::usage(what, "name the directory that they were built into"));
    }
    files.sort();
    Ok(files)
}

/// What looks at rules has no right to change anything: a thread gives its rights up for itself alone.
pub(super) fn without_rights<T: Send>(look: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    thread::scope(|scope| scope.spawn(look).join())
        .unwrap_or_else(|_| Err(Failure::own("the rules could not be loaded: see above", "run it again")))
}

/// A file's component; of one that is too large, as many bytes as show that it is.
pub(super) fn read(file: &Path, limits: &Limits) -> Result<Vec<u8>, Failure> {
    let help = "name the file of a rule's component that this user may read";
    let unreadable = |why: String| Failure::usage(format!("{} cannot be read: {why}", shown(file)), help);
    // A pipe or a device would never end.
    if !fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.is_file() {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let most = limits.module + 1;
    let read = fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 >= most {
        return Ok(bytes);
    }
    without_rights(|| agent::component_of(bytes, limits).map_err(|error| doctor::failed(&error)))?
        .map_err(|error| Failure::usage(format!("{} {}", shown(file), error.why), format!("{}; nothing was done", error.help)))
}

pub(super) fn refused(path: &Path, error: &io::Error) -> Failure {
    let help = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there, or name another directory with --dir",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "run it as a user who may write there, or name another directory with --dir"
        }
        _ => "name a directory that is there and that takes files with --dir",
    };
    Failure::usage(format!("{} cannot be changed: {}", shown(path), whole::reason(error)), help)
}

/// A path for people, whatever it is made of.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string().chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn changed(rules: &Rules, id: &str, version: Option<String>, change: &'static str, path: String) -> Result<u8, Failure> {
    done(rules, &[Change { id: id.to_owned(), version, change, path, replaced: None, bundle: None, off: None }])
}

pub(super) fn done(rules: &Rules, changes: &[Change]) -> Result<u8, Failure> {
    tell(rules.output, changes, |changes| changes.iter().map(text).collect())?;
    Ok(exit::DONE)
}

fn text(change: &Change) -> String {
    let Change { id, version, change, path, replaced, bundle, off } = change;
    let mut text = version.as_ref().map_or_else(|| id.clone(), |version| format!("{id} {version}"));
    text += &format!(": {change}: {path}");
    if let Some(before) = replaced {
        text += &format!(", in place of {before}");
    }
    if let Some(Revision { name, revision }) = bundle {
        text += &format!(" ({name} revision {revision})");
    }
    if let Some(off) = off {
        text += &format!("; not used: switched off by {off} (kerno rules enable {id})");
    }
    text + "\n"
}
