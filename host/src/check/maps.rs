//! What reading maps takes once programs are attached.

use super::{Group, Item, Seen};
use crate::platform::sysctl;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    let id = "unprivileged_bpf_disabled";
    vec![match sysctl::read(&seen.root, "kernel.unprivileged_bpf_disabled") {
        Ok(0) => Item::ok(id, Group::Privileges, "CAP_BPF is given up once programs are attached"),
        Ok(_) if seen.facts.older_than(5, 19) => {
            Item::ok(id, Group::Privileges, "CAP_BPF is kept while kerno runs: this kernel wants it for reading maps")
        }
        Ok(_) => Item::ok(id, Group::Privileges, "CAP_BPF is given up once programs are attached"),
        Err(error) => Item::unknown(id, Group::Privileges, error.to_string()),
    }]
}
