//! What a finding is about: building an [`Entity`], and naming a control group for people.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Cgroup, Entity, EntityKind, MachineInfo, Name};

impl Entity {
    /// An entity of a kind, without names yet.
    #[must_use]
    pub fn new(kind: EntityKind) -> Self {
        Self { kind, names: Vec::new() }
    }

    /// Adds a name: (`device`, `nvme0n1`), (`pid`, `4121`) … Only names that stay the same from window to window, so that the
    /// finding keeps its id.
    #[must_use]
    pub fn name(mut self, key: &str, value: &str) -> Self {
        self.names.push(Name { key: key.to_owned(), value: value.to_owned() });
        self
    }

    /// The host as a whole.
    #[must_use]
    pub fn node(machine: &MachineInfo) -> Self {
        Self::new(EntityKind::Node).name("node", &machine.name)
    }

    /// What a control group stands for: a container, a systemd unit, else the group itself.
    #[must_use]
    pub fn of_cgroup(cgroup: &Cgroup) -> Self {
        let entity = match (&cgroup.container, &cgroup.unit) {
            (Some(container), _) => Self::new(EntityKind::Container).name("container", container),
            (None, Some(unit)) => Self::new(EntityKind::Unit).name("unit", unit),
            (None, None) => Self::new(EntityKind::Cgroup),
        };
        match &cgroup.path {
            Some(path) => entity.name("cgroup", path),
            None if entity.names.is_empty() => entity.name("cgroup", &format!("id {}", cgroup.id)),
            None => entity,
        }
    }
}

impl Cgroup {
    /// The same group. One that only its path names has no number.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.path == other.path
    }

    /// Whether it is below another group, at any depth.
    #[must_use]
    pub fn is_below(&self, above: &Self) -> bool {
        let (Some(path), Some(above)) = (&self.path, &above.path) else { return false };
        // Searching by a pattern is code of its own size.
        let rest = if above == "/" { Some(path.as_str()) } else { path.strip_prefix(above.as_str()) };
        rest.is_some_and(|rest| rest.len() > 1 && rest.as_bytes().first() == Some(&b'/'))
    }

    /// For a title: `nginx.service`, `container 0123456789ab`, or the path.
    #[must_use]
    pub fn display_name(&self) -> String {
        match (&self.container, &self.unit, &self.path) {
            (Some(container), ..) => format!("container {}", container.get(..12).unwrap_or(container)),
            (None, Some(unit), _) => unit.clone(),
            (None, None, Some(path)) if path == "/" => "the root control group".to_owned(),
            (None, None, Some(path)) => path.clone(),
            (None, None, None) => format!("a control group whose name is not known (id {})", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroup(path: Option<&str>, unit: Option<&str>, container: Option<&str>) -> Cgroup {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Cgroup { id: 7, path: own(path), unit: own(unit), container: own(container) }
    }

    #[test]
    fn the_most_telling_name_wins() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let scope = cgroup(Some("/kubepods/x"), Some("cri.scope"), Some(id));
        assert_eq!(
            (Entity::of_cgroup(&scope).kind, scope.display_name()),
            (EntityKind::Container, "container 0123456789ab".into())
        );
        let unit = cgroup(Some("/system.slice/a.service"), Some("a.service"), None);
        assert_eq!((Entity::of_cgroup(&unit).kind, unit.display_name()), (EntityKind::Unit, "a.service".into()));
    }

    #[test]
    fn groups_without_a_number_are_told_by_their_path() {
        let of = |id, path| Cgroup { id, ..cgroup(path, None, None) };
        assert!(of(7, Some("/a")).is(&of(7, Some("/a"))) && of(7, None).is(&of(7, None)));
        assert!(!of(0, Some("/a")).is(&of(0, Some("/b"))) && !of(7, None).is(&of(8, None)));
    }

    #[test]
    fn a_namesake_is_not_below() {
        let [top, lower, namesake] = ["/a", "/a/b", "/ab"].map(|path| cgroup(Some(path), None, None));
        let root = cgroup(Some("/"), None, None);
        assert!(lower.is_below(&top) && lower.is_below(&root) && top.is_below(&root));
        assert!(!top.is_below(&top) && !namesake.is_below(&top) && !root.is_below(&root) && !top.is_below(&lower));
        assert!(!cgroup(None, None, None).is_below(&root));
    }

    #[test]
    fn a_group_without_a_name_is_not_said_to_be_gone() {
        // It may be, or no name can be read on this host at all.
        let unnamed = cgroup(None, None, None);
        assert_eq!(Entity::of_cgroup(&unnamed).names[0].value, "id 7");
        assert_eq!(unnamed.display_name(), "a control group whose name is not known (id 7)");
    }
}
