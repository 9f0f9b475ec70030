//! What a prediction is about, by the same names as the rules' findings.

use kerno_signals::{Cgroup, Snapshot};

use crate::findings::{Entity, EntityKind};

/// An entity of a kind with these names.
pub(super) fn entity<'a>(kind: EntityKind, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Entity {
    Entity { kind, names: names.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
}

/// The host as a whole.
pub(super) fn node(snapshots: &[Snapshot]) -> Entity {
    entity(EntityKind::Node, snapshots.last().map(|last| ("node", last.host.name.as_str())))
}

/// What a control group stands for.
pub(super) fn group(cgroup: &Cgroup) -> Entity {
    let named = match (&cgroup.container, &cgroup.unit) {
        (Some(container), _) => Some((EntityKind::Container, "container", container.as_str())),
        (None, Some(unit)) => Some((EntityKind::Unit, "unit", unit.as_str())),
        (None, None) => None,
    };
    let kind = named.map_or(EntityKind::Cgroup, |(kind, ..)| kind);
    let path = cgroup.path.as_deref().map(|path| ("cgroup", path));
    let mut entity = entity(kind, named.map(|(_, key, value)| (key, value)).into_iter().chain(path));
    if entity.names.is_empty() {
        entity.names.insert("cgroup".to_owned(), format!("id {}", cgroup.id));
    }
    entity
}

/// A group's name in a sentence.
pub(super) fn group_name(cgroup: &Cgroup) -> String {
    match (&cgroup.container, &cgroup.unit, &cgroup.path) {
        (Some(container), ..) => format!("container {}", container.get(..12).unwrap_or(container)),
        (None, Some(unit), _) => unit.clone(),
        (None, None, Some(path)) => path.clone(),
        (None, None, None) => format!("a control group whose name is not known (id {})", cgroup.id),
    }
}
