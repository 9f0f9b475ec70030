//! Every rule of directories, as far as it may be used: a directory with a manifest is a bundle, any other holds rules of its own. Reads
//! and nothing else: it can be called again at any time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Accepted, Checked, Files, MANIFEST, Manifest, Policy, SIGNATURE, check, is_tar, signature};
use crate::engine::{self, Candidate, Described, Fingerprint, Limits, LoadError, without_place};

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Rules, and what must not be used with the reason.
    pub candidates: Vec<Candidate>,
    /// Bundles that may be used: whoever asks again later remembers them.
    pub accepted: Vec<Accepted>,
}

/// The rules of directories, and of files and archives that are named. `known` are bundles that were accepted before, of which none may
/// be followed by an older one.
///
/// # Errors
/// A directory cannot be read.
pub fn find(
    directories: &[PathBuf],
    limits: &Limits,
    policy: &Policy,
    now: SystemTime,
    known: &[Accepted],
) -> Result<Found, LoadError> {
    let mut found = Found::default();
    let mut names = BTreeSet::new();
    for path in directories {
        if !is_bundle(path) {
            let mut plain = engine::candidates(std::slice::from_ref(path), limits)?;
            if policy.require_signature {
                plain.iter_mut().for_each(|one| one.refuse(UNSIGNED.to_owned()));
                plain.extend(engine::switches(std::slice::from_ref(path)).into_iter().map(unsigned_switch));
            }
            found.candidates.extend(plain);
            continue;
        }
        match bundle(path, limits, policy, now, known) {
            Ok((checked, _)) if !names.insert(checked.manifest.name.clone()) => {
                let reason = format!("the bundle {} is there twice: remove one of the two", checked.manifest.name);
                found.candidates.push(refused(path, reason));
            }
            Ok((checked, files)) => {
                let place = |file: &str| if path.is_dir() { path.join(file) } else { path.clone() };
                for entry in &checked.manifest.rules {
                    let component = files.components.get(&entry.file).cloned().unwrap_or_default();
                    found.candidates.push(Candidate::of_bundle(checked.of(entry), place(&entry.file), component));
                }
                found.accepted.push(checked.accepted);
            }
            Err(reason) => found.candidates.push(refused(path, reason)),
        }
        if policy.require_signature {
            found.candidates.extend(engine::switches(std::slice::from_ref(path)).into_iter().map(unsigned_switch));
        }
    }
    Ok(found)
}

const UNSIGNED: &str = "it is in no bundle that is signed, and rules.require_signature wants that: make one with `kerno rules bundle` and `kerno rules sign`";

/// Whether a directory is a bundle or what is left of one, or a file an archive.
#[must_use]
pub fn is_bundle(path: &Path) -> bool {
    [MANIFEST, SIGNATURE].iter().any(|name| fs::symlink_metadata(path.join(name)).is_ok()) || is_tar(path)
}

/// Refuses the first bundle of which a rule does not load, all of it: it is used as a whole or not at all. Whether there was one: others
/// may load now that did not.
#[must_use]
pub fn refuse_broken(candidates: &mut [Candidate], described: &[Described]) -> bool {
    let is_culprit = |(candidate, rule): &(&Candidate, &Described)| {
        rule.bundle.is_some() && rule.about.is_none() && !rule.disabled && !candidate.is_refused()
    };
    let Some((_, culprit)) = candidates.iter().zip(described).find(is_culprit) else { return false };
    let (name, reason) =
        (culprit.bundle.as_ref().map(|bundle| &bundle.name), without_place(culprit.reason.as_deref().unwrap_or_default()));
    let of_bundle = candidates.iter_mut().zip(described).filter(|(_, rule)| rule.bundle.as_ref().map(|of| &of.name) == name);
    for (candidate, rule) in of_bundle {
        let is_culprit = rule.path == culprit.path && rule.id == culprit.id;
        candidate.refuse(if is_culprit {
            reason.to_owned()
        } else {
            format!("{NOT_USED}{}", not_whole(&culprit.source, reason))
        });
    }
    true
}

/// What begins the reason of a rule that is not used because of its bundle.
pub const NOT_USED: &str = "the bundle is not used: ";

/// Why a bundle is not used of which one rule does not load.
pub fn not_whole(rule: &str, reason: &str) -> String {
    format!("of its bundle {rule} cannot be used: {reason}")
}

/// The revision that a directory holds, as far as it may be believed: whatever became of its rules, an older one must not follow.
#[must_use]
pub fn installed(directory: &Path, limits: &Limits, policy: &Policy) -> Option<Accepted> {
    let files = Files::only_texts(directory, limits);
    let manifest = Manifest::parse(files.manifest()?).ok()?;
    if policy.require_signature {
        signature::verify(files.manifest()?, files.signature()?, &policy.trusted_keys).ok()??;
    }
    let digest = Fingerprint::of(files.manifest()?).sha256;
    Some(Accepted { name: manifest.name, revision: manifest.revision, digest })
}

fn bundle(
    path: &Path,
    limits: &Limits,
    policy: &Policy,
    now: SystemTime,
    known: &[Accepted],
) -> Result<(Checked, Files), String> {
    let files = Files::read(path, limits)?;
    check(&files, limits, policy, now, known).map(|checked| (checked, files))
}

fn refused(path: &Path, reason: String) -> Candidate {
    let name = path.file_stem().filter(|_| path.is_file()).or_else(|| path.file_name()).unwrap_or_default();
    let place = if path.is_dir() { path.join(MANIFEST) } else { path.to_path_buf() };
    Candidate::refused(&name.to_string_lossy(), place, format!("{NOT_USED}{reason}"))
}

/// Where only what is signed counts, whoever may write to a directory must not switch off what finds faults.
fn unsigned_switch(path: PathBuf) -> Candidate {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let reason = "it switches nothing off, because rules.require_signature lets only what is signed count: name the rule in rules.disabled";
    Candidate::refused(&name, path, reason.to_owned())
}
