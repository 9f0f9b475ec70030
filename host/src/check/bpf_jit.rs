//! Are kernel programs compiled?

use super::{Group, Item, Seen};
use crate::platform::sysctl;

pub(super) fn look(seen: &Seen) -> Vec<Item> {
    const EFFECT: &str = "programs are interpreted at several times the cost, and those on functions do not attach";
    vec![match sysctl::read(&seen.root, "net.core.bpf_jit_enable") {
        Ok(0) => Item::gap(
            "bpf_jit",
            Group::Kernel,
            "the compiler for kernel programs is off (net.core.bpf_jit_enable=0)",
            EFFECT,
            "sysctl net.core.bpf_jit_enable=1",
        ),
        Ok(_) => Item::ok("bpf_jit", Group::Kernel, "kernel programs are compiled (net.core.bpf_jit_enable)"),
        Err(error) if error.is_not_found() => Item::gap(
            "bpf_jit",
            Group::Kernel,
            "the kernel has no compiler for its programs (no net.core.bpf_jit_enable)",
            EFFECT,
            "boot a kernel built with CONFIG_BPF_JIT=y; in a network namespace of its own kerno cannot see the setting",
        ),
        Err(_) => Item::unknown("bpf_jit", Group::Kernel, "net.core.bpf_jit_enable may only be read by root"),
    }]
}
