//! May the kernel's log be read?

use super::{Group, Item, Seen};
use crate::platform::{capabilities::Capability, sysctl};

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let id = "dmesg_restrict";
    let may = seen.facts.capabilities.is_some_and(|held| held.has(Capability::Syslog));
    vec![match sysctl::read(&seen.root, "kernel.dmesg_restrict") {
        Ok(0) => Item::ok(id, Group::Privileges, "everyone may read the kernel's log (kernel.dmesg_restrict is 0)"),
        Ok(_) if may => Item::ok(id, Group::Privileges, "kerno may read the kernel's log (CAP_SYSLOG)"),
        Ok(value) => Item::gap(
            id,
            Group::Privileges,
            format!("kernel.dmesg_restrict is {value}, and kerno lacks CAP_SYSLOG"),
            "OOM kills from before the start are counted, but their victims have no names",
            "grant CAP_SYSLOG as well, or sysctl kernel.dmesg_restrict=0",
        ),
        Err(error) => Item::unknown(id, Group::Privileges, error.to_string()),
    }]
}
