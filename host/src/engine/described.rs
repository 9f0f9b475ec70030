//! What a rule is, told without judging anything with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Parameter, Quantity};
use crate::findings::Severity;

/// A rule that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Its id; a file's stem when it did not load.
    pub id: String,
    /// `builtin` or the path of its file.
    pub source: String,
    /// Its file; the source is what is shown of it.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// What its file holds, when it could be read.
    pub component: Option<Fingerprint>,
    /// The bundle that it is of.
    pub bundle: Option<Box<OfBundle>>,
    /// Whether it is switched off, or another rule is used in its place.
    pub disabled: bool,
    /// What it says of itself; `None` when it was not loaded.
    pub about: Option<About>,
    /// Why it did not load, or what switches it off.
    pub reason: Option<String>,
}

/// The bundle that a rule is of, and what that says of the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfBundle {
    /// The bundle's name.
    pub name: String,
    /// The bundle's revision.
    pub revision: u64,
    /// Id of the trusted key that signed it; `None` when it is not signed, or no key is trusted.
    pub signed_by: Option<String>,
    /// The rule's id.
    pub id: String,
    /// The rule's version.
    pub version: String,
    /// Whether the rule may take the place of the built-in one with its id.
    pub replaces: bool,
    /// Values of its parameters, where the configuration has no other ones.
    pub parameters: BTreeMap<String, Quantity>,
    /// From when on the bundle is not to be used.
    pub expires: Option<SystemTime>,
}

/// By what a file is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What a rule says of itself, and what its component needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// What its findings are about, for people.
    pub title: String,
    /// The rule's own version.
    pub version: String,
    /// Severity of a finding just past its threshold.
    pub severity: Severity,
    /// Families that it cannot judge without.
    pub families: Vec<String>,
    /// Interfaces that its component imports, `kerno:rules/sched@1.0.0`: the version is that of the contract it was built for.
    pub imports: Vec<String>,
    /// What users may set, with the values in force.
    pub parameters: Vec<Parameter>,
}

impl Fingerprint {
    /// Of a component.
    #[must_use]
    pub fn of(component: &[u8]) -> Self {
        let sha256 = Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { size: component.len() as u64, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_sha256sum_prints() {
        let of = Fingerprint::of(b"abc");
        assert_eq!(of.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(of.size, 3);
    }
}
