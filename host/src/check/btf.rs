//! Does the kernel describe its types?

use super::{Group, Item, NO_PROGRAMS, Seen};

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
        (None, false) => Item::gap(
            "btf",
            Group::Kernel,
            "the kernel does not describe its types (no /sys/kernel/btf/vmlinux)",
            NO_PROGRAMS,
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it since 2020, or mount /sys",
        ),
    }]
}
