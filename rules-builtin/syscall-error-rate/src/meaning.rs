//! What an error says of its cause, and where to look.

/// Words for one error.
pub(crate) struct Meaning {
    pub cause: &'static str,
    /// What to look at first: a title and a command. `@` stands for the process that got most of them.
    pub look: Option<(&'static str, &'static str)>,
}

/// Whether it is a user who has too many of what this call makes, not a process too many descriptors.
pub(crate) fn is_of_the_user(call: &str) -> bool {
    call == "inotify_init" || call == "inotify_init1"
}

pub(crate) fn of(error: &str, call: &str) -> Meaning {
    let (cause, look) = match (error, call) {
        ("ENOSPC", "inotify_add_watch") => (
            "A user has as many inotify watches as fs.inotify.max_user_watches allows.",
            Some(("see the limit (sysctl -w raises it)", "sysctl fs.inotify.max_user_watches")),
        ),
        ("EMFILE", call) if is_of_the_user(call) => (
            "A user has as many inotify instances as fs.inotify.max_user_instances allows; the limit of descriptors is another one.",
            Some((
                "see the limit (sysctl -w raises it), and who has how many",
                "sysctl fs.inotify.max_user_instances; find /proc/[0-9]*/fd -lname '*inotify' 2> /dev/null | cut -d/ -f3 | sort | uniq -c",
            )),
        ),
        ("ENOSPC", _) => ("A file system has no blocks or no inodes left.", Some(("see which one is full", "df -h; df -i"))),
        ("EDQUOT", _) => ("A quota is used up.", Some(("see whose", "repquota -a"))),
        ("EMFILE", _) => (
            "A process has as many descriptors as its limit (RLIMIT_NOFILE) allows.",
            Some(("see its limit and how many it has", "grep 'open files' /proc/@/limits; ls /proc/@/fd | wc -l")),
        ),
        ("ENFILE", _) => {
            ("This host has as many open files as fs.file-max allows.", Some(("see how many", "cat /proc/sys/fs/file-nr")))
        }
        ("ENOMEM", _) => (
            "The kernel has no memory for it: overcommit, a limit, or the host is short.",
            Some(("see memory and limits", "free -m; sysctl vm.overcommit_memory vm.max_map_count")),
        ),
        ("EIO", _) => (
            "A device or file system gives errors (or, of reads and writes, terminals were closed).",
            Some(("see what the kernel says", "dmesg -T | grep -iE 'error|failed' | tail")),
        ),
        ("EROFS", _) => (
            "A file system is mounted read-only, or became so after an error.",
            Some(("see which ones", "grep -E ' ro[ ,]' /proc/mounts; dmesg -T | grep -i read-only")),
        ),
        ("ESTALE", _) => (
            "A file of a network file system is gone on its server.",
            Some(("see the mounts", "findmnt -t nfs,nfs4,cifs,fuse,ceph")),
        ),
        ("ETXTBSY", _) => ("A program's file is written while it runs, or run while it is written.", None),
        ("EACCES" | "EPERM", _) => (
            "It may not: modes, capabilities, SELinux, AppArmor or seccomp refuse it.",
            Some(("see whether a security module refuses it", "dmesg -T | grep -iE 'denied|audit' | tail")),
        ),
        ("ECONNREFUSED", _) => {
            ("Nobody listens where it connects to.", Some(("see who listens on this host", "ss -ltnp; ss -lxp")))
        }
        ("ETIMEDOUT" | "EHOSTUNREACH" | "ENETUNREACH", _) => (
            "A peer does not answer, or there is no way to it.",
            Some(("see connections being made, and the routes", "ss -tnp state syn-sent; ip route")),
        ),
        ("EADDRNOTAVAIL" | "EADDRINUSE", _) => (
            "No local port is left, or the address is taken or not on this host.",
            Some(("see sockets and ports", "ss -s; sysctl net.ipv4.ip_local_port_range")),
        ),
        ("ECONNRESET" | "EPIPE" | "ENOTCONN", _) => ("Peers close connections that it still uses.", None),
        ("EINVAL" | "EFAULT" | "EBADF" | "ENOTSOCK", _) => {
            ("The arguments are wrong: a defect of the program, or it was built for another kernel.", None)
        }
        _ => ("The kernel refuses it.", None),
    };
    Meaning { cause, look }
}
