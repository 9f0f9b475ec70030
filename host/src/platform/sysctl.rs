//! The kernel's settings: `/proc/sys`.

use super::{Error, Root};

/// A number by its dotted name, such as `kernel.dmesg_restrict`.
///
/// # Errors
///
/// When the kernel has no such setting, does not show it to this user, or it is no number.
pub fn read(root: &Root, name: &str) -> Result<i64, Error> {
    root.parse(format!("/proc/sys/{}", name.replace('.', "/")), "a number", |text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn settings_are_read_by_their_dotted_names() {
        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().join("proc/sys/kernel");
        fs::create_dir_all(&settings).unwrap();
        fs::write(settings.join("perf_event_paranoid"), "-1\n").unwrap();
        fs::write(settings.join("hostname"), "node\n").unwrap();
        let root = Root::new(directory.path());
        assert_eq!(read(&root, "kernel.perf_event_paranoid").unwrap(), -1);
        assert!(read(&root, "kernel.hostname").is_err());
        assert!(read(&root, "kernel.absent").unwrap_err().is_not_found());
    }
}
