//! Bundles: rules under one manifest, `bundle.yaml`, that says what they are, of which revision, and with which parameters; and a
//! signature of it, `bundle.yaml.minisig`. A bundle is used as a whole or not at all: what was taken out of it, put into it, exchanged,
//! or is older than what was there before, is told and not used.

mod check;
mod files;
mod find;
mod manifest;
mod pack;
mod secret;
mod signature;

use serde::{Deserialize, Serialize};

pub use check::{Checked, check};
pub use files::{Files, is_tar};
pub use find::{Found, NOT_USED, find, installed, is_bundle, not_whole, refuse_broken};
pub use manifest::{Draft, DraftRule, Entry, Manifest, is_name};
pub use pack::{config_map, tar};
pub use secret::{SecretKey, new_pair};
pub use signature::TrustedKey;

/// The manifest.
pub const MANIFEST: &str = "bundle.yaml";
/// Its signature.
pub const SIGNATURE: &str = "bundle.yaml.minisig";

/// Which rules may be used.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Besides the built-in rules only those of bundles that a trusted key signed.
    pub require_signature: bool,
    /// Keys whose signatures count. A signature of another one is refused wherever there is any.
    pub trusted_keys: Vec<TrustedKey>,
}

/// A bundle that was accepted: none that is older may follow it, and none of the same revision that holds something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The bundle's name.
    pub name: String,
    /// Its revision.
    pub revision: u64,
    /// SHA-256 of its manifest, in hexadecimal.
    pub digest: String,
}

impl Accepted {
    /// Adds it to those that are known, in the place of what it follows. Of each name the highest revision is kept.
    pub fn keep(self, known: &mut Vec<Self>) {
        match known.iter_mut().find(|other| other.name == self.name) {
            Some(other) if other.revision <= self.revision => *other = self,
            Some(_) => {}
            None => known.push(self),
        }
    }
}
