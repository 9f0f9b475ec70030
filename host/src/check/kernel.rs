//! Is the kernel new enough?

use super::{Group, Item, NO_PROGRAMS, Seen};

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let release = &seen.facts.release;
    vec![if seen.facts.version().is_none() {
        Item::unknown("kernel", Group::Kernel, "the kernel's release cannot be read (/proc/sys/kernel/osrelease)")
    } else if seen.facts.older_than(5, 8) {
        let found = format!("Linux {release}, 5.8 needed");
        Item::gap("kernel", Group::Kernel, found, NO_PROGRAMS, "upgrade the kernel to 5.8 or later")
    } else {
        Item::ok("kernel", Group::Kernel, format!("Linux {release}"))
    }]
}
