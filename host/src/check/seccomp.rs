//! Is there a filter on system calls?

use super::{Group, Item, Seen};

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![if seen.facts.seccomp {
        Item::unknown(
            "seccomp",
            Group::Privileges,
            "a seccomp filter is in force; whether it lets bpf() and perf_event_open() pass shows in the collectors",
        )
    } else {
        Item::ok("seccomp", Group::Privileges, "no seccomp filter is in force")
    }]
}
