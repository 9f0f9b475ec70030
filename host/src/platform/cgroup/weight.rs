//! Which groups asked to wait: those with the lowest CPU weight beside others that have more.

use std::collections::HashMap;

use super::{Names, above, cpu};

/// Answers for the groups that are asked for; each file is read once. A group that has vanished is taken for one that did not ask.
pub struct Weights<'a> {
    names: &'a Names,
    lowest: HashMap<u64, bool>,
    /// Whether any group below this one has more than the lowest weight.
    heavier: HashMap<u64, bool>,
}

impl<'a> Weights<'a> {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(names: &'a Names) -> Self {
        Self { names, lowest: HashMap::new(), heavier: HashMap::new() }
    }

    /// The group or one above has the lowest CPU weight while others beside it have more (beside groups at the top are always the
    /// tasks of the root).
    pub fn asked_to_wait(&mut self, id: u64) -> bool {
        let mut next = Some(id);
        while let Some(id) = next {
            let parent = self.names.parent(id);
            if self.is_lowest(id) && parent.is_some_and(|parent| self.has_heavier(parent)) {
                return true;
            }
            next = parent;
        }
        false
    }

    fn is_lowest(&mut self, id: u64) -> bool {
        let names = self.names;
        let version = names.hierarchy().version;
        let read = || names.directory(id).is_some_and(|directory| cpu::weight(&directory, version).is_ok_and(|is| is.lowest));
        *self.lowest.entry(id).or_insert_with(read)
    }

    fn has_heavier(&mut self, parent: u64) -> bool {
        if let Some(known) = self.heavier.get(&parent) {
            return *known;
        }
        let names = self.names;
        let is_top = names.parent(parent).is_none();
        let path = names.path(parent);
        let is_below = |id: &u64| names.path(*id).and_then(above) == path;
        let found = is_top || names.living().filter(is_below).any(|id| !self.is_lowest(id));
        self.heavier.insert(parent, found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Root;
    use std::fs;

    #[test]
    fn children_of_the_lowest_group_asked_to_wait() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for group in ["system.slice/db.service", "batch/job", "even/a", "even/b", "uneven/a", "uneven/b"] {
            fs::create_dir_all(at("cg").join(group)).unwrap();
        }
        fs::create_dir_all(at("proc/self")).unwrap();
        fs::write(at("proc/self/mountinfo"), "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n").unwrap();
        for (group, weight) in [("batch", 1), ("even/a", 1), ("even/b", 1), ("uneven/a", 1), ("uneven/b", 100)] {
            fs::write(at("cg").join(group).join("cpu.weight"), format!("{weight}\n")).unwrap();
        }
        let names = Names::new(Root::new(directory.path())).unwrap();
        let mut weights = Weights::new(&names);
        for (path, expected) in [
            ("/batch", true),
            ("/batch/job", true),
            ("/system.slice/db.service", false),
            ("/", false),
            ("/even/a", false),
            ("/uneven/a", true),
            ("/uneven/b", false),
        ] {
            assert_eq!(weights.asked_to_wait(names.id(path).unwrap()), expected, "{path}");
        }
        assert!(!weights.asked_to_wait(u64::MAX));
    }
}
