//! Secret keys in minisign's format: what signs, and how a pair is made.

use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, SecretKeyBox};

use super::signature::id;

/// Bytes of a secret key, and where it says how a password protects it and what memory that takes.
const LENGTH: usize = 158;
const PROTECTION: std::ops::Range<usize> = 2..4;
const MEMORY: std::ops::Range<usize> = 46..54;
/// What the real tool asks for at most.
const MOST_MEMORY: u64 = 1 << 30;

/// A key that signs.
pub struct SecretKey {
    key: minisign::SecretKey,
}

impl SecretKey {
    /// Whether a password protects the key in this file.
    ///
    /// # Errors
    /// It is no secret key.
    pub fn is_protected(file: &str) -> Result<bool, String> {
        match &raw(file)?[PROTECTION] {
            [0, 0] => Ok(false),
            _ => Ok(true),
        }
    }

    /// Opens one.
    ///
    /// # Errors
    /// It is no secret key, or the password is not its own.
    pub fn open(file: &str, password: Option<String>) -> Result<Self, String> {
        let raw = raw(file)?;
        let key = if SecretKey::is_protected(file)? {
            room(&raw)?;
            SecretKeyBox::from(file.to_owned()).into_secret_key(Some(password.unwrap_or_default()))
        } else {
            // The real tool gives such a key no checksum: what it signs must be verified.
            minisign::SecretKey::from_bytes(&raw)
        };
        Ok(Self { key: key.map_err(|error| error.to_string())? })
    }

    /// Signs a manifest; what it says of it is part of what is signed.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn sign(&self, manifest: &[u8], says: &str) -> Result<String, String> {
        let signed = minisign::sign(None, &self.key, manifest, Some(says), Some("signature of a kerno bundle"));
        signed.map(|signature| signature.to_string()).map_err(|error| error.to_string())
    }

    /// Its public half, as it is written into rules.trusted_keys.
    ///
    /// # Errors
    /// It is damaged.
    pub fn public(&self) -> Result<String, String> {
        minisign::PublicKey::from_secret_key(&self.key).map(|key| key.to_base64()).map_err(|error| error.to_string())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        id(self.key.keynum())
    }
}

/// A new pair: the secret half's file, the public half's file, and that half itself.
///
/// # Errors
/// There is no randomness, or no memory.
pub fn new_pair(password: Option<String>) -> Result<(String, String, String), String> {
    let says = if password.is_some() { "minisign encrypted secret key" } else { "minisign secret key" };
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let pair = pair.map_err(|error| error.to_string())?;
    let secret = pair.sk.to_box(Some(says)).map_err(|error| error.to_string())?.into_string();
    let public = pair.pk.to_box().map_err(|error| error.to_string())?.into_string();
    Ok((secret, public, pair.pk.to_base64()))
}

fn raw(file: &str) -> Result<Vec<u8>, String> {
    let mut lines = file.lines();
    let is_commented = lines.next().is_some_and(|line| line.starts_with("untrusted comment:"));
    let bytes = lines.next().and_then(|line| Base64::decode_to_vec(line.trim_end(), None).ok()).filter(|_| is_commented);
    bytes.filter(|bytes| bytes.len() == LENGTH).ok_or_else(|| "it is no secret key of minisign".to_owned())
}

/// The memory that a password is made a key in: where it cannot be had, nothing could be told any more.
fn room(raw: &[u8]) -> Result<(), String> {
    let asked = raw[MEMORY].iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let mut room: Vec<u8> = Vec::new();
    let is_there = asked <= MOST_MEMORY && room.try_reserve_exact(asked as usize).is_ok();
    is_there.then_some(()).ok_or_else(|| format!("its password takes {} MiB of memory, which cannot be had", asked >> 20))
}
