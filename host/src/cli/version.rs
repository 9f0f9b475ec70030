//! `kerno version`: what this binary is, and what was built into it.

use super::{Failure, exit, output};
use crate::artifacts;

/// The eBPF objects; sched and syscall share the first.
const OBJECTS: [&str; 5] = ["tasks", "block", "tcp", "oom", "fd"];

pub(super) fn run() -> Result<u8, Failure> {
    let state = |built: bool| if built { "built in" } else { "not built in" };
    let mut text = format!("kerno {} ({})\n", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    for object in OBJECTS {
        text += &format!("eBPF object {object}: {}\n", state(artifacts::ebpf_object(object).is_some()));
    }
    for (rule, component) in artifacts::BUILT_IN_RULES {
        text += &format!("rule {rule}: {}\n", state(component.is_some()));
    }
    output::write(&text)?;
    Ok(exit::DONE)
}
