//! Reads control files of groups, which may vanish between any two calls.

use std::path::Path;

use super::walk::is_gone;
use crate::platform::Error;

/// Text of a control file. `None` when the group is gone, does not have the file, or the kernel was told not to keep it (PSI).
pub fn read(directory: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = directory.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => {
            Ok(Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())))
        }
        Err(source) if is_gone(&source) || source.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Reads a control file and hands it to `parse`, whose `None` is an error that says what was `expected`.
pub fn parse<T>(directory: &Path, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(text) = read(directory, name)? else { return Ok(None) };
    let error = || Error::Content { path: directory.join(name), what: format!("{expected} expected") };
    parse(&text).map(Some).ok_or_else(error)
}

/// The number in a file's line `key number`.
#[must_use]
pub fn number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_none_and_what_is_wrong_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        assert_eq!(read(at, "cpu.stat").unwrap(), None);
        assert_eq!(read(&at.join("gone"), "cpu.stat").unwrap(), None);
        std::fs::write(at.join("cpu.stat"), b"comm \xff\n").unwrap();
        assert_eq!(read(at, "cpu.stat").unwrap().as_deref(), Some("comm \u{fffd}\n"));
        let error = parse(at, "cpu.stat", "a number", |text| number(text, "comm")).unwrap_err();
        assert!(error.to_string().ends_with("cpu.stat: a number expected"), "{error}");
        // A directory in the place of a file reads as an error of its own.
        assert!(read(at.parent().unwrap(), at.file_name().unwrap().to_str().unwrap()).is_err());
    }

    #[test]
    fn keys_are_whole_words() {
        let text = "nr_throttled 3\nthrottled_usec 250\nthrottled 9\n";
        assert_eq!(number(text, "throttled"), Some(9));
        assert_eq!(number(text, "throttled_usec"), Some(250));
        assert_eq!(number(text, "nr"), None);
    }
}
