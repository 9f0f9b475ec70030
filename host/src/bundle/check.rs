//! Whether a bundle is what its manifest says, and whether it may be used: pure, over bytes.

use std::time::SystemTime;

use super::{Accepted, Entry, Files, MANIFEST, Manifest, Policy, SIGNATURE, signature};
use crate::engine::{Fingerprint, Limits, OfBundle, printable};

/// A bundle that may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// By what it is known again.
    pub accepted: Accepted,
    /// Id of the trusted key that signed it; `None` when it is not signed, or no key is trusted.
    pub signed_by: Option<String>,
    /// Whether there is a signature.
    pub is_signed: bool,
}

impl Checked {
    /// What it says of one of its rules.
    #[must_use]
    pub fn of(&self, entry: &Entry) -> OfBundle {
        OfBundle {
            name: self.manifest.name.clone(),
            revision: self.manifest.revision,
            signed_by: self.signed_by.clone(),
            id: entry.id.clone(),
            version: entry.version.clone(),
            replaces: entry.replaces,
            parameters: entry.params.clone(),
            expires: self.manifest.end(),
        }
    }
}

/// Checks a bundle: signature, manifest, date, revision, and every file.
///
/// # Errors
/// Why it must not be used, and what to do.
pub fn check(files: &Files, limits: &Limits, policy: &Policy, now: SystemTime, known: &[Accepted]) -> Result<Checked, String> {
    let Some(bytes) = files.manifest() else {
        return Err(format!("its {MANIFEST} is missing: install the bundle again, or remove what is left of it"));
    };
    // Nothing of it is believed before.
    let signed_by = match files.signature() {
        Some(signature) => signature::verify(bytes, signature, &policy.trusted_keys)?,
        None => None,
    };
    if policy.require_signature && signed_by.is_none() {
        let why = if files.signature().is_none() {
            format!("it is not signed (there is no {SIGNATURE})")
        } else {
            "no key is trusted (rules.trusted_keys)".to_owned()
        };
        return Err(format!("{why}, and rules.require_signature wants a signature: install the bundle with its signature"));
    }
    let manifest = Manifest::parse(bytes).map_err(|reason| format!("{MANIFEST}: {reason}"))?;
    let accepted = Accepted { name: manifest.name.clone(), revision: manifest.revision, digest: Fingerprint::of(bytes).sha256 };
    if manifest.is_expired(now) {
        let when = manifest.expires.as_deref().unwrap_or_default();
        return Err(format!("it expired at {when}: install a newer revision"));
    }
    follows(&accepted, known)?;
    whole(&manifest, files, limits)?;
    Ok(Checked { manifest, accepted, signed_by, is_signed: files.signature().is_some() })
}

/// Refuses what was replaced before.
fn follows(new: &Accepted, known: &[Accepted]) -> Result<(), String> {
    let Accepted { name, revision, digest } = new;
    match known.iter().find(|known| known.name == *name) {
        Some(known) if known.revision > *revision => Err(format!(
            "it is older than what was accepted before: revision {revision} of {name}, after revision {}; make one with a higher revision",
            known.revision
        )),
        Some(known) if known.revision == *revision && known.digest != *digest => Err(format!(
            "it holds something else than the revision {revision} of {name} that was accepted before: give what was changed a higher revision"
        )),
        _ => Ok(()),
    }
}

/// Refuses what lacks a file, has one too many, or one that is another.
fn whole(manifest: &Manifest, files: &Files, limits: &Limits) -> Result<(), String> {
    let is_listed = |name: &str| manifest.rules.iter().any(|rule| rule.file == name);
    if let Some(extra) = files.others.iter().chain(files.components.keys()).find(|name| !is_listed(name)) {
        let extra = printable(extra.clone());
        return Err(format!(
            "it holds {extra}, which is not in its {MANIFEST}: remove that file, or make the bundle again with it"
        ));
    }
    for Entry { id, file, sha256, .. } in &manifest.rules {
        let Some(component) = files.components.get(file) else {
            return Err(format!("the file {file} of its rule {id} is missing: install the bundle again"));
        };
        if component.len() as u64 > limits.module {
            return Err(format!("{file} {}", limits.too_large()));
        }
        let found = Fingerprint::of(component).sha256;
        if found != *sha256 {
            let other = manifest.rules.iter().find(|other| other.sha256 == found);
            let what = other.map_or_else(|| "was changed".to_owned(), |other| format!("holds the rule {}", other.id));
            return Err(format!(
                "the file {file} of its rule {id} {what}: its digest is not that in {MANIFEST}; install the bundle again"
            ));
        }
    }
    Ok(())
}
