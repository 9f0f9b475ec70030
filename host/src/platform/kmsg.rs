//! The kernel's log, `/dev/kmsg`: one record a read, kept in a ring that old records fall out of.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
};

use super::{Error, Root};

const PATH: &str = "/dev/kmsg";

/// The kernel hands out no record longer than this.
const LONGEST: usize = 8 << 10;

/// Records that one call returns at most: more than the largest log of a distribution holds.
const MOST: usize = 200_000;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, nanoseconds since boot, by the clock of the CPU that wrote it; close to `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// What.
    pub text: String,
}

/// An open log.
#[derive(Debug)]
pub struct Kmsg {
    file: File,
    /// Records that fell out of the ring before they were read.
    overwritten: u64,
}

impl Kmsg {
    /// Opens it at its oldest record.
    ///
    /// # Errors
    ///
    /// When it may not be read: where `kernel.dmesg_restrict` is 1, it takes `CAP_SYSLOG`.
    pub fn open(root: &Root) -> Result<Self, Error> {
        let path = root.path(PATH);
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(&path);
        file.map(|file| Self { file, overwritten: 0 }).map_err(|source| Error::Read { path, source })
    }

    /// The records that came since the last call.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn read(&mut self) -> Result<Vec<Record>, Error> {
        let mut records = vec![];
        let mut buffer = vec![0; LONGEST];
        while records.len() < MOST {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => records.extend(parse(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The next read goes on with the oldest that is left.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.overwritten += 1,
                Err(source) => return Err(Error::Read { path: PATH.into(), source }),
            }
        }
        Ok(records)
    }

    /// How often records fell out of the ring before they were read.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }
}

/// What is to be done about a log that may not be read.
#[must_use]
pub fn why_refused(error: &Error) -> String {
    format!("{error} (where kernel.dmesg_restrict is 1, it takes CAP_SYSLOG)")
}

/// `priority,sequence,microseconds,flags[,…];text`, then lines of properties that begin with a space. Bytes that are not printable
/// are written as `\xNN`.
fn parse(record: &str) -> Option<Record> {
    let (head, text) = record.split_once(';')?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = text.split('\n').next()?;
    Some(Record { at_ns: microseconds.saturating_mul(1_000), text: unescaped(text) })
}

fn unescaped(text: &str) -> String {
    if !text.contains("\\x") {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = rest.strip_prefix(b"\\x").and_then(|code| code.get(..2)).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_head_a_text_and_properties() {
        let record = parse("6,339,5140900,-;NET: Registered PF_INET6\n SUBSYSTEM=net\n DEVICE=n3\n").unwrap();
        assert_eq!(record, Record { at_ns: 5_140_900_000, text: "NET: Registered PF_INET6".to_owned() });
        let record = parse("4,1,7,-,caller=T12;oom; killed\n").unwrap();
        assert_eq!((record.at_ns, record.text.as_str()), (7_000, "oom; killed"));
        assert_eq!(parse("nonsense"), None);
        assert_eq!(parse("1,2;x"), None);
    }

    #[test]
    fn escaped_bytes_become_themselves() {
        assert_eq!(unescaped("a\\x0ab\\x5cx\\xzz\\x4"), "a\nb\\x\\xzz\\x4");
        assert_eq!(unescaped("sch\\xc3\\xb6n"), "schön");
    }

    #[test]
    fn a_log_that_is_not_there_is_an_error_that_says_what_it_takes() {
        let directory = tempfile::tempdir().unwrap();
        let error = Kmsg::open(&Root::new(directory.path())).unwrap_err();
        assert!(why_refused(&error).contains("CAP_SYSLOG"), "{error}");
    }

    #[test]
    fn reading_to_the_end_does_not_block() {
        // A machine that refuses it says so.
        match Kmsg::open(&Root::default()) {
            Ok(mut log) => {
                log.read().unwrap();
                assert!(log.read().unwrap().len() < 1_000);
            }
            Err(error) => assert!(error.to_string().contains("kmsg"), "{error}"),
        }
    }
}
