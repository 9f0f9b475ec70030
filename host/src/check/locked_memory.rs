//! Is there room for maps where they count as locked memory?

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::platform::capabilities::Capability;

/// What all collectors take at most, bytes, on a machine of 128 CPUs and with room to spare.
const ENOUGH: u64 = 48 << 20;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let id = "locked_memory";
    let may_lift = seen.facts.capabilities.is_some_and(|held| held.has(Capability::SysResource));
    vec![if seen.facts.version().is_none() {
        Item::unknown(id, Group::Privileges, "the kernel's release is not known: before 5.11 maps count as locked memory")
    } else if !seen.facts.older_than(5, 11) {
        Item::ok(id, Group::Privileges, "maps do not count as locked memory on this kernel")
    } else {
        match seen.facts.locked_memory {
            None => Item::ok(id, Group::Privileges, "locked memory has no limit"),
            Some(_) if may_lift => {
                Item::ok(id, Group::Privileges, "kerno may lift the limit of locked memory (CAP_SYS_RESOURCE)")
            }
            Some(limit) if limit >= ENOUGH => {
                Item::ok(id, Group::Privileges, format!("locked memory is limited to {} MiB", limit >> 20))
            }
            Some(limit) => Item::gap(
                id,
                Group::Privileges,
                format!("locked memory is limited to {} KiB, and maps count as such before 5.11", limit >> 10),
                NO_PROGRAMS,
                "start kerno with a higher limit: `ulimit -l unlimited`, LimitMEMLOCK=infinity in the unit, or CAP_SYS_RESOURCE",
            ),
        }
    }]
}
