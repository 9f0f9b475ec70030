//! Trees that grow, shrink, and are hostile.

use super::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

struct Host(tempfile::TempDir);

impl Host {
    fn new(groups: &[&str]) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(host.at("proc/self")).unwrap();
        fs::create_dir_all(host.at("cg")).unwrap();
        fs::write(host.at("proc/self/mountinfo"), "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n").unwrap();
        groups.iter().for_each(|group| host.make(group));
        host
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(path)
    }

    fn make(&self, group: impl AsRef<Path>) {
        fs::create_dir_all(self.at("cg").join(group)).unwrap();
    }

    fn remove(&self, group: &str) {
        fs::remove_dir_all(self.at("cg").join(group)).unwrap();
    }

    fn names(&self) -> Names {
        Names::new(Root::new(self.0.path())).unwrap()
    }
}

#[test]
fn a_group_that_vanished_keeps_its_name() {
    let host = Host::new(&["system.slice/db.service"]);
    let mut names = host.names();
    let id = names.id("/system.slice/db.service").unwrap();
    assert_eq!(fs::metadata(names.directory(id).unwrap()).unwrap().ino(), id);
    host.remove("system.slice/db.service");
    names.refresh().unwrap();
    let group = names.resolve(id);
    assert_eq!(group.path.as_deref(), Some("/system.slice/db.service"));
    assert_eq!(group.unit.as_deref(), Some("db.service"));
    assert_eq!(names.directory(id), None);
    assert!(!names.living().any(|living| living == id) && names.living().count() == 2);
    assert_eq!(names.resolve(u64::MAX), Cgroup { id: u64::MAX, ..Cgroup::default() });
    assert!(names.knows(id) && !names.knows(u64::MAX));
}

#[test]
fn the_youngest_group_has_the_path() {
    let host = Host::new(&["job"]);
    let mut names = host.names();
    let old = names.id("/job").unwrap();
    fs::rename(host.at("cg/job"), host.at("cg/job-old")).unwrap();
    host.make("job");
    names.refresh_all().unwrap();
    let young = names.id("/job").unwrap();
    assert_ne!(old, young);
    assert_eq!((names.path(old), names.path(young)), (Some("/job-old"), Some("/job")));
    assert_eq!(names.parent(young), names.id("/"));
    assert_eq!(names.parent(names.id("/").unwrap()), None);
}

#[test]
fn new_groups_are_told_from_a_mark_on() {
    let host = Host::new(&["a", "b"]);
    let mut names = host.names();
    assert_eq!(names.arrived_since(0).count(), 3);
    let mark = names.arrived();
    host.make("c");
    names.refresh_all().unwrap();
    assert_eq!(names.arrived_since(mark).collect::<Vec<_>>(), [names.id("/c").unwrap()]);
    assert_eq!(names.arrived_since(names.arrived()).count(), 0);
}

#[test]
fn a_large_tree_is_refreshed_in_pieces() {
    let host = Host::new(&[]);
    (0..3_000).for_each(|index| host.make(format!("pods/{index}")));
    let mut names = host.names();
    assert_eq!(names.living().count(), 3_002);
    host.make("late");
    (0..100).for_each(|index| host.remove(&format!("pods/{index}")));
    names.refresh().unwrap();
    assert!(!names.walk.is_done(), "one tick must not walk through three thousand groups");
    let mut ticks = 1;
    while names.living().count() != 2_903 {
        names.refresh().unwrap();
        ticks += 1;
        assert!(ticks < 60, "{}", names.living().count());
    }
    assert!(names.id("/late").is_some() && names.id("/pods/5").is_some());
}

#[test]
fn names_of_vanished_groups_are_bounded_and_counted() {
    let host = Host::new(&["kept"]);
    let mut names = host.names();
    let note = |names: &mut Names, id: u64| {
        names.note(id, Place { directory: host.at(format!("cg/{id}")), path: format!("/{id}") });
    };
    let first = 1 << 40;
    (first..first + 30_000).for_each(|id| note(&mut names, id));
    assert_eq!((names.groups.len(), names.gaps().left_out), (MOST, 10_002));
    // All but two are found gone by a walk, and make room for those that come.
    names.refresh_all().unwrap();
    assert_eq!((names.living().count(), names.groups.len(), names.gaps().left_out), (2, MOST, 0));
    (first + 40_000..first + 40_500).for_each(|id| note(&mut names, id));
    assert_eq!((names.groups.len(), names.gaps().forgotten, names.gaps().left_out), (MOST, 500, 0));
    assert_eq!(names.ids.len(), MOST);
}

#[test]
fn hostile_names_are_told_escaped_and_found_again() {
    let host = Host::new(&[]);
    let hostile = OsStr::from_bytes(b"bad\x1b[2J\xff");
    host.make(hostile);
    host.make(Path::new(hostile).join("below"));
    let names = host.names();
    let id = names.id("/bad\\x1b[2J\\xff/below").unwrap();
    assert_eq!(fs::metadata(names.directory(id).unwrap()).unwrap().ino(), id);
}

#[test]
fn a_directory_that_cannot_be_listed_is_a_gap() {
    let host = Host::new(&["open", "closed/below"]);
    // For root no mode bars the way; a name that is too long for a path does.
    let mut names = host.names();
    names.walk = Walk::from(host.at("x".repeat(5_000)), "/long".into());
    names.go_on(&mut u32::MAX.clone());
    assert_eq!(names.gaps().unreadable, 1);
    assert!(names.gaps().first.as_ref().is_some_and(|error| error.to_string().contains("xxx")), "{:?}", names.gaps());
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
