//! Was the kernel built with tracing programs?

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::platform::kernel::Tracing;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![match seen.facts.tracing {
        Tracing::Present => Item::ok("tracing", Group::Kernel, "the kernel runs tracing programs (CONFIG_BPF_EVENTS)"),
        Tracing::Absent => Item::gap(
            "tracing",
            Group::Kernel,
            "the kernel was built without tracing programs (CONFIG_BPF_EVENTS)",
            NO_PROGRAMS,
            "boot a kernel built with CONFIG_BPF_EVENTS=y, as distributions ship it",
        ),
        Tracing::Unknown => Item::unknown(
            "tracing",
            Group::Kernel,
            "neither the kernel's types nor its configuration tell whether it runs tracing programs",
        ),
    }]
}
