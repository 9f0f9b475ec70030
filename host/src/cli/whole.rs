//! Files that are written whole or not at all: beside their place first, then in their place at once.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file beside the place that it is for, on disk. Dropped, it is gone.
pub(super) struct Staged {
    beside: PathBuf,
    place: PathBuf,
}

impl Staged {
    /// Writes it. Nobody but those whom `mode` names may read it at any time.
    pub(super) fn write(place: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let staged = Self { beside: beside(place), place: place.to_owned() };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&staged.beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Where it is until it is put in its place.
    pub(super) fn path(&self) -> &Path {
        &self.beside
    }

    /// Puts it in its place, in whose stead whatever was there.
    pub(super) fn put(self) -> io::Result<()> {
        self.put_at(&self.place)
    }

    /// The same with another name in the same directory.
    pub(super) fn put_at(&self, place: &Path) -> io::Result<()> {
        fs::rename(&self.beside, place)?;
        sync_directory(place)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Also where it is in its place.
        drop(fs::remove_file(&self.beside));
    }
}

/// Writes a file.
pub(super) fn write(place: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(place, bytes, mode)?.put()
}

/// Removes a file, so that it is gone also after a crash.
pub(super) fn remove(place: &Path) -> io::Result<()> {
    fs::remove_file(place)?;
    sync_directory(place)
}

/// The directory that a file is in.
pub(super) fn directory(place: &Path) -> &Path {
    place.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."))
}

fn sync_directory(place: &Path) -> io::Result<()> {
    File::open(directory(place))?.sync_all()
}

/// A name in the same directory, so that it can be renamed; no other kerno has it.
fn beside(place: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(place.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    place.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn until_it_is_put_in_its_place_the_old_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("rule.wasm");
        write(&place, b"old", 0o644).unwrap();
        let staged = Staged::write(&place, b"new", 0o644).unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(directory.path()).len()), (b"old".to_vec(), 2));
        staged.put().unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(directory.path())), (b"new".to_vec(), vec!["rule.wasm".to_owned()]));
    }

    #[test]
    fn what_is_not_put_in_its_place_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Staged::write(&directory.path().join("rule.wasm"), b"new", 0o644).unwrap());
        assert_eq!(names(directory.path()), Vec::<String>::new());
        assert!(write(&directory.path().join("no/such/rule.wasm"), b"", 0o644).is_err());
    }
}
