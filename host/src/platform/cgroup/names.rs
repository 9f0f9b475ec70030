//! Names of control groups by the kernel's number, kept for a while when a group vanishes.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kerno_signals::Cgroup;

use super::walk::{Found, Place, Walk};
use super::{Error, Hierarchy, Root, describe};

/// Groups whose names are kept, living and vanished together.
const MOST: usize = 20_000;

/// What one [`Names::refresh`] may cost, in the walk's units: about 1 ms.
const BUDGET: u32 = 1_500;

/// The groups of one hierarchy.
#[derive(Debug)]
pub struct Names {
    root: Root,
    hierarchy: Hierarchy,
    groups: HashMap<u64, Group>,
    ids: HashMap<Arc<str>, u64>,
    /// Numbers of groups in the order in which they were found, the latest of them.
    arrivals: VecDeque<u64>,
    /// How many were found in all.
    arrived: u64,
    /// Numbers of vanished groups, the longest gone first.
    vanished: VecDeque<u64>,
    walk: Walk,
    /// Number of the walk that is under way.
    pass: u32,
    gaps: Gaps,
}

#[derive(Debug)]
struct Group {
    path: Arc<str>,
    /// Where its directory is, when its told path does not say so.
    directory: Option<Box<Path>>,
    /// The last walk that found it.
    pass: u32,
    gone: bool,
}

/// What is not known of a hierarchy.
#[derive(Debug, Default)]
pub struct Gaps {
    /// Directories that could not be listed in the last whole walk, and the first of them.
    pub unreadable: u64,
    /// Why the first of them could not.
    pub first: Option<Error>,
    /// Directories that are nested too deep, in the last whole walk.
    pub too_deep: u64,
    /// Groups beyond the number that is kept, in the last whole walk.
    pub left_out: u64,
    /// Vanished groups whose names were given up for others'.
    pub forgotten: u64,
}

impl Names {
    /// Finds the hierarchy of the cpu controller and walks all of it.
    pub fn new(root: Root) -> Result<Self, Error> {
        let hierarchy = Hierarchy::find(&root)?;
        Self::of(root, hierarchy)
    }

    /// Walks all of a hierarchy.
    pub fn of(root: Root, hierarchy: Hierarchy) -> Result<Self, Error> {
        let mut names = Self {
            root,
            hierarchy,
            groups: HashMap::new(),
            ids: HashMap::new(),
            arrivals: VecDeque::new(),
            arrived: 0,
            vanished: VecDeque::new(),
            walk: Walk::default(),
            pass: 0,
            gaps: Gaps::default(),
        };
        names.refresh_all()?;
        Ok(names)
    }

    /// The hierarchy the numbers belong to.
    #[must_use]
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// Walks on through the tree for a millisecond or so: all of it where there are some hundred groups, a part where there are
    /// thousands. Fails only when the tree's own root cannot be read.
    pub fn refresh(&mut self) -> Result<(), Error> {
        let mut budget = BUDGET;
        if self.walk.is_done() {
            self.begin()?;
        }
        self.go_on(&mut budget);
        Ok(())
    }

    /// Walks through all of the tree anew.
    pub fn refresh_all(&mut self) -> Result<(), Error> {
        self.begin()?;
        while !self.walk.is_done() {
            self.go_on(&mut u32::MAX.clone());
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Error> {
        let mount = self.root.path(&self.hierarchy.mount);
        std::fs::read_dir(&mount).map_err(|source| Error::Read { path: mount.clone(), source })?;
        self.walk = Walk::from(mount, self.hierarchy.top.clone());
        self.pass = self.pass.wrapping_add(1);
        self.gaps = Gaps { forgotten: self.gaps.forgotten, ..Gaps::default() };
        Ok(())
    }

    fn go_on(&mut self, budget: &mut u32) {
        while let Some(found) = self.walk.step(budget) {
            match found {
                Found::Group(id, place) => self.note(id, place),
                Found::TooDeep => self.gaps.too_deep += 1,
                Found::Unreadable(error) => {
                    self.gaps.unreadable += 1;
                    self.gaps.first.get_or_insert(error);
                }
            }
        }
        if self.walk.is_done() {
            let pass = self.pass;
            for (id, group) in &mut self.groups {
                if group.pass != pass && !group.gone {
                    group.gone = true;
                    self.vanished.push_back(*id);
                }
            }
        }
    }

    fn note(&mut self, id: u64, place: Place) {
        let pass = self.pass;
        if let Some(group) = self.groups.get_mut(&id) {
            group.pass = pass;
            if *group.path == *place.path && !group.gone {
                return;
            }
        } else if self.groups.len() >= MOST && !self.forget_one() {
            self.gaps.left_out += 1;
            return;
        }
        let path: Arc<str> = place.path.into();
        let usual = self.hierarchy.directory(&path).map(|directory| self.root.path(directory));
        let directory = (usual.as_deref() != Some(&*place.directory)).then(|| place.directory.into());
        if let Some(renamed) = self.groups.insert(id, Group { path: path.clone(), directory, pass, gone: false }) {
            self.release(&renamed.path, id);
        } else {
            self.arrived += 1;
            self.arrivals.push_back(id);
            if self.arrivals.len() > MOST {
                self.arrivals.pop_front();
            }
        }
        self.ids.insert(path, id);
    }

    /// Gives up the name of the group that vanished first.
    fn forget_one(&mut self) -> bool {
        while let Some(id) = self.vanished.pop_front() {
            // A number that came back is no vanished group's.
            if self.groups.get(&id).is_some_and(|group| group.gone)
                && let Some(group) = self.groups.remove(&id)
            {
                self.release(&group.path, id);
                self.gaps.forgotten += 1;
                return true;
            }
        }
        false
    }

    fn release(&mut self, path: &Arc<str>, id: u64) {
        if self.ids.get(path) == Some(&id) {
            self.ids.remove(path);
        }
    }

    /// The group of a number; without a path when it was never seen.
    #[must_use]
    pub fn resolve(&self, id: u64) -> Cgroup {
        match self.groups.get(&id) {
            Some(group) => describe(id, &group.path),
            None => Cgroup { id, ..Cgroup::default() },
        }
    }

    /// Whether the number is known.
    #[must_use]
    pub fn knows(&self, id: u64) -> bool {
        self.groups.contains_key(&id)
    }

    /// The number of a path, of its youngest group when it was used again.
    #[must_use]
    pub fn id(&self, path: &str) -> Option<u64> {
        self.ids.get(path).copied()
    }

    /// Path of a group.
    #[must_use]
    pub fn path(&self, id: u64) -> Option<&str> {
        self.groups.get(&id).map(|group| &*group.path)
    }

    /// The group above.
    #[must_use]
    pub fn parent(&self, id: u64) -> Option<u64> {
        self.id(above(self.path(id)?)?)
    }

    /// Directory of a group that was there when last looked for.
    #[must_use]
    pub fn directory(&self, id: u64) -> Option<PathBuf> {
        let group = self.groups.get(&id).filter(|group| !group.gone)?;
        match &group.directory {
            Some(directory) => Some(directory.to_path_buf()),
            None => self.hierarchy.directory(&group.path).map(|directory| self.root.path(directory)),
        }
    }

    /// Numbers of the groups that were there when last looked for.
    pub fn living(&self) -> impl Iterator<Item = u64> {
        self.groups.iter().filter(|(_, group)| !group.gone).map(|(id, _)| *id)
    }

    /// How many groups were found so far: a mark for [`arrived_since`](Self::arrived_since).
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Numbers of the groups that were found since a mark, or the latest of them when they are more than are kept.
    pub fn arrived_since(&self, mark: u64) -> impl Iterator<Item = u64> {
        let new = usize::try_from(self.arrived.saturating_sub(mark)).unwrap_or(usize::MAX);
        self.arrivals.iter().skip(self.arrivals.len().saturating_sub(new)).copied()
    }

    /// What is not known.
    #[must_use]
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }
}

/// Path of the group above one; `None` for the root.
#[must_use]
pub fn above(path: &str) -> Option<&str> {
    let (parent, name) = path.rsplit_once('/')?;
    (!name.is_empty()).then_some(if parent.is_empty() { "/" } else { parent })
}

#[cfg(test)]
mod tests;
