//! A snapshot in a file: packed, with a header and a checksum, or as JSON. Every part of it is checked before it is believed.

#[cfg(test)]
mod layout;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::Snapshot;

/// Bytes that a packed recording begins with.
const MAGIC: &[u8; 8] = b"KERNOREC";

/// Version of both forms. A kerno reads the versions up to its own; later ones are refused.
const VERSION: u16 = 1;

/// How packed snapshots are laid out: postcard writes values without names, so that a snapshot with one field more is another layout.
/// A test says which value belongs here.
const LAYOUT: u32 = 0x76cc_425f;

/// Magic, version, layout, and the length of what follows without the checksum.
const HEADER: usize = MAGIC.len() + 2 + 4 + 8;

/// CRC-32 of everything before it.
const CHECKSUM: usize = 4;

/// How a recording is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Small and checked by a checksum; read by every kerno whose snapshots are laid out alike.
    Packed,
    /// For people, other programs and later versions of kerno: the snapshot as a rule's fixture holds it.
    Json,
}

/// Why a snapshot could not be written or a recording not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It does not begin as recordings do.
    #[error("it is no recording of kerno")]
    Foreign,
    /// A later version wrote it.
    #[error("a newer kerno wrote it (version {found} of the format, this one reads up to {VERSION})")]
    Newer {
        /// Version in the file.
        found: u64,
    },
    /// Its snapshot has other fields than this kerno's.
    #[error("another version of kerno packed it, whose snapshots have other fields")]
    OtherLayout,
    /// Bytes are missing.
    #[error("it is cut off: {found} bytes of {expected} are there")]
    Truncated {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// There is more than was written.
    #[error("it is damaged: bytes follow its end")]
    TooLong,
    /// The checksum does not fit.
    #[error("it is damaged: its checksum does not fit")]
    Checksum,
    /// The checksum fits, but there is no snapshot in it.
    #[error("it is damaged: no snapshot can be read from it")]
    Packed(#[source] postcard::Error),
    /// It is not JSON, or not the JSON of a snapshot.
    #[error("it is no snapshot in JSON")]
    Json(#[source] serde_json::Error),
    /// The snapshot holds a number that JSON has none for.
    #[error("the snapshot holds a number that JSON cannot write")]
    Number,
    /// The snapshot holds what the form cannot.
    #[error("the snapshot cannot be packed")]
    Pack(#[source] postcard::Error),
}

impl RecordingError {
    /// The one thing to do.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Foreign => "name a file that kerno doctor --record wrote",
            Self::Newer { .. } => "replay it with the kerno that recorded it, or a later one",
            Self::OtherLayout => {
                "replay it with the kerno that recorded it; a recording named *.json is read by later versions too"
            }
            Self::Truncated { .. } | Self::TooLong | Self::Checksum | Self::Packed(_) => {
                "copy it again from the machine that recorded it"
            }
            Self::Json(_) => "mend it where the error says, or record again",
            Self::Number => "record to a file with another name than *.json",
            Self::Pack(_) => "record to a file named *.json",
        }
    }
}

/// A snapshot as the bytes of a file.
///
/// # Errors
/// It holds a number that the form cannot: NaN or infinity in JSON.
pub fn write(snapshot: &Snapshot, form: Form) -> Result<Vec<u8>, RecordingError> {
    match form {
        Form::Packed => {
            let body = postcard::to_stdvec(snapshot).map_err(RecordingError::Pack)?;
            Ok(seal(&body, VERSION, LAYOUT))
        }
        Form::Json => {
            let mut bytes = serde_json::to_vec(&Document { kerno_recording: VERSION, snapshot }).map_err(RecordingError::Json)?;
            bytes.push(b'\n');
            // What JSON has no number for is null by now: nothing at all, or what may be absent.
            if read_json(&bytes).is_ok_and(|read| read == *snapshot) { Ok(bytes) } else { Err(RecordingError::Number) }
        }
    }
}

/// The snapshot of a recording, whichever form it has.
///
/// # Errors
/// It is damaged, cut off, newer than this kerno, or no recording at all.
pub fn read(bytes: &[u8]) -> Result<Snapshot, RecordingError> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => read_json(bytes),
        _ => read_packed(bytes),
    }
}

/// Beside the snapshot's own fields.
#[derive(Serialize)]
struct Document<'a> {
    kerno_recording: u16,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
}

/// A fixture that was written by hand has no version.
#[derive(Deserialize)]
struct Version {
    kerno_recording: Option<u64>,
}

fn read_json(bytes: &[u8]) -> Result<Snapshot, RecordingError> {
    let version: Version = serde_json::from_slice(bytes).map_err(RecordingError::Json)?;
    match version.kerno_recording {
        Some(found) if found > VERSION.into() => Err(RecordingError::Newer { found }),
        _ => serde_json::from_slice(bytes).map_err(RecordingError::Json),
    }
}

/// Puts a header before the snapshot's bytes and a checksum behind.
fn seal(body: &[u8], version: u16, layout: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len() + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&layout.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(body);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn read_packed(bytes: &[u8]) -> Result<Snapshot, RecordingError> {
    if !bytes.starts_with(MAGIC) {
        // What is left of a recording that was cut off within its first bytes.
        return Err(match MAGIC.starts_with(bytes) && !bytes.is_empty() {
            true => truncated(bytes, HEADER + CHECKSUM),
            false => RecordingError::Foreign,
        });
    }
    let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let header = || -> Option<(u16, u32, u64)> {
        let (version, rest) = rest.split_first_chunk()?;
        let (layout, rest) = rest.split_first_chunk()?;
        Some((u16::from_le_bytes(*version), u32::from_le_bytes(*layout), u64::from_le_bytes(*rest.first_chunk()?)))
    };
    let Some((version, layout, length)) = header() else { return Err(truncated(bytes, HEADER + CHECKSUM)) };
    if version > VERSION {
        return Err(RecordingError::Newer { found: version.into() });
    }
    let found = bytes.len() as u64;
    let expected = length.saturating_add((HEADER + CHECKSUM) as u64);
    if found < expected {
        return Err(RecordingError::Truncated { found, expected });
    }
    if found > expected {
        return Err(RecordingError::TooLong);
    }
    let Some((sealed, checksum)) = bytes.split_last_chunk::<CHECKSUM>() else { return Err(RecordingError::Checksum) };
    if crc32fast::hash(sealed) != u32::from_le_bytes(*checksum) {
        return Err(RecordingError::Checksum);
    }
    if layout != LAYOUT {
        return Err(RecordingError::OtherLayout);
    }
    let (snapshot, rest) = postcard::take_from_bytes(sealed.get(HEADER..).unwrap_or_default()).map_err(RecordingError::Packed)?;
    if rest.is_empty() { Ok(snapshot) } else { Err(RecordingError::TooLong) }
}

fn truncated(bytes: &[u8], expected: usize) -> RecordingError {
    RecordingError::Truncated { found: bytes.len() as u64, expected: expected as u64 }
}
