//! Does kerno see the whole host, and do its capabilities mean anything there?

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::platform::process;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let user = if seen.facts.user_namespace {
        Item::gap(
            "user_namespace",
            Group::Privileges,
            "kerno runs in a user namespace of its own, whose capabilities mean nothing to BPF",
            NO_PROGRAMS,
            "run kerno in the host's user namespace (a container: without user namespace remapping or rootless mode)",
        )
    } else {
        Item::ok("user_namespace", Group::Privileges, "kerno runs in the host's user namespace")
    };
    let pids = match process::hidden(&seen.root) {
        Some(why) => Item::gap(
            "processes",
            Group::Privileges,
            why,
            "other processes have no names, command lines or descriptors",
            "run kerno in the host's pid namespace (hostPID) with a /proc that shows every process",
        ),
        None => Item::ok("processes", Group::Privileges, "every process of the host is visible"),
    };
    vec![user, pids]
}
