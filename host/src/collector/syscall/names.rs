//! Names of this machine's system calls, and what each does with the time of its caller.

#[cfg(any(test, not(target_arch = "x86_64")))]
mod aarch64;
#[cfg(any(test, target_arch = "x86_64"))]
mod x86_64;

use std::sync::LazyLock;

use kerno_ebpf_common::syscall::{
    ASLEEP, CLONE, CLONE3, COMPAT, Classes, DESCRIPTOR, FILE, NO_RESULT, NUMBERS, OPEN, OTHER, TWICE, UNJUDGED,
};

#[cfg(target_arch = "x86_64")]
use x86_64::NAMES;

#[cfg(not(target_arch = "x86_64"))]
use aarch64::NAMES;

/// Name of a number's row, `None` where this machine has no such call.
#[must_use]
pub fn name(row: u32) -> Option<&'static str> {
    let number = u16::try_from(row).ok()?;
    NAMES.binary_search_by_key(&number, |(number, _)| *number).ok().map(|index| NAMES[index].1)
}

/// Name of a row as it is told: that of its number, or of all that have none.
#[must_use]
pub fn told(row: u32) -> String {
    match name(row) {
        Some(name) => name.to_owned(),
        None if row == COMPAT => "32-bit".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Class and flags of every number.
pub static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
    let mut classes = [OTHER; NUMBERS as usize];
    for (number, name) in NAMES {
        if let Some(class) = classes.get_mut(usize::from(*number)) {
            *class = class_of(name);
        }
    }
    classes
});

/// Class and flags of a row.
#[must_use]
pub fn class(row: u32) -> u8 {
    name(row).map_or(OTHER, class_of)
}

/// How a call's sleep is judged, and what else is special about it.
fn class_of(name: &str) -> u8 {
    match name {
        // Waiting is what they are for.
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" | "ppoll" | "select" | "pselect6" | "futex" | "futex_wait"
        | "futex_waitv" | "futex_wake" | "futex_requeue" | "nanosleep" | "clock_nanosleep" | "restart_syscall" | "pause"
        | "rt_sigsuspend" | "rt_sigtimedwait" | "wait4" | "waitid" | "accept" | "accept4" | "recvfrom" | "recvmsg"
        | "recvmmsg" | "mq_timedsend" | "mq_timedreceive" | "msgsnd" | "msgrcv" | "semop" | "semtimedop" | "io_getevents"
        | "io_pgetevents" | "io_uring_enter" | "flock" | "exit" | "exit_group"
        // All there is is waited for, or an RCU grace period is.
        | "sync" | "swapoff" | "init_module" | "finit_module" | "delete_module" | "umount2" | "membarrier" | "bpf"
        | "perf_event_open" | "setns" | "unshare" | "reboot" => ASLEEP,
        "vfork" => ASLEEP | TWICE,
        "fork" => OTHER | TWICE,
        "clone" => CLONE | TWICE,
        "clone3" => CLONE3 | TWICE,
        "rt_sigreturn" => OTHER | NO_RESULT,
        "ioctl" => UNJUDGED,
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => OPEN,
        "read" | "pread64" | "readv" | "preadv" | "preadv2" | "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2"
        | "fstat" | "lseek" | "getdents" | "getdents64" | "ftruncate" | "fchdir" | "fchmod" | "fchown" | "fstatfs"
        | "fsetxattr" | "fgetxattr" | "flistxattr" | "fremovexattr" | "fadvise64" | "readahead" | "fallocate"
        | "copy_file_range" | "close" => DESCRIPTOR,
        "fsync" | "fdatasync" | "syncfs" | "sync_file_range" | "msync" | "stat" | "lstat" | "newfstatat" | "statx" | "statfs"
        | "access" | "faccessat" | "faccessat2" | "readlink" | "readlinkat" | "truncate" | "rename" | "renameat"
        | "renameat2" | "mkdir" | "mkdirat" | "rmdir" | "link" | "linkat" | "unlink" | "unlinkat" | "symlink" | "symlinkat"
        | "mknod" | "mknodat" | "chmod" | "fchmodat" | "fchmodat2" | "chown" | "lchown" | "fchownat" | "utime" | "utimes"
        | "utimensat" | "futimesat" | "chdir" | "chroot" | "setxattr" | "lsetxattr" | "setxattrat" | "getxattr" | "lgetxattr"
        | "getxattrat" | "listxattr" | "llistxattr" | "listxattrat" | "removexattr" | "lremovexattr" | "removexattrat"
        | "execve" | "execveat" | "name_to_handle_at" | "file_getattr" | "file_setattr" => FILE,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aarch64::NAMES as ARM64;
    use x86_64::NAMES as X86_64;

    #[test]
    fn tables_are_sorted_fit_and_agree_from_424_on() {
        for table in [X86_64, ARM64] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(table.iter().all(|(number, _)| u32::from(*number) < COMPAT));
        }
        let young = |table: &'static [(u16, &str)]| table.iter().filter(|(number, _)| *number >= 424).collect::<Vec<_>>();
        assert_eq!(young(X86_64), young(ARM64));
        let is = |table: &[(u16, &str)], call| table.contains(&call);
        assert!(is(X86_64, (0, "read")) && is(X86_64, (231, "exit_group")));
        assert!(is(ARM64, (63, "read")) && is(ARM64, (94, "exit_group")));
    }

    #[test]
    fn rows_without_a_number_of_their_own_are_never_named_by_the_table() {
        assert_eq!((told(COMPAT).as_str(), told(NUMBERS - 1).as_str()), ("32-bit", "unknown"));
    }

    #[test]
    fn what_waits_by_design_is_not_judged_and_storage_is() {
        for name in ["futex", "epoll_wait", "vfork", "sync", "flock", "recvmsg"] {
            assert_eq!(class_of(name) & 0xf, ASLEEP, "{name}");
        }
        for (name, class) in [("unlink", FILE), ("read", DESCRIPTOR), ("openat", OPEN), ("fcntl", OTHER), ("connect", OTHER)] {
            assert_eq!(class_of(name), class, "{name}");
        }
    }

    #[test]
    fn every_name_that_is_looked_for_exists_on_one_of_the_machines() {
        let known = |name: &str| X86_64.iter().chain(ARM64).any(|(_, known)| *known == name);
        let classes = include_str!("names.rs").split("mod tests {").next().unwrap();
        let descriptors = include_str!("../../../signals/src/descriptor.rs");
        let quoted = [classes, descriptors].into_iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let words: Vec<_> = quoted.filter(|word| !["x86_64", "32-bit", "unknown"].contains(word)).collect();
        assert!(words.len() > 150 && words.iter().all(|word| known(word)), "{:?}", words.iter().find(|word| !known(word)));
    }
}
