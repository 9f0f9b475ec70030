//! Which system calls make and close descriptors.

use crate::DescriptorKind;

impl DescriptorKind {
    /// What descriptors a successful call of this name makes, and how many.
    #[must_use]
    pub fn made_by(name: &str) -> Option<(Self, u64)> {
        Some(match name {
            "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" | "mq_open" => (Self::Open, 1),
            "socket" => (Self::Socket, 1),
            "socketpair" => (Self::Socket, 2),
            "accept" | "accept4" => (Self::Accept, 1),
            "pipe" | "pipe2" => (Self::Pipe, 2),
            "dup" | "dup2" | "dup3" => (Self::Dup, 1),
            "eventfd" | "eventfd2" => (Self::Event, 1),
            "memfd_create" | "memfd_secret" => (Self::Memory, 1),
            "epoll_create" | "epoll_create1" => (Self::Epoll, 1),
            "timerfd_create" => (Self::Timer, 1),
            "signalfd" | "signalfd4" => (Self::Signal, 1),
            "inotify_init" | "inotify_init1" | "fanotify_init" => (Self::Notify, 1),
            "io_uring_setup" => (Self::Ring, 1),
            "pidfd_open"
            | "pidfd_getfd"
            | "perf_event_open"
            | "userfaultfd"
            | "fsopen"
            | "fsmount"
            | "fspick"
            | "open_tree"
            | "open_tree_attr"
            | "landlock_create_ruleset" => (Self::Other, 1),
            _ => return None,
        })
    }
}

/// Whether a successful call of this name closes descriptors.
#[must_use]
pub fn closes_descriptors(name: &str) -> bool {
    matches!(name, "close" | "close_range")
}
