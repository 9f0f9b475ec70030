//! What a rule is, told without judging anything with it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Parameter;
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
    /// Whether it is switched off.
    pub disabled: bool,
    /// What it says of itself; `None` when it was not loaded.
    pub about: Option<About>,
    /// Why it did not load, or what switches it off.
    pub reason: Option<String>,
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
