//! Names of control groups by the kernel's number, kept when a group vanishes, and what the CPU controller did to each.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kerno_signals::Cgroup;

use super::{Control, Error, Hierarchy, Root, container, unit};

/// All groups seen since this was made.
#[derive(Debug)]
pub struct Names {
    root: Root,
    hierarchy: Hierarchy,
    by_id: HashMap<u64, Group>,
    id_of: HashMap<String, u64>,
    refreshed: bool,
}

#[derive(Debug)]
struct Group {
    path: String,
    /// Throttled time when first seen: 0 for a group born later than the first scan.
    first_throttled_ns: u64,
    last: Control,
}

impl Names {
    /// Finds the hierarchy and scans it.
    pub fn new(root: Root) -> Result<Self, Error> {
        let hierarchy = Hierarchy::find(&root)?;
        let mut names = Self { root, hierarchy, by_id: HashMap::new(), id_of: HashMap::new(), refreshed: false };
        names.refresh()?;
        Ok(names)
    }

    /// The hierarchy the numbers belong to.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// Scans the tree again: new groups get their names, throttled times are brought up to date. Fails only when the tree's own
    /// root cannot be read; groups that vanish meanwhile keep what was known.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let top = self.hierarchy.top.clone();
        let mount = self.root.path(&self.hierarchy.mount);
        std::fs::read_dir(&mount).map_err(|source| Error::Read { path: mount.clone(), source })?;
        self.scan(&mount, &top);
        self.refreshed = true;
        Ok(())
    }

    fn scan(&mut self, directory: &Path, path: &str) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        if let Ok(metadata) = std::fs::metadata(directory) {
            self.note(metadata.ino(), path, directory);
        }
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Some(name) = entry.file_name().to_str()
            {
                let below = format!("{}/{name}", path.trim_end_matches('/'));
                self.scan(&entry.path(), &below);
            }
        }
    }

    fn note(&mut self, id: u64, path: &str, directory: &Path) {
        let last = Control::read(directory, self.hierarchy.version);
        let first_throttled_ns = if self.refreshed { 0 } else { last.throttled_ns.unwrap_or(0) };
        let group = self.by_id.entry(id).or_insert_with(|| Group { path: path.to_owned(), first_throttled_ns, last });
        group.last = last;
        if group.path != path {
            path.clone_into(&mut group.path);
        }
        self.id_of.insert(path.to_owned(), id);
    }

    /// The group of a number; without a path when it was never seen.
    #[must_use]
    pub fn resolve(&self, id: u64) -> Cgroup {
        let path = self.by_id.get(&id).map(|group| group.path.clone());
        Cgroup { id, unit: path.as_deref().and_then(unit), container: path.as_deref().and_then(container), path }
    }

    /// Whether the number is known.
    #[must_use]
    pub fn knows(&self, id: u64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The number of a path, of its youngest group when it was used again.
    #[must_use]
    pub fn id(&self, path: &str) -> Option<u64> {
        self.id_of.get(path).copied()
    }

    /// Time since this was made that the group's CPU quota or an ancestor's held tasks back, up to the last
    /// [`refresh`](Self::refresh). `None` when none of them has a quota or the group is unknown.
    #[must_use]
    pub fn throttled_ns(&self, id: u64) -> Option<u64> {
        self.upwards(id)
            .filter_map(|group| Some(group.last.throttled_ns?.saturating_sub(group.first_throttled_ns)))
            .reduce(u64::saturating_add)
    }

    /// The group or an ancestor has the lowest CPU weight while others beside it have more (beside groups at the top are always
    /// the tasks of the root).
    #[must_use]
    pub fn lowest_weight(&self, id: u64) -> bool {
        self.upwards(id).any(|group| group.last.lowest_weight && self.has_heavier_sibling(&group.path))
    }

    fn has_heavier_sibling(&self, path: &str) -> bool {
        let Some((parent, _)) = path.rsplit_once('/') else { return false };
        if parent.is_empty() {
            return true;
        }
        let is_sibling = |other: &str| other.rsplit_once('/').is_some_and(|(up, _)| up == parent);
        self.by_id.values().any(|other| !other.last.lowest_weight && is_sibling(&other.path))
    }

    fn upwards(&self, id: u64) -> impl Iterator<Item = &Group> {
        let mut next = self.by_id.get(&id);
        std::iter::from_fn(move || {
            let group = next?;
            next = group.path.rsplit_once('/').filter(|(_, name)| !name.is_empty()).and_then(|(parent, _)| {
                let parent = if parent.is_empty() { "/" } else { parent };
                self.by_id.get(self.id_of.get(parent)?)
            });
            Some(group)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("proc/self")).unwrap();
        fs::create_dir_all(at("cg/system.slice/db.service")).unwrap();
        fs::create_dir_all(at("cg/batch/job")).unwrap();
        fs::write(at("proc/self/mountinfo"), "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n").unwrap();
        fs::write(at("cg/system.slice/cpu.max"), "50000 100000\n").unwrap();
        fs::write(at("cg/system.slice/cpu.stat"), "throttled_usec 100\n").unwrap();
        fs::write(at("cg/batch/cpu.weight"), "1\n").unwrap();
        let root = Root::new(directory.path());
        (directory, root)
    }

    #[test]
    fn a_group_that_vanished_keeps_its_name() {
        let (directory, root) = tree();
        let mut names = Names::new(root).unwrap();
        let gone = directory.path().join("cg/system.slice/db.service");
        let id = fs::metadata(&gone).unwrap().ino();
        fs::remove_dir(&gone).unwrap();
        names.refresh().unwrap();
        let group = names.resolve(id);
        assert_eq!(group.path.as_deref(), Some("/system.slice/db.service"));
        assert_eq!(group.unit.as_deref(), Some("db.service"));
        assert_eq!(names.resolve(u64::MAX), Cgroup { id: u64::MAX, path: None, unit: None, container: None });
        assert!(names.knows(id) && !names.knows(u64::MAX));
    }

    #[test]
    fn throttling_of_an_ancestor_counts_from_the_start_and_of_a_new_group_whole() {
        let (directory, root) = tree();
        let at = |path: &str| directory.path().join(path);
        let mut names = Names::new(root).unwrap();
        fs::write(at("cg/system.slice/cpu.stat"), "throttled_usec 130\n").unwrap();
        fs::create_dir(at("cg/system.slice/new.service")).unwrap();
        fs::write(at("cg/system.slice/new.service/cpu.max"), "1000 100000\n").unwrap();
        fs::write(at("cg/system.slice/new.service/cpu.stat"), "throttled_usec 7\n").unwrap();
        names.refresh().unwrap();
        let throttled = |path: &str| names.throttled_ns(names.id(path).unwrap());
        assert_eq!(throttled("/system.slice/db.service"), Some(30_000));
        assert_eq!(throttled("/system.slice/new.service"), Some(37_000));
        assert_eq!(throttled("/batch/job"), None);
        assert_eq!(throttled("/"), None);
    }

    #[test]
    fn children_of_the_lowest_group_asked_to_wait() {
        let (_directory, root) = tree();
        let names = Names::new(root).unwrap();
        let lowest = |path: &str| names.lowest_weight(names.id(path).unwrap());
        assert!(lowest("/batch") && lowest("/batch/job"));
        assert!(!lowest("/system.slice/db.service") && !lowest("/"));
    }

    #[test]
    fn the_groups_of_this_host_are_found_by_inode() {
        let root = Root::default();
        // A build container may have no hierarchy mounted: then the reason must name the file.
        match Names::new(root.clone()) {
            Ok(names) => {
                let path = names.hierarchy().path_of(&root, std::process::id()).unwrap();
                if let Some(directory) = names.hierarchy().directory(&path).filter(|directory| directory.exists()) {
                    assert_eq!(names.resolve(fs::metadata(directory).unwrap().ino()).path, Some(path));
                }
            }
            Err(error) => assert!(error.to_string().contains('/'), "{error}"),
        }
    }
}
