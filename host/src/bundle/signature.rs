//! Keys that are trusted, in minisign's format, and whether one of them signed.

use ct_codecs::{Base64, Decoder};
use minisign_verify::{PublicKey, Signature};

/// No signature is larger, bytes.
pub(super) const LARGEST: usize = 16 << 10;

/// The public half of a key whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    id: String,
    key: PublicKey,
}

impl TrustedKey {
    /// Reads what `minisign -G` prints, or the file that it makes.
    ///
    /// # Errors
    /// It is no such key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_key = |_| "it is no public key of minisign: write the line that begins with RW, or name the .pub file".to_owned();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("untrusted comment:"));
        let line = lines.next().unwrap_or_default();
        let key = PublicKey::from_base64(line).map_err(no_key)?;
        let bytes = Base64::decode_to_vec(line, None).unwrap_or_default();
        Ok(Self { id: id(bytes.get(2..10).unwrap_or_default()), key })
    }

    /// By which minisign names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// As minisign writes it.
pub(super) fn id(bytes: &[u8]) -> String {
    bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// The id of the trusted key that signed this; `None` when no key is trusted.
pub(super) fn verify(manifest: &[u8], signature: &[u8], trusted: &[TrustedKey]) -> Result<Option<String>, String> {
    let no_signature =
        || "bundle.yaml.minisig is no signature of minisign: sign the bundle again, or install it again".to_owned();
    if signature.len() > LARGEST {
        return Err(no_signature());
    }
    let text = std::str::from_utf8(signature).map_err(|_| no_signature())?;
    let signature = Signature::decode(text).map_err(|_| no_signature())?;
    if trusted.is_empty() {
        return Ok(None);
    }
    let of = text.lines().nth(1).and_then(|line| Base64::decode_to_vec(line, None).ok()).unwrap_or_default();
    let by = id(of.get(2..10).unwrap_or_default());
    // An id is eight bytes that anybody may choose: several keys may have one.
    let mut candidates = trusted.iter().filter(|key| key.id == by).peekable();
    if candidates.peek().is_none() {
        return Err(format!(
            "it is signed with the key {by}, which is none of rules.trusted_keys: trust that key, or get the bundle from who has a trusted one"
        ));
    }
    if candidates.any(|trusted| trusted.key.verify(manifest, &signature, true).is_ok()) {
        return Ok(Some(by));
    }
    Err(format!("its signature by the key {by} does not fit bundle.yaml: one of the two was changed; install the bundle again"))
}
