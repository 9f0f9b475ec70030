//! Forms that a bundle is carried in. The same bundle is the same bytes, whoever makes them and when.

use std::io;

use ct_codecs::{Base64, Encoder};
use tar::{Builder, EntryType, Header};

use super::manifest::quoted;
use super::{Files, MANIFEST, SIGNATURE};

/// What Kubernetes takes as the values of a ConfigMap, bytes.
const MOST: usize = 1 << 20;

/// An archive, without anything of the machine that it is made on.
///
/// # Errors
/// A file's name is longer than an archive can say.
pub fn tar(files: &Files) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in files.iter() {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        builder.append(&header, bytes)?;
    }
    builder.into_inner()
}

/// A ConfigMap for Kubernetes.
///
/// # Errors
/// It is larger than Kubernetes takes.
pub fn config_map(name: &str, files: &Files) -> Result<String, String> {
    let size: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    if size > MOST {
        return Err(format!("it has {size} bytes, and Kubernetes takes {MOST} at most in a ConfigMap"));
    }
    let mut text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\ndata:\n", quoted(name));
    for file in [MANIFEST, SIGNATURE] {
        if let Some(bytes) = files.texts.get(file) {
            let value = std::str::from_utf8(bytes).map_err(|_| format!("its {file} is not UTF-8"))?;
            text += &format!("  {file}: {}", block(value));
        }
    }
    text += "binaryData:\n";
    for (file, bytes) in &files.components {
        let value = Base64::encode_to_string(bytes).map_err(|error| format!("{file} cannot be encoded: {error}"))?;
        text += &format!("  {file}: {value}\n");
    }
    Ok(text)
}

/// A text as people like to read it where that keeps every byte, else in quotes.
fn block(text: &str) -> String {
    let is_plain = |line: &str| !line.ends_with(' ') && line.chars().all(|c| (' '..='~').contains(&c));
    let lines = text.strip_suffix('\n').map(|text| text.split('\n').collect::<Vec<_>>());
    match lines {
        Some(lines) if lines.iter().all(|line| is_plain(line) && !line.is_empty()) && !lines[0].starts_with(' ') => {
            format!("|\n    {}\n", lines.join("\n    "))
        }
        _ => format!("{}\n", serde_json::Value::from(text)),
    }
}
