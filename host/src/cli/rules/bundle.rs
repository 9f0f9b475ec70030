//! `kerno rules bundle`: makes a bundle of a directory of rules, or carries one over into another form.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::change::{self, shown, without_rights};
use super::tell;
use crate::agent::{self, Judging};
use crate::artifacts;
use crate::bundle::{self, Checked, Draft, DraftRule, Entry, Files, MANIFEST, Manifest, Policy, SIGNATURE};
use crate::cli::arguments::{Bundle, BundleForm, RulesForm};
use crate::cli::config::Config;
use crate::cli::{Environment, Failure, doctor, exit, output, whole};
use crate::engine::{Candidate, Described, Fingerprint, Limits, Settings, nearest};

const FILE: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// What was made.
#[derive(Serialize)]
struct Made<'a> {
    name: &'a str,
    revision: u64,
    expires: Option<&'a str>,
    /// SHA-256 of its manifest.
    digest: &'a str,
    signed: bool,
    path: Option<String>,
    rules: Vec<MadeRule<'a>>,
}

/// A rule of it.
#[derive(Serialize)]
struct MadeRule<'a> {
    id: &'a str,
    version: &'a str,
    file: &'a str,
    sha256: &'a str,
    replaces: bool,
}

impl<'a> MadeRule<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry { id, version, file, sha256, replaces, .. } = entry;
        Self { id, version, file, sha256, replaces: *replaces }
    }
}

pub(super) fn run(asked: &Bundle, environment: &Environment) -> Result<u8, Failure> {
    agent::only_change_files();
    check_place(asked)?;
    let config = Config::load(asked.config.as_deref(), true, environment)?;
    let limits = &config.settings.limits;
    let is_finished = bundle::is_tar(&asked.from) || fs::symlink_metadata(asked.from.join(SIGNATURE)).is_ok();
    let files = if is_finished { carried(asked, limits)? } else { made(asked, limits)? };
    let policy = Policy { require_signature: false, trusted_keys: config.policy().trusted_keys };
    let checked = bundle::check(&files, limits, &policy, SystemTime::now(), &[])
        .map_err(|reason| Failure::usage(format!("{}: {reason}", shown(&asked.from)), "nothing was made"))?;
    put(asked, &checked, &files)
}

/// What cannot be put where it is asked for is told before anything is done.
fn check_place(asked: &Bundle) -> Result<(), Failure> {
    match (asked.format, &asked.into) {
        (BundleForm::Configmap, None) if asked.output == RulesForm::Json => {
            Err(Failure::usage("standard output is taken by the ConfigMap", "give --into FILE"))
        }
        (BundleForm::Configmap, None) => Ok(()),
        (BundleForm::Dir, None) => Err(Failure::usage("a bundle needs a place", "give --into DIR, which is not there yet")),
        (BundleForm::Tar, None) => Err(Failure::usage("a bundle needs a place", "give --into FILE.tar")),
        (BundleForm::Dir, Some(into)) => {
            let is_empty = || fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_none());
            if fs::symlink_metadata(into).is_ok() && !is_empty() {
                return Err(Failure::usage(
                    format!("{} is there already", shown(into)),
                    "remove it, or name another one with --into",
                ));
            }
            Ok(())
        }
        (_, Some(into)) if into.is_dir() => {
            Err(Failure::usage(format!("{} is a directory", shown(into)), "name a file with --into, or ask for --format dir"))
        }
        _ => Ok(()),
    }
}

/// A bundle as it is: of what is signed nothing can be changed.
fn carried(asked: &Bundle, limits: &Limits) -> Result<Files, Failure> {
    if asked.name.is_some() || asked.revision.is_some() || asked.expires.is_some() {
        return Err(Failure::usage(
            format!("{} is a bundle that was made before, of which nothing can be changed", shown(&asked.from)),
            "leave --name, --revision and --expires out, or name the directory that it was made of",
        ));
    }
    Files::read(&asked.from, limits)
        .map_err(|reason| Failure::usage(format!("{}: {reason}", shown(&asked.from)), "name a bundle, or a directory of rules"))
}

/// A new one of the rules in a directory, and of what `bundle.yaml` says there of them.
fn made(asked: &Bundle, limits: &Limits) -> Result<Files, Failure> {
    let draft = draft(asked)?;
    let paths = change::files(&asked.from)?;
    let mut components: Vec<(PathBuf, Vec<u8>)> = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = change::read(&path, limits)?;
        components.push((path, bytes));
    }
    let candidates = components.iter().map(|(path, bytes)| Candidate::in_memory(path.clone(), bytes.clone())).collect();
    // Whose place they may take is said by the bundle, and looked at below.
    let replaces = artifacts::BUILT_IN_RULES.iter().map(|(id, _)| (*id).to_owned()).collect();
    let loaded = load(candidates, limits, Settings { even_disabled: true, replaces, ..Settings::default() })?;
    let mut rules = Vec::with_capacity(components.len());
    let mut named = BTreeMap::new();
    for (described, (path, bytes)) in loaded.iter().zip(components) {
        let about = described.about.as_ref().ok_or_else(|| no_rule(&path, described))?;
        let said = draft.rules.iter().find(|rule| rule.id == described.id).cloned().unwrap_or_default();
        check_replaces(&path, &described.id, said.replaces)?;
        let file = format!("{}.wasm", described.id);
        rules.push(Entry {
            id: described.id.clone(),
            version: about.version.clone(),
            file: file.clone(),
            sha256: Fingerprint::of(&bytes).sha256,
            replaces: said.replaces,
            params: said.params,
        });
        named.insert(file, bytes);
    }
    for DraftRule { id, .. } in &draft.rules {
        if !rules.iter().any(|rule| rule.id == *id) {
            let help = match nearest(id, rules.iter().map(|rule| rule.id.as_str())) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it there, or put the rule's component beside it".to_owned(),
            };
            let place = shown(&asked.from.join(MANIFEST));
            return Err(Failure::usage(format!("{place} names {id}, which is no rule of that directory"), help));
        }
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let (name, revision) = (needed(draft.name, "name", "NAME")?, needed(draft.revision, "revision", "NUMBER")?);
    let manifest = Manifest { name, revision, expires: draft.expires, rules };
    if let Some(expires) = manifest.expires.as_ref().filter(|_| manifest.is_expired(SystemTime::now())) {
        let what = format!("the bundle would have expired at {expires}, before it was made");
        return Err(Failure::usage(
            what,
            "give --expires a time to come, or mend `expires:` in its bundle.yaml; nothing was made",
        ));
    }
    let files = Files::new(manifest.write().into_bytes(), None, named);
    check_loads(asked, &files, limits)?;
    Ok(files)
}

/// With what its manifest says of them, every rule must load.
fn check_loads(asked: &Bundle, files: &Files, limits: &Limits) -> Result<(), Failure> {
    let refused = |what: String| Failure::usage(what, "mend that, and make the bundle again; nothing was made");
    let checked = bundle::check(files, limits, &Policy::default(), SystemTime::now(), &[])
        .map_err(|reason| refused(format!("{}: {reason}", shown(&asked.from))))?;
    for described in
        load(candidates(&checked, files, &asked.from), limits, Settings { even_disabled: true, ..Settings::default() })?
    {
        if described.about.is_none() {
            let reason = described.reason.as_deref().unwrap_or_default();
            return Err(refused(format!("the rule {} would not load: {reason}", described.id)));
        }
    }
    Ok(())
}

/// Its rules, as they would be loaded from there.
pub(super) fn candidates(checked: &Checked, files: &Files, from: &Path) -> Vec<Candidate> {
    let component = |entry: &Entry| files.components().get(&entry.file).cloned().unwrap_or_default();
    let rules = checked.manifest.rules.iter();
    rules.map(|entry| Candidate::of_bundle(checked.of(entry), from.join(&entry.file), component(entry))).collect()
}

/// What these rules are beside the built-in ones.
fn load(candidates: Vec<Candidate>, limits: &Limits, settings: Settings) -> Result<Vec<Described>, Failure> {
    let judging = Judging { settings, limits: limits.clone(), ..Judging::default() };
    let number = candidates.len();
    let mut all = without_rights(|| agent::rules_beside(candidates, &judging).map_err(|error| doctor::failed(&error)))?;
    Ok(all.split_off(all.len().saturating_sub(number)))
}

fn no_rule(path: &Path, described: &Described) -> Failure {
    let reason = described.reason.as_deref().unwrap_or_default();
    Failure::usage(format!("{} does not load: {reason}", shown(path)), "mend it, or move it out of there; nothing was made")
}

fn check_replaces(path: &Path, id: &str, replaces: bool) -> Result<(), Failure> {
    let ids = || artifacts::BUILT_IN_RULES.iter().map(|(id, _)| *id);
    if ids().any(|built_in| built_in == id) == replaces {
        return Ok(());
    }
    if replaces {
        let help = match nearest(id, ids()) {
            Some(near) => format!("did you mean {near}?"),
            None => "remove `replaces` there".to_owned(),
        };
        return Err(Failure::usage(format!("{MANIFEST} says that {id} replaces a built-in rule, and none has that id"), help));
    }
    Err(Failure::usage(
        format!("{}: its id `{id}` is that of a built-in rule", shown(path)),
        format!("give it another id, or write `- id: {id}` with `replaces: true` below `rules:` in {MANIFEST} beside it"),
    ))
}

/// What is said of the bundle: in the directory, and before that on the command line.
fn draft(asked: &Bundle) -> Result<Draft, Failure> {
    let path = asked.from.join(MANIFEST);
    let mut draft = match read(&path) {
        Ok(bytes) => Draft::parse(&bytes)
            .map_err(|reason| Failure::usage(format!("{}: {reason}", shown(&path)), "mend it there; nothing was made"))?,
        Err(error) if error.kind() == ErrorKind::NotFound => Draft::default(),
        Err(error) => {
            let what = format!("{} cannot be read: {error}", shown(&path));
            return Err(Failure::usage(what, "let this user read it, or remove it"));
        }
    };
    let wrong =
        |flag: &str, text: &str, help: String| Failure::usage(format!("--{flag} cannot be `{}`", text.escape_debug()), help);
    if let Some(name) = &asked.name {
        let help = "write small letters, digits and dashes between them, 63 at most".to_owned();
        draft.name = Some(name.clone()).filter(|name| bundle::is_name(name));
        draft.name.as_ref().ok_or_else(|| wrong("name", name, help))?;
    }
    if let Some(revision) = &asked.revision {
        draft.revision = Some(Draft::revision(revision).map_err(|help| wrong("revision", revision, help))?);
    }
    if let Some(expires) = &asked.expires {
        draft.expires = Some(Draft::expiry(expires).map_err(|help| wrong("expires", expires, help.to_owned()))?);
    }
    Ok(draft)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    /// More than a manifest may have.
    const MOST: u64 = 1 << 20;
    if fs::metadata(path)?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn needed<T>(value: Option<T>, key: &str, what: &str) -> Result<T, Failure> {
    let help = format!("give --{key} {what}, or write `{key}:` into {MANIFEST} beside the rules");
    value.ok_or_else(|| Failure::usage(format!("the bundle has no {key}"), help))
}

fn put(asked: &Bundle, checked: &Checked, files: &Files) -> Result<u8, Failure> {
    let refused = |path: &Path, error: &io::Error| {
        let what = format!("{} cannot be made: {}", shown(path), whole::reason(error));
        Failure::usage(what, "name a place that this user may write to with --into")
    };
    match (asked.format, &asked.into) {
        (BundleForm::Dir, Some(into)) => directory(into, files).map_err(|error| refused(into, &error))?,
        (BundleForm::Tar, Some(into)) => {
            bundle::tar(files).and_then(|bytes| whole::write(into, &bytes, FILE)).map_err(|error| refused(into, &error))?
        }
        (_, into) => {
            let text = bundle::config_map(&checked.manifest.name, files).map_err(|reason| {
                Failure::usage(
                    format!("{} is no ConfigMap: {reason}", shown(&asked.from)),
                    "make two bundles of it, or carry it as --format tar",
                )
            })?;
            match into {
                Some(into) => whole::write(into, text.as_bytes(), FILE).map_err(|error| refused(into, &error))?,
                None => {
                    output::write(&text)?;
                    return Ok(exit::DONE);
                }
            }
        }
    }
    let manifest = &checked.manifest;
    let made = Made {
        name: &manifest.name,
        revision: manifest.revision,
        expires: manifest.expires.as_deref(),
        digest: &checked.accepted.digest,
        signed: checked.is_signed,
        path: asked.into.as_deref().map(shown),
        rules: manifest.rules.iter().map(MadeRule::of).collect(),
    };
    tell(asked.output, &made, text)?;
    Ok(exit::DONE)
}

/// Writes it beside its place and then puts it there: it is whole, or it is not there.
fn directory(into: &Path, files: &Files) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".kerno-").suffix(".tmp");
    let staged = builder.tempdir_in(whole::directory(into))?;
    for (name, bytes) in files.iter() {
        whole::write(&staged.path().join(name), bytes, FILE)?;
    }
    fs::set_permissions(staged.path(), Permissions::from_mode(DIRECTORY))?;
    fs::rename(staged.path(), into)?;
    // It is no longer where it would be removed from.
    drop(staged.keep());
    Ok(())
}

fn text(made: &Made<'_>) -> String {
    let path = made.path.as_deref().unwrap_or_default();
    let mut text = format!("{} revision {}: made: {path}\n", made.name, made.revision);
    for rule in &made.rules {
        let replaces = if rule.replaces { ", in the place of the built-in one" } else { "" };
        text += &format!("  {} {}{replaces}\n", rule.id, rule.version);
    }
    text + if made.signed { "signed\n" } else { "not signed: kerno rules sign does that\n" }
}
