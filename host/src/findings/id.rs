//! Identity of a finding: a hash that is the same in every window, on every run and in every build.

use super::Entity;

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// No byte of UTF-8 has this value, so no two lists of names run together into the same bytes.
const SEPARATOR: u8 = 0xff;

/// 16 hexadecimal digits: FNV-1a (64 bits) of the rule's id, the entity's kind and its names in ascending order of key, each
/// followed by the byte 0xff. Measured values are not part of it.
#[must_use]
pub fn id(rule: &str, entity: &Entity) -> String {
    let names = entity.names.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let hash = [rule, entity.kind.as_str()].into_iter().chain(names).fold(OFFSET_BASIS, |hash, part| {
        part.bytes().chain([SEPARATOR]).fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::EntityKind;

    fn entity(kind: EntityKind, names: &[(&str, &str)]) -> Entity {
        Entity { kind, names: names.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect() }
    }

    #[test]
    fn is_stable_across_builds_and_order_of_names() {
        let a = entity(EntityKind::Mount, &[("mount", "/data"), ("device", "nvme0n1")]);
        let b = entity(EntityKind::Mount, &[("device", "nvme0n1"), ("mount", "/data")]);
        assert_eq!(id("disk-io-bottleneck", &a), id("disk-io-bottleneck", &b));
        assert_eq!(id("disk-io-bottleneck", &a), "71eb5307e29a143f", "published ids must never change");
    }

    #[test]
    fn differs_by_rule_kind_and_names() {
        let of = |rule, kind, names: &[(&str, &str)]| id(rule, &entity(kind, names));
        let ids = [
            of("a", EntityKind::Cgroup, &[("path", "/x")]),
            of("b", EntityKind::Cgroup, &[("path", "/x")]),
            of("a", EntityKind::Unit, &[("path", "/x")]),
            of("a", EntityKind::Cgroup, &[("path", "/y")]),
            of("a", EntityKind::Cgroup, &[("pat", "h/x")]),
            of("a", EntityKind::Cgroup, &[]),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    }
}
