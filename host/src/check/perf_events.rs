//! May programs be attached to perf events where they are needed?

use super::{Group, Item, Seen, tracefs::EFFECT};
use crate::platform::capabilities::Capability;

/// Up to here `CAP_PERFMON` is enough; distributions that know a higher value want `CAP_SYS_ADMIN` from it on.
const PERFMON_IS_ENOUGH: i64 = 2;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let id = "perf_event_paranoid";
    vec![match seen.facts.perf_event_paranoid {
        Some(value) => {
            let found = format!("kernel.perf_event_paranoid is {value}");
            let may = seen.facts.capabilities.is_some_and(|held| held.has(Capability::SysAdmin));
            if !seen.wants_perf_events() {
                Item::ok(id, Group::Privileges, format!("{found}, and perf events are not needed on this kernel"))
            } else if value <= PERFMON_IS_ENOUGH || may {
                Item::ok(id, Group::Privileges, found)
            } else {
                let found = format!("{found}: perf events need CAP_SYS_ADMIN");
                Item::gap(id, Group::Privileges, found, EFFECT, "sysctl kernel.perf_event_paranoid=2")
            }
        }
        None => Item::unknown(id, Group::Privileges, "kernel.perf_event_paranoid cannot be read"),
    }]
}
