//! Where the host's files are, and what can go wrong with one.

use std::io;
use std::path::{Path, PathBuf};

/// A file of the host could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not look as the kernel documents it.
    #[error("cannot understand {}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// The file is not there: the kernel lacks the feature or the process is gone.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// The directory below which `/proc`, `/sys` and `/dev` are found: `/`, but for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// A root other than `/`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// An absolute path of the host, below this root.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.0.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Whole content of a file.
    pub fn bytes(&self, absolute: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
        let path = self.path(absolute);
        std::fs::read(&path).map_err(|source| Error::Read { path, source })
    }

    /// Whole text of a file; bytes that are not UTF-8 (command names may hold any) are replaced.
    pub fn read(&self, absolute: impl AsRef<Path>) -> Result<String, Error> {
        let bytes = self.bytes(absolute)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Reads a file and hands it to `parse`, whose `None` is an error that says what was `expected`.
    pub fn parse<T>(
        &self,
        absolute: impl AsRef<Path>,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let text = self.read(&absolute)?;
        parse(&text).ok_or_else(|| Error::Content { path: self.path(absolute), what: format!("{expected} expected") })
    }

    /// Names in a directory, empty when it cannot be listed.
    pub(crate) fn names(&self, absolute: impl AsRef<Path>) -> Vec<String> {
        std::fs::read_dir(self.path(absolute))
            .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
            .unwrap_or_default()
    }

    /// Whether the path is there.
    #[must_use]
    pub fn exists(&self, absolute: impl AsRef<Path>) -> bool {
        self.path(absolute).exists()
    }
}
