//! Does the kernel describe its types?

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::collector::load_error::no_types;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![match (&seen.btf, seen.facts.btf) {
        (Some(_), _) => Item::ok("btf", Group::Kernel, "the kernel describes its types (/sys/kernel/btf/vmlinux)"),
        (None, true) => Item::gap(
            "btf",
            Group::Kernel,
            "/sys/kernel/btf/vmlinux cannot be understood",
            NO_PROGRAMS,
            "use a kerno that knows this kernel's format, or report it",
        ),
        (None, false) => {
            let (why, fix) = no_types(&seen.facts);
            Item::gap("btf", Group::Kernel, why, NO_PROGRAMS, fix)
        }
    }]
}
