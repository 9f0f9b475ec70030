//! The table of errors: what is part of normal work, what may be a probe, and of what few are too many. The README explains it.

use kerno_rules_sdk::prelude::*;

/// Errors of calls (none: of every call) that are part of normal work at any rate. Words are set apart by spaces.
const NORMAL: &[(&str, &str)] = &[
    // Try again, or wait: nothing is wrong.
    ("EAGAIN EINTR EINPROGRESS EALREADY ERESTART", ""),
    // The kernel or the thing does not have it, and the caller does without.
    ("ENOSYS ENOTTY EOPNOTSUPP ENOPROTOOPT EPROTONOSUPPORT EAFNOSUPPORT ESOCKTNOSUPPORT", ""),
    // Look-ups: along search paths, of files that may be there.
    (
        "ENOENT ENOTDIR ELOOP",
        "open openat openat2 stat lstat newfstatat statx statfs access faccessat faccessat2 readlink readlinkat execve execveat \
         getxattr lgetxattr listxattr llistxattr removexattr lremovexattr unlink unlinkat rmdir rename renameat renameat2 mkdir mkdirat \
         link linkat symlink symlinkat chdir chmod fchmodat fchmodat2 chown lchown fchownat utimensat truncate name_to_handle_at \
         inotify_add_watch fanotify_mark mount umount2 connect sendto sendmsg epoll_ctl getcwd shmget semget msgget mq_open mq_unlink \
         bpf perf_event_open mknod mknodat getdents64 keyctl",
    ),
    // It is there already: lock files, `mkdir -p`.
    (
        "EEXIST",
        "open openat openat2 mkdir mkdirat mknod mknodat link linkat symlink symlinkat rename renameat2 epoll_ctl shmget semget msgget \
         mq_open mmap bpf add_key",
    ),
    // The answer to a question.
    ("EACCES EPERM EROFS ETXTBSY", "access faccessat faccessat2"),
    ("EINVAL", "readlink readlinkat inotify_rm_watch"),
    ("ENODATA ERANGE EPERM", "getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr flistxattr"),
    ("ENODATA", "removexattr lremovexattr fremovexattr ioctl read pread64"),
    ("ENXIO", "lseek open openat openat2 ioctl"),
    ("ESPIPE", "lseek pread64 preadv preadv2 pwrite64 pwritev fadvise64 copy_file_range splice sendfile"),
    ("EINVAL EROFS", "fsync fdatasync"),
    ("ERANGE", "getcwd"),
    ("ENOMEM EINVAL EFAULT", "mincore msync madvise"),
    ("ENOMEM EPERM", "mlock mlock2 mlockall io_uring_setup"),
    ("EINVAL EPERM EACCES ENOSPC E2BIG EINTR", "bpf perf_event_open"),
    ("EINVAL EFAULT", "capget sched_getaffinity get_mempolicy"),
    ("EINVAL EIO ENODEV", "ioctl"),
    ("ENOKEY EACCES", "keyctl request_key"),
    // Processes end at any time, and belong to others.
    ("ESRCH EPERM", "kill tgkill tkill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo setpgid setsid"),
    ("EACCES", "setpgid fcntl"),
    (
        "ESRCH",
        "open openat openat2 read pread64 readlink readlinkat newfstatat statx getdents64 write getpgid getsid getpriority setpriority \
         sched_getaffinity sched_setaffinity sched_getscheduler sched_getparam sched_getattr prlimit64 ptrace process_vm_readv \
         ioprio_get ioprio_set pidfd_open",
    ),
    ("ECHILD", "wait4 waitid"),
    ("ENODEV", "open openat read pread64 write"),
    // Loops that close all there may be, and checks of standard descriptors.
    ("EBADF", "close close_range dup dup2 dup3 fcntl fstat newfstatat epoll_ctl"),
    ("EPERM", "epoll_ctl chown fchown lchown fchownat"),
    // Time-outs that were asked for, timers that were cancelled.
    ("ETIMEDOUT", "futex futex_wait futex_waitv mq_timedsend mq_timedreceive"),
    ("ETIME", "io_uring_enter"),
    ("ECANCELED", "read"),
    // The caller does it in another way.
    ("EXDEV", "rename renameat renameat2 link linkat copy_file_range openat2"),
    ("ENOTEMPTY EBUSY", "rmdir unlinkat rename renameat2"),
    ("EISDIR", "open openat read unlink unlinkat rename"),
    ("ENOEXEC", "execve execveat"),
    ("ESTALE EOVERFLOW", "open_by_handle_at name_to_handle_at"),
    // Sockets: an address family without a route, a connection that is there, a peer that went first.
    ("ENETUNREACH EISCONN", "connect"),
    ("ENOTCONN", "shutdown getpeername"),
];

/// Errors that programs meet when they try what they may or can do, and at any peer that goes away: many a second are a fault.
const PROBES: &str = "EPERM EACCES ECONNREFUSED EINVAL ESRCH EBADF EFAULT EBUSY EEXIST ENOENT ENOTDIR ENODEV ENXIO ERANGE E2BIG ENODATA \
                      ECONNRESET EPIPE ENOTCONN EADDRINUSE EADDRNOTAVAIL EISDIR EXDEV ENOTSOCK EDESTADDRREQ ENETUNREACH";

/// Errors of which few are too many.
const SERIOUS: &str = "ENOSPC EIO EROFS EMFILE ENFILE ENOMEM EDQUOT ESTALE ETXTBSY";

/// Each terminal that closes leaves one `EIO` to its reader and writer: seen on all of the host, they say nothing.
const TERMINALS: (&str, &str) = ("EIO", "read write readv writev");

/// What does not count.
pub(crate) fn normal() -> Vec<ErrorsOf> {
    NORMAL.iter().map(errors_of).collect()
}

/// What says nothing where groups are not told apart: many groups that each probe now and then are no storm.
pub(crate) fn of_the_host() -> [ErrorsOf; 2] {
    [errors_of(&(PROBES, "")), errors_of(&TERMINALS)]
}

/// Of which few are too many.
pub(crate) fn serious() -> ErrorsOf {
    errors_of(&(SERIOUS, ""))
}

pub(crate) fn may_be_a_probe(error: &str) -> bool {
    words(PROBES).any(|word| word == error)
}

pub(crate) fn is_serious(error: &str) -> bool {
    words(SERIOUS).any(|word| word == error)
}

fn errors_of((errors, calls): &(&str, &str)) -> ErrorsOf {
    let own = |text| words(text).map(ToOwned::to_owned).collect();
    ErrorsOf { errors: own(errors), calls: own(calls) }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_rules_sdk::testing::snapshot::errno_name;

    #[test]
    fn every_error_that_is_named_exists_and_none_is_of_two_kinds() {
        let known: Vec<&str> = (1..200).filter_map(errno_name).collect();
        let named = NORMAL.iter().flat_map(|(errors, _)| words(errors)).chain(words(PROBES)).chain(words(SERIOUS));
        for error in named {
            assert!(known.contains(&error), "{error}");
        }
        assert!(words(PROBES).all(|error| !is_serious(error)));
        let every_call = NORMAL.iter().filter(|(_, calls)| calls.is_empty()).flat_map(|(errors, _)| words(errors));
        assert!(every_call.into_iter().all(|error| !is_serious(error) && !may_be_a_probe(error)));
    }

    #[test]
    fn what_the_table_names_has_no_stray_words() {
        for (errors, calls) in NORMAL {
            assert!(words(errors).all(|word| word.starts_with('E')), "{errors}");
            assert!(
                words(calls)
                    .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
            );
        }
    }
}
