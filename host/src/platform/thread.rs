//! Threads asleep inside a system call: which call, since which switch, in which function of the kernel. Needs `CAP_SYS_PTRACE`
//! for other users' threads.

use super::{Root, patience};

/// Bytes of the longest line that tells of a call.
const MOST: u64 = 256;

/// A thread that is blocked in a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Number of the call.
    pub number: u32,
    /// Its first argument.
    pub first_argument: u64,
    /// Its stack is in the first 4 GiB: a 32-bit program, whose calls are numbered by another table.
    pub is_32_bit: bool,
    /// Number, arguments, stack and program counter, as the kernel tells them.
    pub text: String,
}

/// The call that a thread is blocked in; `None` when it runs, is blocked elsewhere, or cannot be looked at.
#[must_use]
pub fn blocked(root: &Root, pid: u32, tid: u32) -> Option<Blocked> {
    // It waits for an `exec` of the process.
    let bytes = patience::read(root.path(format!("/proc/{pid}/task/{tid}/syscall")), MOST).ok()?;
    parse_blocked(str::from_utf8(&bytes).ok()?)
}

/// How often the thread has gone to sleep.
#[must_use]
pub fn sleeps(root: &Root, pid: u32, tid: u32) -> Option<u64> {
    let text = root.read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
}

/// The kernel function that the thread sleeps in; `None` when it does not sleep or the kernel does not tell.
#[must_use]
pub fn sleeps_in(root: &Root, pid: u32, tid: u32) -> Option<String> {
    let name = root.read(format!("/proc/{pid}/task/{tid}/wchan")).ok()?;
    let name = name.trim_end();
    (!name.is_empty() && name != "0").then(|| name.to_owned())
}

/// Type of the file system that a process's descriptor is on; `None` when there is none, or it is not a mounted one.
#[must_use]
pub fn file_system(root: &Root, pid: u32, descriptor: u64) -> Option<String> {
    let about = root.read(format!("/proc/{pid}/fdinfo/{descriptor}")).ok()?;
    let mount = about.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().to_owned();
    let mounts = root.read(format!("/proc/{pid}/mountinfo")).ok()?;
    let line = mounts.lines().find(|line| line.split_ascii_whitespace().next() == Some(&mount))?;
    let (_, rest) = line.split_once(" - ")?;
    rest.split_ascii_whitespace().next().map(str::to_owned)
}

/// `running`, or `-1 sp pc`, or the number, six arguments, stack pointer and program counter.
fn parse_blocked(text: &str) -> Option<Blocked> {
    let text = text.trim_end();
    let mut fields = text.split_ascii_whitespace();
    let number = fields.next()?.parse().ok()?;
    let hexadecimal = |field: &str| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let rest: Vec<u64> = fields.map(hexadecimal).collect::<Option<_>>()?;
    let (first_argument, stack) = (*rest.first()?, *rest.get(6)?);
    Some(Blocked { number, first_argument, is_32_bit: stack >> 32 == 0, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_thread_blocked_in_a_call_is_told() {
        let line = "74 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffc12345678 0x7f5e00000001\n";
        let told = parse_blocked(line).unwrap();
        assert_eq!((told.number, told.first_argument, told.is_32_bit), (74, 3, false));
        assert_eq!(told.text, line.trim_end());
        assert!(parse_blocked("3 0x3 0x0 0x0 0x0 0x0 0x0 0xff801234 0xf7f00001").unwrap().is_32_bit);
        for other in ["running\n", "-1 0x7ffc 0x7f5e\n", "", "74 0x3\n", "74 3 x"] {
            assert_eq!(parse_blocked(other), None, "{other}");
        }
    }

    #[test]
    fn files_of_a_thread() {
        let directory = tempfile::tempdir().unwrap();
        let thread = directory.path().join("proc/7/task/8");
        std::fs::create_dir_all(&thread).unwrap();
        std::fs::write(thread.join("status"), "Name:\tx\nvoluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t4\n")
            .unwrap();
        std::fs::write(thread.join("wchan"), "request_wait_answer").unwrap();
        let root = Root::new(directory.path());
        assert_eq!((sleeps(&root, 7, 8), sleeps_in(&root, 7, 8).as_deref()), (Some(17), Some("request_wait_answer")));
        let process = directory.path().join("proc/7");
        std::fs::create_dir(process.join("fdinfo")).unwrap();
        std::fs::write(process.join("fdinfo/3"), "pos:\t0\nflags:\t0100000\nmnt_id:\t29\n").unwrap();
        let mounts = "28 1 0:5 / /dev rw - devtmpfs udev rw\n29 1 0:41 / /mnt rw shared:4 - fuse.sshfs host: rw\n";
        std::fs::write(process.join("mountinfo"), mounts).unwrap();
        assert_eq!((file_system(&root, 7, 3).as_deref(), file_system(&root, 7, 4)), (Some("fuse.sshfs"), None));
        std::fs::write(thread.join("wchan"), "0").unwrap();
        assert_eq!((sleeps_in(&root, 7, 8), sleeps(&root, 7, 9)), (None, None));
    }
}
