//! What is embedded in this binary: the eBPF objects, the rules' components, the SDK. `build.rs` finds them and writes the tables.

include!(concat!(env!("OUT_DIR"), "/artifacts.rs"));

/// Bytes at an address that is a multiple of 8, as the ELF parser wants them.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

/// An eBPF object (`tasks`, `block`); `None` when there is no such object or its object was not built in.
#[must_use]
pub fn ebpf_object(collector: &str) -> Option<&'static [u8]> {
    let (_, object) = EBPF_OBJECTS.iter().find(|(name, _)| *name == collector)?;
    object.as_ref().map(|object| &object.0)
}

/// Native code that this kerno's build made of a component with exactly these bytes.
#[must_use]
pub fn native_code(component: &[u8]) -> Option<&'static [u8]> {
    let index = BUILT_IN_RULES.iter().position(|(_, built_in)| *built_in == Some(component))?;
    *NATIVE_CODE.get(index)?
}

/// The SDK's files, by their paths in the directory that holds it.
#[must_use]
pub fn sdk() -> &'static [(&'static str, &'static str)] {
    SDK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collector_and_rule_is_listed() {
        let names: Vec<_> = EBPF_OBJECTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["block", "fd", "oom", "tasks", "tcp"]);
        let ids: Vec<_> = BUILT_IN_RULES.iter().map(|(id, _)| *id).collect();
        assert_eq!(
            ids,
            [
                "cpu-throttling",
                "disk-io-bottleneck",
                "fd-leak",
                "memory-pressure",
                "network-latency",
                "oom-imminent",
                "oom-kill",
                "scheduler-contention",
                "syscall-error-rate",
                "syscall-latency",
                "tcp-retransmit-storm",
                "tcp-rtt-degradation"
            ]
        );
    }

    #[test]
    fn embedded_bytes_are_what_they_claim_to_be() {
        for object in ["block", "fd", "oom", "tasks", "tcp"].into_iter().filter_map(ebpf_object) {
            assert!(object.starts_with(b"\x7fELF"));
            assert_eq!(object.as_ptr().align_offset(8), 0);
        }
        for (id, component) in BUILT_IN_RULES {
            assert!(component.is_none_or(|bytes| bytes.starts_with(b"\0asm\x0d\0\x01\0")), "{id} is no component");
        }
    }

    #[test]
    fn native_code_is_found_by_the_component_alone() {
        for ((_, component), code) in BUILT_IN_RULES.iter().zip(NATIVE_CODE) {
            assert_eq!(component.and_then(native_code), *code);
        }
        assert_eq!(native_code(b"\0asm\x0d\0\x01\0"), None);
    }

    #[test]
    fn an_unknown_collector_has_no_object() {
        assert_eq!(ebpf_object("weather"), None);
    }
}
