//! `rules.require_signature` and `rules.trusted_keys`: whose rules may be used.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::{Settings, texts};
use crate::bundle::TrustedKey;
use crate::yaml::{Book, Entry, Node, shown};

/// No file of a public key is larger, bytes.
const LARGEST: u64 = 4096;

/// A key, and how it is written in a file that may lie elsewhere.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) key: TrustedKey,
    pub(super) written: String,
    pub(super) line: usize,
}

/// `rules.require_signature`.
pub(super) fn require(entry: &Entry, settings: &mut Settings, book: &mut Book) {
    match entry.value.text() {
        Some("false") => settings.require_signature = Some((false, entry.line)),
        Some("true") => settings.require_signature = Some((true, entry.line)),
        _ => book.error(entry.line, "rules.require_signature is neither true nor false", "write true or false"),
    }
}

/// `rules.trusted_keys`: keys, or files of them, which lie beside the configuration when they are relative.
pub(super) fn trusted(node: &Node, beside: &Path, settings: &mut Settings, book: &mut Book) {
    for (text, line) in texts(node, "rules.trusted_keys", book) {
        let path = beside.join(text);
        let (key, written) = match TrustedKey::parse(text) {
            Ok(key) => (Ok(key), text.to_owned()),
            Err(_) => (read(&path), path.display().to_string()),
        };
        match key {
            Ok(key) => settings.trusted_keys.push(Trusted { key, written, line }),
            Err(why) => book.error(
                line,
                format!("rules.trusted_keys: {} is no public key, and no file of one: {why}", shown(text)),
                "write the line of the .pub file that begins with RW, or name that file",
            ),
        }
    }
}

/// With nobody to trust nothing would be used, and who wrote it would not know.
pub(super) fn check(settings: &Settings, book: &mut Book) {
    if let Some((true, line)) = settings.require_signature
        && settings.trusted_keys.is_empty()
        && !book.errors.iter().any(|error| error.what.starts_with("rules.trusted_keys"))
    {
        let help = "add the public key to rules.trusted_keys: kerno rules sign --new-key makes a pair";
        book.error(line, "rules.require_signature is true, and rules.trusted_keys has no key", help);
    }
}

fn read(path: &Path) -> Result<TrustedKey, String> {
    let reason = |error: io::Error| error.to_string();
    // A pipe or a device would never end.
    if !fs::metadata(path).map_err(reason)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text)).map_err(reason)?;
    TrustedKey::parse(&text).map_err(|_| "it holds no public key of minisign".to_owned())
}
