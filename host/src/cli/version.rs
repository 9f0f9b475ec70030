//! `kerno version`: what this binary is, and what was built into it.

use super::{Failure, exit, output};
use crate::artifacts;

/// Collectors that have an eBPF object.
const COLLECTORS: [&str; 2] = ["sched", "block"];

pub(super) fn run() -> Result<u8, Failure> {
    let state = |built: bool| if built { "built in" } else { "not built in" };
    let mut text = format!("kerno {} ({})\n", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    for collector in COLLECTORS {
        text += &format!("eBPF object {collector}: {}\n", state(artifacts::ebpf_object(collector).is_some()));
    }
    for (rule, component) in artifacts::BUILT_IN_RULES {
        text += &format!("rule {rule}: {}\n", state(component.is_some()));
    }
    output::write(&text)?;
    Ok(exit::DONE)
}
