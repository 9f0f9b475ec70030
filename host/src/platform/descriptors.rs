//! Open descriptors as files tell them: of a process, its limit, and of the whole system.

use std::os::unix::fs::MetadataExt;

use kerno_signals::FileTable;

use super::{Error, Root};

/// Descriptors of a process. For this one, the descriptor that lists them is not counted.
///
/// # Errors
///
/// When the process is gone, or is not ours to look into (`CAP_SYS_PTRACE`).
pub fn count(root: &Root, pid: u32) -> Result<u64, Error> {
    let path = root.path(format!("/proc/{pid}/fd"));
    match std::fs::read_dir(&path) {
        Ok(entries) => {
            let listed = entries.flatten().count() as u64;
            Ok(listed.saturating_sub(u64::from(pid == std::process::id())))
        }
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// The kernel's own count, since 6.2 (f1f1f2569901); 0 before.
///
/// # Errors
///
/// As [`count`].
pub fn size(root: &Root, pid: u32) -> Result<u64, Error> {
    let path = root.path(format!("/proc/{pid}/fd"));
    // Without the rights to list it, its size can be read all the same.
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok(metadata.size()),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Soft and hard limit of open descriptors of a process.
///
/// # Errors
///
/// When the process is gone.
pub fn limits(root: &Root, pid: u32) -> Result<(u64, u64), Error> {
    root.parse(format!("/proc/{pid}/limits"), "a line `Max open files`", parse_limits)
}

/// Open files of the system, and the most there may be.
///
/// # Errors
///
/// When `/proc/sys` is not there.
pub fn file_table(root: &Root) -> Result<FileTable, Error> {
    root.parse("/proc/sys/fs/file-nr", "three numbers", parse_file_nr)
}

/// `Max open files            1024                 524288               files`.
fn parse_limits(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut limits = line.split_whitespace().map(|limit| if limit == "unlimited" { Some(u64::MAX) } else { limit.parse().ok() });
    Some((limits.next()??, limits.next()??))
}

/// `allocated unused max`; none is unused since 2.6.
fn parse_file_nr(text: &str) -> Option<FileTable> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    let open = numbers.next()??;
    Some(FileTable { open, max: numbers.nth(1)?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             31442                31442                processes \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(parse_limits(text), Some((1_024, 524_288)));
        let unlimited = "Max open files            unlimited            unlimited            files\n";
        assert_eq!(parse_limits(unlimited), Some((u64::MAX, u64::MAX)));
        assert_eq!(parse_limits("Max processes 1 1\n"), None);
    }

    #[test]
    fn the_systems_table() {
        assert_eq!(parse_file_nr("1216\t0\t9223372036854775807\n"), Some(FileTable { open: 1216, max: i64::MAX as u64 }));
        assert_eq!(parse_file_nr("1216\t0\n"), None);
    }

    #[test]
    fn this_process_has_descriptors_and_a_limit() {
        let (root, pid) = (Root::default(), std::process::id());
        let before = count(&root, pid).unwrap();
        assert!(before >= 1);
        // Before 6.2 it is 0.
        let size = size(&root, pid).unwrap();
        assert!(size == 0 || size.abs_diff(before) < 16, "{size} {before}");
        let expected = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let [soft, hard] = [expected.current, expected.maximum].map(|limit| limit.unwrap_or(u64::MAX));
        assert_eq!(limits(&root, pid).unwrap(), (soft, hard));
        assert!(file_table(&root).unwrap().open > 0);
        assert!(count(&root, u32::MAX).unwrap_err().is_not_found());
    }
}
