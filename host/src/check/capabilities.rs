//! Which capabilities are held, and what each that is missing costs.

use super::{Group, Item, NO_PROGRAMS, Seen};
use crate::collector::load_error::grant;
use crate::platform::capabilities::{Capabilities, Capability};

/// What is lost without one; `None` for those that no collector needs.
fn effect(capability: Capability) -> Option<&'static str> {
    Some(match capability {
        Capability::Bpf | Capability::Perfmon => NO_PROGRAMS,
        Capability::SysPtrace => {
            "what other users' processes have open, and what they are blocked in, is not seen without kernel programs"
        }
        Capability::DacReadSearch => {
            "files that only their owner may read are not seen: descriptors of other users' processes, tracefs"
        }
        _ => return None,
    })
}

fn id(capability: Capability) -> &'static str {
    match capability {
        Capability::DacOverride => "cap_dac_override",
        Capability::DacReadSearch => "cap_dac_read_search",
        Capability::NetAdmin => "cap_net_admin",
        Capability::SysPtrace => "cap_sys_ptrace",
        Capability::SysAdmin => "cap_sys_admin",
        Capability::SysResource => "cap_sys_resource",
        Capability::Syslog => "cap_syslog",
        Capability::Perfmon => "cap_perfmon",
        Capability::Bpf => "cap_bpf",
    }
}

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let Some(held) = seen.facts.capabilities else {
        return vec![Item::unknown("capabilities", Group::Privileges, "/proc/self/status cannot be read")];
    };
    // Which of the optional ones matters is said by what needs it: the kernel's log, locked memory.
    Capability::LEAST.into_iter().map(|capability| one(capability, held)).collect()
}

fn one(capability: Capability, held: Capabilities) -> Item {
    let (id, name) = (id(capability), capability.name());
    let stands_for = matches!(capability, Capability::Bpf | Capability::Perfmon) && held.has(Capability::SysAdmin);
    match effect(capability) {
        _ if held.has(capability) => Item::ok(id, Group::Privileges, format!("{name} is held")),
        _ if stands_for => Item::ok(id, Group::Privileges, format!("{name} is not held, CAP_SYS_ADMIN stands for it")),
        None => Item::ok(id, Group::Privileges, format!("{name} is not held, and no collector needs it")),
        Some(effect) => Item::gap(id, Group::Privileges, format!("{name} is not held"), effect, grant()),
    }
}
