//! `kerno rules install` and `remove` of a bundle: all of its files, the manifest last. Until that is there, nothing of it is used; where
//! no bundle was before, the manifest is the first, so that no rule is used without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::change::{Change, Directories, FILE, Revision, done, refused, shown};
use crate::bundle::{self, Accepted, Checked, Files, MANIFEST, Manifest, SIGNATURE};
use crate::cli::arguments::Rules;
use crate::cli::failure::warn;
use crate::cli::whole::{self, Staged};
use crate::cli::{Environment, Failure};
use crate::engine::Described;

const NOTHING: &str = "nothing was installed";

pub(super) fn install(from: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let directories = Directories::open(rules, environment)?;
    let limits = &directories.config.settings.limits;
    let policy = directories.config.policy();
    let told = |reason: String| Failure::usage(format!("{}: {reason}", shown(from)), NOTHING);
    let files = Files::read(from, limits).map_err(told)?;
    let known: Vec<Accepted> = bundle::installed(&directories.changed, limits, &policy).into_iter().collect();
    let checked = bundle::check(&files, limits, &policy, SystemTime::now(), &known).map_err(told)?;
    check_loads(from, &directories)?;
    let there = There::read(&directories, &checked)?;
    let changes = changes(&directories, &checked, &files, &there);
    put(&directories, &checked, &files, &there)?;
    done(rules, &changes)
}

/// What a directory holds of an older revision.
struct There {
    files: Files,
    manifest: Option<Manifest>,
}

impl There {
    /// A bundle has its directory for itself.
    fn read(directories: &Directories, checked: &Checked) -> Result<Self, Failure> {
        let place = &directories.changed;
        let nothing = Self { files: Files::default(), manifest: None };
        if !place.exists() {
            return Ok(nothing);
        }
        let other = "name a directory of its own for the bundle with --dir; nothing was installed";
        let told = |what: String| Failure::usage(format!("{} {what}", shown(place)), other);
        let files = match Files::read(place, &directories.config.settings.limits) {
            Ok(files) => files,
            // What is damaged is written anew.
            Err(_) if bundle::is_bundle(place) => Files::named_in(place, &directories.config.settings.limits),
            Err(reason) => return Err(told(format!("cannot be used: {reason}"))),
        };
        let manifest = files.manifest().and_then(|bytes| Manifest::parse(bytes).ok());
        if manifest.is_none() && bundle::is_bundle(place) {
            warn(&format!("{} is damaged: whether what is installed is older cannot be told", shown(&place.join(MANIFEST))));
        }
        if let Some(manifest) = manifest.as_ref().filter(|manifest| manifest.name != checked.manifest.name) {
            let help = format!("remove it first (kerno rules remove {}), or {other}", manifest.name);
            return Err(Failure::usage(format!("{} holds another bundle, {}", shown(place), manifest.name), help));
        }
        let is_known = |name: &str| {
            let of = |manifest: &Manifest| manifest.rules.iter().any(|rule| rule.file == name);
            manifest.as_ref().is_some_and(of) || of(&checked.manifest)
        };
        if let Some(name) = files.foreign().find(|name| !is_known(name) || !bundle::is_bundle(place)) {
            return Err(told(format!("holds {name}, which is not of the bundle")));
        }
        Ok(Self { files, manifest })
    }
}

/// As it will be loaded, beside what other directories hold.
fn check_loads(from: &Path, directories: &Directories) -> Result<(), Failure> {
    let loaded = directories.load(vec![from.to_path_buf()])?;
    // Where one does not load the others are not even tried.
    let of_file = || loaded.iter().filter(|rule| rule.path.is_some());
    let is_culprit = |rule: &&Described| !rule.reason.as_ref().is_none_or(|reason| reason.starts_with(bundle::NOT_USED));
    let culprit = of_file().find(is_culprit);
    for rule in culprit.into_iter().chain(of_file()) {
        if rule.about.is_none() {
            let reason = rule.reason.as_deref().unwrap_or_default();
            return Err(Failure::usage(format!("{}: {} does not load: {reason}", shown(from), rule.id), NOTHING));
        }
        let is_elsewhere = |path: &PathBuf| path.parent() != Some(&*directories.changed);
        let other =
            directories.of_id(&rule.id).find(|known| known.about.is_some() && known.path.as_ref().is_some_and(is_elsewhere));
        if let Some(other) = other {
            let what = format!("{}: the id of its rule {} is already taken by {}", shown(from), rule.id, other.source);
            return Err(Failure::usage(what, "remove that file first; nothing was installed"));
        }
    }
    Ok(())
}

fn changes(directories: &Directories, checked: &Checked, files: &Files, there: &There) -> Vec<Change> {
    let before = |id: &str| there.manifest.as_ref().and_then(|manifest| manifest.rules.iter().find(|rule| rule.id == *id));
    let mut changes = Vec::new();
    for rule in &checked.manifest.rules {
        let is_there = there.files.components().get(&rule.file) == files.components().get(&rule.file);
        changes.push(Change {
            id: rule.id.clone(),
            version: Some(rule.version.clone()),
            change: if is_there && before(&rule.id).is_some() { "unchanged" } else { "installed" },
            path: shown(&directories.changed.join(&rule.file)),
            replaced: before(&rule.id).filter(|_| !is_there).map(|before| before.version.clone()),
            bundle: Some(revision(&checked.manifest)),
            off: directories.off(&rule.id),
        });
    }
    let gone = there.manifest.iter().flat_map(|manifest| &manifest.rules);
    for rule in gone.filter(|rule| !checked.manifest.rules.iter().any(|new| new.id == rule.id)) {
        changes.push(Change {
            id: rule.id.clone(),
            version: Some(rule.version.clone()),
            change: "removed",
            path: shown(&directories.changed.join(&rule.file)),
            replaced: None,
            bundle: Some(revision(&checked.manifest)),
            off: None,
        });
    }
    changes
}

fn revision(Manifest { name, revision, .. }: &Manifest) -> Revision {
    Revision { name: name.clone(), revision: *revision }
}

/// Everything is written beside its place before anything is put there.
fn put(directories: &Directories, checked: &Checked, files: &Files, there: &There) -> Result<(), Failure> {
    let place = &directories.changed;
    directories.make()?;
    whole::sweep(place);
    let failed = |path: &Path, error: &std::io::Error| refused(path, error).and("the bundle is not whole: install it again");
    let stage = |name: &str, bytes: &[u8]| Staged::write(place, bytes, FILE).map(|staged| (staged, place.join(name)));
    let is_new = |name: &str, bytes: &[u8]| there.files.components().get(name).is_none_or(|there| there != bytes);
    let components = files.components().iter().filter(|(name, bytes)| is_new(name, bytes));
    let mut ready: Vec<(Staged, PathBuf)> = Vec::new();
    let components = components.map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let texts = [(SIGNATURE, files.signature()), (MANIFEST, files.manifest())].into_iter();
    for (name, bytes) in components.chain(texts.filter_map(|(name, bytes)| Some((name, bytes?)))) {
        ready.push(stage(name, bytes).map_err(|error| refused(place, &error))?);
    }
    if there.files.manifest().is_none() {
        ready.reverse();
    }
    for name in there.files.components().keys().filter(|name| !checked.manifest.rules.iter().any(|rule| rule.file == **name)) {
        let path = place.join(name);
        whole::remove(&path).map_err(|error| failed(&path, &error))?;
    }
    for (staged, path) in ready {
        staged.put(&path).map_err(|error| failed(&path, &error))?;
    }
    // One that does not fit is refused, and what is no bundle is not.
    let signature = place.join(SIGNATURE);
    if files.signature().is_none() && fs::symlink_metadata(&signature).is_ok() {
        whole::remove(&signature).map_err(|error| failed(&signature, &error))?;
    }
    Ok(())
}

/// Removes the bundle that a directory holds, if that is what is meant: by its name, its directory or its manifest.
pub(super) fn remove(meant: &str, directories: &Directories, rules: &Rules) -> Option<Result<u8, Failure>> {
    let place = &directories.changed;
    if !place.is_dir() || !bundle::is_bundle(place) {
        return None;
    }
    let limits = &directories.config.settings.limits;
    let manifest = Files::named_in(place, limits).manifest().and_then(|bytes| Manifest::parse(bytes).ok());
    let same = |path: &Path| fs::canonicalize(path).ok() == fs::canonicalize(place).ok();
    let path = Path::new(meant);
    let is_meant = manifest.as_ref().is_some_and(|manifest| manifest.name == meant)
        || directories.known.iter().any(|known| known.id == meant && known.path.as_deref() == Some(&*place.join(MANIFEST)))
        || meant.contains('/') && (same(path) || path.ends_with(MANIFEST) && path.parent().is_some_and(same));
    if !is_meant {
        let rule = manifest.as_ref()?.rules.iter().find(|rule| rule.id == meant || Path::new(meant) == place.join(&rule.file))?;
        let name = &manifest.as_ref()?.name;
        return Some(Err(Failure::usage(
            format!("{} is a rule of the bundle {name}, which is used as a whole", rule.id),
            format!("switch it off (kerno rules disable {}), or remove the bundle (kerno rules remove {name})", rule.id),
        )));
    }
    Some(remove_all(manifest.as_ref(), directories, rules))
}

/// What is left of a bundle is not used, and the manifest says to the end that it was one.
fn remove_all(manifest: Option<&Manifest>, directories: &Directories, rules: &Rules) -> Result<u8, Failure> {
    let place = &directories.changed;
    let Some(manifest) = manifest else {
        let what = format!("{} does not tell which files are of the bundle", shown(&place.join(MANIFEST)));
        return Err(Failure::usage(what, "remove the files of that directory yourself"));
    };
    let texts = [SIGNATURE, MANIFEST].map(str::to_owned);
    for name in manifest.rules.iter().map(|rule| rule.file.clone()).chain(texts) {
        let path = place.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            whole::remove(&path).map_err(|error| refused(&path, &error))?;
        }
    }
    let mut changes = Vec::new();
    for rule in &manifest.rules {
        for switch in directories.switches(&rule.id) {
            whole::remove(&switch).map_err(|error| refused(&switch, &error))?;
        }
        changes.push(Change {
            id: rule.id.clone(),
            version: Some(rule.version.clone()),
            change: "removed",
            path: shown(&place.join(&rule.file)),
            replaced: None,
            bundle: Some(revision(manifest)),
            off: None,
        });
    }
    for left in Files::named_in(place, &directories.config.settings.limits).components().keys() {
        warn(&format!("{} is left there, and counts from now on", shown(&place.join(left))));
    }
    done(rules, &changes)
}
