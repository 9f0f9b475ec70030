//! `kerno rules install`, `remove`, `enable` and `disable`: what changes a directory of rules. Whatever happens meanwhile, each file in
//! it is the old or the new one.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{described, find, is_file, tell, unknown};
use crate::agent::Judging;
use crate::cli::arguments::Rules;
use crate::cli::config::{self, Config};
use crate::cli::whole::{self, Staged};
use crate::cli::{Environment, Failure, doctor, exit};
use crate::engine::{Described, Limits, SWITCH};
use crate::findings::BUILT_IN_SOURCE;

/// Rules are no secret.
const MODE: u32 = 0o644;

/// What became of a rule.
#[derive(Debug, Serialize)]
struct Change {
    id: String,
    /// Its version, where there is one.
    version: Option<String>,
    /// What was done: `installed`, `unchanged`, `removed`, `enabled` or `disabled`.
    change: &'static str,
    /// The file that it was done to.
    path: PathBuf,
    /// The version that was there before.
    replaced: Option<String>,
}

/// Directories of rules, and the one of them that is changed.
struct Directories {
    config: Config,
    all: Vec<PathBuf>,
    changed: PathBuf,
}

impl Directories {
    fn new(rules: &Rules, environment: &Environment) -> Result<Self, Failure> {
        let config = Config::load(rules.config.as_deref(), true, environment)?;
        let named = match rules.dir.as_slice() {
            [] => config.directories().into_iter().next().or_else(|| config::usual_directory(environment)),
            [one] => Some(one.clone()),
            _ => return Err(Failure::usage("one directory is changed at a time", "give --dir once")),
        };
        let changed = named.ok_or_else(|| {
            Failure::usage("there is no directory of rules: neither HOME nor XDG_CONFIG_HOME is set", "name one with --dir")
        })?;
        fs::create_dir_all(&changed).map_err(|error| refused(&changed, &error))?;
        let mut all = doctor::rules(rules.dir.clone(), "--dir", &config)?;
        if !all.contains(&changed) {
            all.push(changed.clone());
        }
        Ok(Self { config, all, changed })
    }

    /// What there is beside the built-in rules, also what is switched off.
    fn described(&self) -> Result<Vec<Described>, Failure> {
        // One without any rule in it is what this may be about.
        let is_used = |directory: &&PathBuf| {
            fs::read_dir(directory).is_ok_and(|entries| entries.flatten().any(|entry| is_rule(&entry.path())))
        };
        self.load(self.all.iter().filter(is_used).cloned().collect())
    }

    fn load(&self, rules: Vec<PathBuf>) -> Result<Vec<Described>, Failure> {
        let mut judging: Judging = self.config.judging(rules);
        judging.settings.even_disabled = true;
        described(&judging)
    }
}

pub(super) fn install(from: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let files = files(from)?;
    let directories = Directories::new(rules, environment)?;
    let known = directories.described()?;
    let mut ready: Vec<(Staged, Change)> = Vec::new();
    for file in files {
        let (staged, change) = stage(&file, &directories, &known)?;
        if let Some((_, other)) = ready.iter().find(|(_, other)| other.id == change.id) {
            let what = format!("{}: its id `{}` is that of another of these files", file.display(), other.id);
            return Err(Failure::usage(what, "remove one of the two; nothing was installed"));
        }
        ready.push((staged, change));
    }
    // All of them would load: now none is held back by another.
    for (staged, change) in &ready {
        staged.put_at(&change.path).map_err(|error| refused(&directories.changed, &error))?;
    }
    done(rules, ready.into_iter().map(|(_, change)| change).collect())
}

/// Writes a file beside where it will be, and makes sure that it would load there.
fn stage(file: &Path, directories: &Directories, known: &[Described]) -> Result<(Staged, Change), Failure> {
    let shown = file.display();
    let bytes = read(file)?;
    let beside = directories.changed.join(file.file_name().unwrap_or_default());
    let staged = Staged::write(&beside, &bytes, MODE).map_err(|error| refused(&directories.changed, &error))?;
    let loaded = directories.load(vec![staged.path().to_path_buf()])?;
    let rule = find(&staged.path().to_string_lossy(), &loaded)?;
    let Some(about) = &rule.about else {
        let reason = rule.reason.as_deref().unwrap_or_default();
        return Err(Failure::usage(
            format!("{shown} does not load: {reason}"),
            "mend it, and install it again; nothing was installed",
        ));
    };
    let path = directories.changed.join(format!("{}.wasm", rule.id));
    let same_id = || known.iter().filter(|other| other.id == rule.id);
    if let Some(other) = same_id().find(|other| !is_file(&other.source, &path.to_string_lossy())) {
        let what = format!("{shown}: its id `{}` is already taken by {}", rule.id, other.source);
        return Err(Failure::usage(what, format!("remove that one first: kerno rules remove {}", rule.id)));
    }
    let before = same_id().next();
    let is_there = before.is_some_and(|before| before.component == rule.component);
    let change = Change {
        id: rule.id.clone(),
        version: Some(about.version.clone()),
        change: if is_there { "unchanged" } else { "installed" },
        path,
        replaced: before.filter(|_| !is_there).and_then(|before| Some(before.about.as_ref()?.version.clone())),
    };
    Ok((staged, change))
}

pub(super) fn remove(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::new(rules, environment)?;
    let known = directories.described()?;
    let one = find(rule, &known)?;
    if one.source == BUILT_IN_SOURCE {
        let help = format!("switch it off: kerno rules disable {}", one.id);
        return Err(Failure::usage(format!("{} is built in and cannot be removed", one.id), help));
    }
    let path = PathBuf::from(&one.source);
    whole::remove(&path).map_err(|error| refused(&path, &error))?;
    // Without its rule a switch has nothing to switch.
    switches(&directories, &one.id).try_for_each(|switch| whole::remove(&switch).map_err(|error| refused(&switch, &error)))?;
    let version = one.about.as_ref().map(|about| about.version.clone());
    done(rules, vec![Change { id: one.id.clone(), version, change: "removed", path, replaced: None }])
}

pub(super) fn enable(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::new(rules, environment)?;
    let known = directories.described()?;
    // A switch may be there without its rule.
    let id = known.iter().find(|known| known.id == rule || is_file(&known.source, rule)).map_or(rule, |known| &known.id);
    let found: Vec<PathBuf> = switches(&directories, id).collect();
    if let Some(place) = directories.config.switches_off(id) {
        let what = format!("{id} is switched off by the configuration, rules.disabled in {place}");
        return Err(Failure::usage(what, "remove it there"));
    }
    if found.is_empty() && !known.iter().any(|known| known.id == id) {
        return Err(unknown(rule, known.iter().map(|known| known.id.as_str())));
    }
    for switch in &found {
        whole::remove(switch).map_err(|error| refused(switch, &error))?;
    }
    let path = found.first().cloned().unwrap_or_else(|| switch(&directories.changed, id));
    let change = if found.is_empty() { "unchanged" } else { "enabled" };
    done(rules, vec![Change { id: id.to_owned(), version: version(&known, id), change, path, replaced: None }])
}

pub(super) fn disable(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::new(rules, environment)?;
    let known = directories.described()?;
    let id = &find(rule, &known)?.id;
    let found = switches(&directories, id).next();
    let change = if found.is_some() { "unchanged" } else { "disabled" };
    let path = found.unwrap_or_else(|| switch(&directories.changed, id));
    if change == "disabled" {
        whole::write(&path, &[], MODE).map_err(|error| refused(&directories.changed, &error))?;
    }
    done(rules, vec![Change { id: id.clone(), version: version(&known, id), change, path, replaced: None }])
}

fn version(known: &[Described], id: &str) -> Option<String> {
    Some(known.iter().find(|known| known.id == id)?.about.as_ref()?.version.clone())
}

/// The file that switches a rule off in a directory.
fn switch(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.{SWITCH}"))
}

/// Those that are there.
fn switches(directories: &Directories, id: &str) -> impl Iterator<Item = PathBuf> {
    // What a user types is the name of a file, and no way out of the directory.
    let is_name = !id.contains('/');
    let all = directories.all.iter().map(move |directory| switch(directory, id));
    all.filter(move |path| is_name && fs::symlink_metadata(path).is_ok())
}

fn is_rule(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// The file itself, or all rules of a directory, sorted.
fn files(from: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::usage(format!("{} cannot be read: {error}", from.display()), "name a rule's component, or a directory of them")
    };
    if !fs::metadata(from).map_err(unreadable)?.is_dir() {
        return Ok(vec![from.to_path_buf()]);
    }
    let entries: io::Result<Vec<PathBuf>> = fs::read_dir(from).map_err(unreadable)?.map(|entry| Ok(entry?.path())).collect();
    let mut files: Vec<PathBuf> = entries.map_err(unreadable)?.into_iter().filter(|path| is_rule(path)).collect();
    if files.is_empty() {
        let what = format!("there is no rule (*.wasm) in {}", from.display());
        return Err(Failure::usage(what, "name the directory that they were built into"));
    }
    files.sort();
    Ok(files)
}

/// A file's bytes; of one that is too large, as many as show that it is.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let help = "name the file of a rule's component that this user may read";
    let unreadable = |why: String| Failure::usage(format!("{} cannot be read: {why}", file.display()), help);
    // A pipe or a device would never end.
    if !fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.is_file() {
        return Err(unreadable("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let most = Limits::default().module + 1;
    let read = fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    Ok(bytes)
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let help = "run it as a user who may write there, or name another directory with --dir";
    Failure::usage(format!("{} cannot be changed: {error}", path.display()), help)
}

fn done(rules: &Rules, changes: Vec<Change>) -> Result<u8, Failure> {
    tell(rules, &changes, |changes| changes.iter().map(text).collect())?;
    Ok(exit::DONE)
}

fn text(change: &Change) -> String {
    let Change { id, version, change, path, replaced } = change;
    let name = version.as_ref().map_or_else(|| id.clone(), |version| format!("{id} {version}"));
    let place = match replaced {
        Some(before) => format!("{}, in place of {before}", path.display()),
        None => path.display().to_string(),
    };
    format!("{name}: {change}: {place}\n")
}
