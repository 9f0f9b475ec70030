//! Files of recordings: written whole or not at all, and read with nothing believed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use kerno_signals::Snapshot;
use kerno_signals::recording::{self, Form};

use super::Failure;
use super::failure::chain;
use super::whole::{self, Staged};

/// Command lines are in it: nobody else may read it.
const MODE: u32 = 0o600;

/// No recording is larger: what is read, is read into memory.
const LARGEST: u64 = 256 << 20;

/// A file that a recording will be written to.
pub(super) struct Destination {
    path: PathBuf,
    form: Form,
}

impl Destination {
    /// Looks at the place before anything is measured: its directory must take a new file, and nothing but a regular file is replaced.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| {
            let help = "give --record the name of a file in a directory that this user may write to";
            Failure::usage(format!("{} cannot be recorded to: {why}", path.display()), help)
        };
        let form = if path.extension().is_some_and(|extension| extension == "json") { Form::Json } else { Form::Packed };
        match fs::symlink_metadata(path) {
            // Whoever made a link in a directory that all may write to would choose what is replaced.
            Ok(there) if !there.is_file() => return Err(refused("it is there and is no regular file".to_owned())),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(error.to_string())),
            _ if path.file_name().is_none() => return Err(refused("it is no name of a file".to_owned())),
            _ => {}
        }
        let destination = Self { path: path.to_owned(), form };
        drop(
            Staged::write(whole::directory(path), &[], MODE)
                .map_err(|error| refused(format!("no file can be made in {}: {error}", whole::directory(path).display())))?,
        );
        Ok(destination)
    }

    /// Writes the snapshot.
    pub(super) fn write(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let failed = |why: String, help: &str| Failure::own(format!("{} was not recorded to: {why}", self.path.display()), help);
        let bytes = recording::write(snapshot, self.form).map_err(|error| failed(chain(&error), error.fix()))?;
        whole::write(&self.path, &bytes, MODE)
            .map_err(|error| failed(error.to_string(), "make room and record again, or record to another directory"))
    }
}

/// The snapshot of a file.
pub(super) fn read(path: &Path) -> Result<Snapshot, Failure> {
    let refused = |why: String, help: &str| Failure::usage(format!("{} cannot be replayed: {why}", path.display()), help);
    let unread =
        |error: io::Error| refused(error.to_string(), "name a file that kerno doctor --record wrote and that this user may read");
    let mut bytes = Vec::new();
    File::open(path).map_err(unread)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused(format!("it is larger than {} MiB", LARGEST >> 20), "name a file that kerno doctor --record wrote"));
    }
    recording::read(&bytes).map_err(|error| refused(chain(&error), error.fix()))
}
