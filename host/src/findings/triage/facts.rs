//! What a finding says of itself in the terms of the links: control group, processes, the call, and the words of its numbers.

use std::collections::BTreeSet;

use super::super::{EntityKind, Finding};

/// A finding and what was read from its entity, its signal and the keys of its evidence.
pub(super) struct Facts<'a> {
    pub(super) finding: &'a Finding,
    /// The control group that it, or the process it is about, is in.
    pub(super) group: Option<Group<'a>>,
    /// Numbers of the processes that it names.
    pub(super) pids: BTreeSet<&'a str>,
    /// The system call that it is about.
    pub(super) call: Option<&'a str>,
}

/// A control group, by the names that are known of it.
#[derive(Clone, Copy)]
pub(super) enum Group<'a> {
    /// All of the host.
    Host,
    /// One group of it.
    One { path: Option<&'a str>, container: Option<&'a str>, unit: Option<&'a str> },
}

impl<'a> Facts<'a> {
    pub(super) fn of(finding: &'a Finding) -> Self {
        let name = |key: &str| finding.entity.names.get(key).map(String::as_str);
        let group = match finding.entity.kind {
            // One of its network namespaces is a part of the host, and not a group.
            EntityKind::Node if finding.entity.names.keys().any(|key| key != "node") => None,
            EntityKind::Node => Some(Group::Host),
            EntityKind::Pod | EntityKind::Container | EntityKind::Unit | EntityKind::Cgroup | EntityKind::Process => {
                Some(Group::One { path: name("cgroup"), container: name("container"), unit: name("unit") })
            }
            EntityKind::Device | EntityKind::Mount | EntityKind::NetworkInterface | EntityKind::Remote => None,
        };
        let mut pids: BTreeSet<&str> = finding.evidence.iter().flat_map(|evidence| pids(&evidence.key)).collect();
        pids.extend(name("pid"));
        let call = finding.signal.name.split(' ').next();
        Self { finding, group, pids, call }
    }

    /// Whether it names this: as a name of its entity, or as a word of its signal or of a number in its evidence that is not zero.
    pub(super) fn names(&self, word: &str) -> bool {
        let mut evidence = self.finding.evidence.iter().filter(|evidence| evidence.value != 0.0);
        self.finding.entity.names.values().any(|name| name == word)
            || is_word(&self.finding.signal.name, word)
            || evidence.any(|evidence| is_word(&evidence.key, word))
    }

    /// Whether its signal or a number in its evidence that is not zero begins with this.
    pub(super) fn tells(&self, beginning: &str) -> bool {
        let mut evidence = self.finding.evidence.iter().filter(|evidence| evidence.value != 0.0);
        self.finding.signal.name.starts_with(beginning) || evidence.any(|evidence| evidence.key.starts_with(beginning))
    }

    /// The groups whose limits killed, as far as it tells them.
    pub(super) fn limits(&self) -> impl Iterator<Item = Group<'a>> {
        let evidence = self.finding.evidence.iter().filter(|evidence| evidence.value != 0.0);
        let paths = evidence.filter_map(|evidence| evidence.key.strip_prefix("kills by the limit of "));
        paths.map(|path| Group::One { path: Some(path), container: None, unit: None })
    }

    /// A number in its evidence.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.finding.evidence.iter().find(|evidence| evidence.key == key).map(|evidence| evidence.value)
    }

    /// Whether its signal is the age of what has not returned.
    pub(super) fn hangs(&self) -> bool {
        self.finding.signal.name.ends_with(" in flight")
    }

    /// Whether it counts what was under way at the end.
    pub(super) fn has_in_flight(&self) -> bool {
        let mut evidence = self.finding.evidence.iter().filter(|evidence| evidence.value != 0.0);
        self.hangs() || evidence.any(|evidence| evidence.key.ends_with(" in flight at the end"))
    }
}

impl Group<'_> {
    /// The same group, or both the host.
    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Host, Self::Host) => true,
            (Self::One { path: Some(a), .. }, Self::One { path: Some(b), .. }) => a == b,
            (Self::One { container: a, unit: x, .. }, Self::One { container: b, unit: y, .. }) => {
                if a.is_some() || b.is_some() {
                    a == b
                } else {
                    x.is_some() && x == y
                }
            }
            (Self::Host, Self::One { .. }) | (Self::One { .. }, Self::Host) => false,
        }
    }

    /// The same group, or one below it. The host and the root group hold everything, which explains nothing.
    pub(super) fn holds(self, other: Self) -> bool {
        let below = match (self, other) {
            (Self::One { path: Some(above), .. }, Self::One { path: Some(path), .. }) => {
                above != "/" && path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        };
        below || self.is(other)
    }
}

/// Whether a word stands in a text: by itself, or, an address, before its port.
fn is_word(text: &str, word: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "(),;".contains(c)).any(|part| {
        let host = part.rsplit_once(':').map_or(part, |(host, _)| host.trim_start_matches('[').trim_end_matches(']'));
        part == word || (part.contains(['.', '[']) && host == word)
    })
}

/// Numbers of processes in a text, written as `(pid 676)`.
fn pids(text: &str) -> impl Iterator<Item = &str> {
    let numbers = text.split("(pid ").skip(1).filter_map(|rest| rest.split_once(')'));
    numbers.map(|(number, _)| number).filter(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_processes_are_read_and_nothing_else() {
        let read = |text| pids(text).collect::<Vec<_>>();
        assert_eq!(read("time dd (pid 676) waited in fsync"), ["676"]);
        assert_eq!(read("a (pid 1), b (pid 22)"), ["1", "22"]);
        // A process may call itself anything.
        assert_eq!(read("(pid ) x (pid 7 (pid 8x) (pid"), Vec::<&str>::new());
    }

    #[test]
    fn an_address_is_a_word_with_its_port_or_without() {
        for text in ["to 10.0.0.1 sent", "p99 to 10.0.0.1:443", "10.0.0.1, 2"] {
            assert!(is_word(text, "10.0.0.1"), "{text}");
        }
        assert!(is_word("p50 of [fe80::1]:443", "fe80::1") && is_word("to fe80::1", "fe80::1"));
        assert!(!is_word("to 10.0.0.12:80", "10.0.0.1") && !is_word("to 110.0.0.1", "10.0.0.1"));
        assert!(!is_word("to fe80::1:2", "fe80::1"), "without brackets it is all address");
    }

    #[test]
    fn groups_are_told_by_path_then_by_name() {
        let path = |path| Group::One { path: Some(path), container: None, unit: None };
        let named = |container, unit| Group::One { path: None, container, unit };
        assert!(path("/a").is(path("/a")) && !path("/a").is(path("/b")) && !path("/").is(Group::Host));
        assert!(path("/a").holds(path("/a/b")) && path("/a").holds(path("/a")));
        assert!(!path("/a").holds(path("/ab")) && !path("/a/b").holds(path("/a")));
        assert!(!path("/").holds(path("/a")) && !Group::Host.holds(path("/a")) && Group::Host.holds(Group::Host));
        assert!(named(Some("x"), Some("s")).is(named(Some("x"), None)));
        assert!(!named(Some("x"), Some("s")).is(named(Some("y"), Some("s"))));
        assert!(!named(None, None).is(named(None, None)), "what has no name is not known to be the same");
    }
}
