//! Does the kernel account stalls?

use super::{Group, Item, Seen};
use crate::platform::psi;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    const RESOURCES: [&str; 3] = ["cpu", "io", "memory"];
    let failed = RESOURCES.iter().find_map(|resource| psi::read(&seen.root, resource).err());
    vec![match failed {
        None => Item::ok("psi", Group::Accounts, "the kernel accounts stalls (/proc/pressure)"),
        Some(error) => Item::gap(
            "psi",
            Group::Accounts,
            error.to_string(),
            "how long work stalls for memory, CPU and I/O is not known: memory pressure is judged by reclaim alone",
            "boot with psi=1 a kernel built with CONFIG_PSI=y",
        ),
    }]
}
