//! What collectors that read the files of control groups share: what they could not see, said once.

use super::load_error::Explained;
use crate::platform::{
    Error, Root,
    cgroup::{Hierarchy, Names, file},
};

/// The groups of one controller: those of the other families where it is in their hierarchy, else (v1) its own.
#[derive(Debug)]
pub(super) struct Controlled {
    own: Option<Names>,
    is_shared: bool,
}

impl Controlled {
    /// `names` are those of the other families.
    pub fn find(root: &Root, controller: &str, names: Option<&Names>) -> Self {
        let hierarchy = Hierarchy::of(root, controller).ok();
        let is_shared = hierarchy.is_some() && hierarchy.as_ref() == names.map(Names::hierarchy);
        let own = hierarchy.filter(|_| !is_shared).and_then(|hierarchy| Names::of(root.clone(), hierarchy).ok());
        Self { own, is_shared }
    }

    /// Walks on through groups of its own; the others' are walked for all.
    pub fn refresh(&mut self) {
        if let Some(Err(error)) = self.own.as_mut().map(Names::refresh) {
            tracing::debug!(%error, "control groups keep the names of the last scan");
        }
    }

    /// Walks through all groups of its own.
    pub fn refresh_all(&mut self) -> Result<(), Error> {
        self.own.as_mut().map_or(Ok(()), Names::refresh_all)
    }

    /// The groups, if they are known.
    pub fn names<'a>(&'a self, shared: Option<&'a Names>) -> Option<&'a Names> {
        self.own.as_ref().or(shared.filter(|_| self.is_shared))
    }

    /// Whether other families know its groups by other numbers.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }
}

/// Files that could not be read, and the first of them.
#[derive(Debug, Default)]
pub(super) struct Unread {
    count: u64,
    first: Option<String>,
}

impl Unread {
    /// The value that was read, if it could be.
    pub fn note<T>(&mut self, read: Result<Option<T>, Error>) -> Option<T> {
        match read {
            Ok(value) => value,
            Err(error) => {
                self.count += 1;
                self.first.get_or_insert_with(|| error.to_string());
                None
            }
        }
    }

    pub fn told(&self) -> Option<Explained> {
        let first = self.first.as_ref()?;
        Some(Explained {
            reason: match self.count {
                1 => first.clone(),
                more => format!("{more} files of control groups could not be read, the first: {first}"),
            },
            fix: "run kerno as root or with CAP_DAC_READ_SEARCH, and with the host's /sys/fs/cgroup".to_owned(),
        })
    }
}

/// Why groups are missing; `None` when all are there.
pub(super) fn missing(names: Option<&Names>) -> Option<Explained> {
    let mounted = "mount the host's /sys/fs/cgroup where kerno runs".to_owned();
    let Some(names) = names else {
        return Some(Explained { reason: "no hierarchy of control groups can be read".to_owned(), fix: mounted });
    };
    let gaps = names.gaps();
    if let Some(first) = &gaps.first {
        let reason = format!("{} directories of control groups could not be listed, the first: {first}", gaps.unreadable);
        return Some(Explained { reason, fix: mounted });
    }
    let beyond = gaps.left_out + gaps.too_deep;
    (beyond > 0).then(|| Explained {
        reason: format!("{beyond} control groups are beyond the number or the depth that is kept"),
        fix: "remove control groups that nothing uses".to_owned(),
    })
}

/// What to do where only a part of the hierarchy is visible.
pub(crate) const SHOW_ALL: &str = "mount the host's /sys/fs/cgroup in kerno's container (Kubernetes: a hostPath volume), or run it in \
    the host's cgroup namespace (docker: --cgroupns=host)";

/// Why the groups of a whole host are not seen; `None` when they are.
pub(super) fn outside(names: Option<&Names>) -> Option<Explained> {
    let hierarchy = names?.hierarchy();
    (!hierarchy.is_whole).then(|| Explained {
        reason: format!("{}: other groups and the limits above are not visible", hierarchy.part()),
        fix: SHOW_ALL.to_owned(),
    })
}

/// Why some groups that programs told apart have no names; `None` when none need lack one for that.
pub(super) fn nameless(names: Option<&Names>) -> Option<Explained> {
    let hierarchy = names?.hierarchy();
    (!hierarchy.is_whole).then(|| Explained {
        reason: format!("{}: others are counted, but told by number, as their names are not visible", hierarchy.part()),
        fix: SHOW_ALL.to_owned(),
    })
}

/// What was not seen of the groups, in one text.
pub(super) fn told(gaps: &[Option<Explained>]) -> Option<String> {
    let reasons: Vec<&str> = gaps.iter().flatten().map(|why| why.reason.as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// kerno's own group, where nothing else runs in it or below it: what it uses is no workload's. Never the root.
pub(super) fn own(root: &Root, names: &Names) -> Option<u64> {
    let pid = std::process::id();
    let path = names.hierarchy().path_of(root, pid).ok().filter(|path| path != "/")?;
    let is_within = |id: &u64| {
        let rest = names.path(*id).and_then(|other| other.strip_prefix(path.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_kernos = |id: u64| {
        let directory = names.directory(id)?;
        let processes = file::read(&directory, "cgroup.procs").ok().flatten()?;
        Some(processes.lines().all(|line| line.parse() == Ok(pid)))
    };
    let is_alone = names.living().filter(is_within).all(|id| is_kernos(id) == Some(true));
    names.id(&path).filter(|_| is_alone)
}

/// Why stall times are missing.
pub(super) fn no_pressure() -> Explained {
    Explained {
        reason: "the kernel does not keep pressure stall information".to_owned(),
        fix: "boot with psi=1 (needs a kernel with CONFIG_PSI)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn what_could_not_be_read_is_counted_and_the_first_is_named() {
        let mut unread = Unread::default();
        assert_eq!((unread.note(Ok(Some(5))), unread.note::<u8>(Ok(None))), (Some(5), None));
        assert_eq!(unread.told(), None);
        let error = |name: &str| Error::Content { path: PathBuf::from(name), what: "a number expected".to_owned() };
        assert_eq!(unread.note::<u8>(Err(error("/a"))), None);
        assert_eq!(unread.told().unwrap().reason, "cannot understand /a: a number expected");
        unread.note::<u8>(Err(error("/b")));
        assert!(unread.told().unwrap().reason.starts_with("2 files of control groups could not be read, the first: cannot"));
    }

    #[test]
    fn a_part_of_the_tree_is_not_told_as_a_host() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        std::fs::create_dir_all(at("cg/a")).unwrap();
        std::fs::create_dir_all(at("proc/self/ns")).unwrap();
        std::fs::write(at("proc/self/mountinfo"), "31 23 0:28 / /cg ro - cgroup2 cgroup rw\n").unwrap();
        let names = || Names::new(Root::new(directory.path())).unwrap();
        assert_eq!((outside(Some(&names())), nameless(Some(&names()))), (None, None));
        std::os::unix::fs::symlink("cgroup:[4026532190]", at("proc/self/ns/cgroup")).unwrap();
        let told = outside(Some(&names())).unwrap();
        assert!(told.reason.contains("cgroup namespace") && told.fix.contains("hostPath") && missing(Some(&names())).is_none());
        assert!(nameless(Some(&names())).is_some_and(|why| why.reason.contains("by number")));
    }

    #[test]
    fn what_was_not_seen_is_one_text() {
        let why = |reason: &str| Some(Explained { reason: reason.to_owned(), fix: String::new() });
        assert_eq!(told(&[None, why("one"), why("two")]).as_deref(), Some("one; two"));
        assert_eq!(told(&[None, None]), None);
    }

    #[test]
    fn a_group_is_kernos_own_only_when_kerno_is_alone_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let pid = std::process::id();
        write("proc/self/mountinfo", "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n");
        write(&format!("proc/{pid}/cgroup"), "0::/kerno.service\n");
        write("cg/kerno.service/cgroup.procs", &format!("{pid}\n"));
        write("cg/other.service/cgroup.procs", "1\n");
        let root = Root::new(directory.path());
        let names = || Names::new(root.clone()).unwrap();
        let kernos = names().id("/kerno.service");
        assert!(kernos.is_some() && own(&root, &names()) == kernos);
        write("cg/kerno.service/below/cgroup.procs", "1\n");
        assert_eq!(own(&root, &names()), None);
        write("cg/kerno.service/below/cgroup.procs", "");
        assert_eq!(own(&root, &names()), kernos);
        write("cg/kerno.service/cgroup.procs", &format!("{pid}\n1\n"));
        assert_eq!(own(&root, &names()), None);
        write("cg/cgroup.procs", &format!("{pid}\n"));
        write(&format!("proc/{pid}/cgroup"), "0::/\n");
        assert_eq!(own(&root, &names()), None, "the root is everybody's");
    }

    #[test]
    fn no_names_is_a_reason() {
        assert!(missing(None).is_some_and(|why| why.reason.starts_with("no hierarchy")));
    }
}
