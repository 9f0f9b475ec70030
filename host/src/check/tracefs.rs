//! Is tracefs mounted where it is needed?

use super::{Group, Item, Seen};

pub(super) const EFFECT: &str = "system calls are seen by programs on typed tracepoints, which this kernel skips on a CPU where one of them \
    was preempted: beside CPU contention events are lost, and the collector is reported as degraded";

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    vec![match (seen.facts.tracefs, seen.wants_perf_events()) {
        (true, _) => Item::ok("tracefs", Group::Kernel, "tracefs is mounted"),
        (false, false) => Item::ok("tracefs", Group::Kernel, "tracefs is not mounted, and not needed on this kernel"),
        (false, true) => {
            Item::gap("tracefs", Group::Kernel, "tracefs is not mounted", EFFECT, "mount -t tracefs tracefs /sys/kernel/tracing")
        }
    }]
}
