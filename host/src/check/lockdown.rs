//! Does lockdown forbid programs to read kernel memory?

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::platform::kernel::Lockdown;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![match seen.facts.lockdown {
        Lockdown::None => Item::ok("lockdown", Group::Kernel, "the kernel is not locked down"),
        Lockdown::Unknown => Item::unknown(
            "lockdown",
            Group::Kernel,
            "whether the kernel is locked down is not told here (no /sys/kernel/security/lockdown)",
        ),
        Lockdown::Integrity => {
            Item::ok("lockdown", Group::Kernel, "locked down in mode integrity, in which programs may read kernel memory")
        }
        Lockdown::Confidentiality => Item::gap(
            "lockdown",
            Group::Kernel,
            "locked down in mode confidentiality: programs may not read kernel memory",
            NO_PROGRAMS,
            "boot with lockdown=integrity (on many machines Secure Boot sets the mode)",
        ),
    }]
}
