//! Files that are written whole or not at all: beside their place first, then in their place at once.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};

/// Names of files that are not in their place.
const PREFIX: &str = ".kerno-";
const SUFFIX: &str = ".tmp";

/// After so long whoever wrote one beside its place was killed.
const STALE: Duration = Duration::from_hours(1);

/// A file on disk, in the directory of the place that it is for. Dropped, it is gone.
pub(super) struct Staged(NamedTempFile);

impl Staged {
    /// Writes it. At no time may others read it than those whom `mode` names.
    pub(super) fn write(directory: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let mut file = Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(directory)?;
        file.write_all(bytes)?;
        // Whatever the umask says.
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok(Self(file))
    }

    /// Where it is until it is put in its place.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts it in its place, in the stead of whatever file was there.
    pub(super) fn put(self, place: &Path) -> io::Result<()> {
        self.0.persist(place).map_err(|error| error.error)?;
        sync_directory(place)
    }
}

impl Staged {
    /// Puts it in its place, where nothing is.
    pub(super) fn put_new(self, place: &Path) -> io::Result<()> {
        self.0.persist_noclobber(place).map_err(|error| error.error)?;
        sync_directory(place)
    }
}

/// Writes a file.
pub(super) fn write(place: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::write(directory(place), bytes, mode)?.put(place)
}

/// Removes a file, so that it is gone also after a crash.
pub(super) fn remove(place: &Path) -> io::Result<()> {
    fs::remove_file(place)?;
    sync_directory(place)
}

/// Removes what those left in a directory who were killed before it was in its place.
pub(super) fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_staged = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if is_staged && age.is_some_and(|age| age > STALE) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// What went wrong, without the name that a file has until it is in its place.
pub(super) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.to_string(),
        None => io::Error::from(error.kind()).to_string(),
    }
}

/// The directory that a file is in.
pub(super) fn directory(place: &Path) -> &Path {
    place.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."))
}

fn sync_directory(place: &Path) -> io::Result<()> {
    File::open(directory(place))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

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
        let staged = Staged::write(directory.path(), b"new", 0o644).unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(directory.path()).len()), (b"old".to_vec(), 2));
        staged.put(&place).unwrap();
        assert_eq!((fs::read(&place).unwrap(), names(directory.path())), (b"new".to_vec(), vec!["rule.wasm".to_owned()]));
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_reason_names_no_file_that_nobody_named() {
        let error = Staged::write(Path::new("no/such"), b"", 0o644).map(drop).unwrap_err();
        assert!(error.to_string().contains(PREFIX), "{error}");
        assert_eq!(reason(&error), io::Error::from(io::ErrorKind::NotFound).to_string());
    }

    #[test]
    fn what_is_not_put_in_its_place_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Staged::write(directory.path(), b"new", 0o644).unwrap());
        assert_eq!(names(directory.path()), Vec::<String>::new());
        assert!(write(&directory.path().join("no/such/rule.wasm"), b"", 0o644).is_err());
    }

    #[test]
    fn what_was_left_long_ago_is_swept_away_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for (name, hours) in [(".kerno-old.tmp", 2), (".kerno-new.tmp", 0), ("old.wasm", 2)] {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(hours)).unwrap();
        }
        sweep(directory.path());
        assert_eq!(names(directory.path()), [".kerno-new.tmp", "old.wasm"]);
    }
}
