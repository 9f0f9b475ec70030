//! Histories of directories at random, each looked at now and then, against a model of what is to be in force.
//! `PROPTEST_CASES=10000` makes more of them.

mod bundles;

use std::cell::Cell;
use std::convert::Infallible;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::engine::Fingerprint;

/// Versions of a rule.
const VERSIONS: u8 = 40;
const NAMES: [&str; 3] = ["a.wasm", "b.wasm", "c.wasm"];

/// What a file can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Loads.
    Good(u8),
    /// Loads, and is stopped when it judges.
    Traps(u8),
    /// Does not load: torn, or empty for lack of room.
    Torn(u8),
}

impl Content {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Good(version) => format!("good {version}").into_bytes(),
            Self::Traps(version) => format!("traps {version}").into_bytes(),
            Self::Torn(0) => Vec::new(),
            Self::Torn(version) => format!("torn {version}").into_bytes(),
        }
    }

    /// Of a candidate, `None` when it could not be read.
    fn of(candidate: &Candidate) -> Option<Self> {
        let held = candidate.fingerprint()?;
        let all = (0..VERSIONS).flat_map(|version| [Self::Good(version), Self::Traps(version), Self::Torn(version)]);
        Some(all.into_iter().find(|content| Fingerprint::of(&content.bytes()) == held).unwrap())
    }
}

/// What happens in a directory.
#[derive(Clone, Debug)]
enum Event {
    /// A file is written beside its place and moved there, as editors and `kerno rules install` do.
    Move(usize, Content),
    /// A file is written where it is.
    Write(usize, Content),
    /// It is replaced by a link to nothing.
    Dangle(usize),
    /// It cannot be read any more: something else is there.
    Block(usize),
    Delete(usize),
    /// Its times jump, as when a clock is set.
    Jump(usize, i32),
    /// The directory goes, and comes back empty.
    Vanish,
    Return,
    /// A whole set is published as Kubernetes does it: so many of its steps until the next event.
    Publish(u8, [bool; 3], usize),
    /// Somebody looks.
    Look,
}

fn event() -> impl Strategy<Value = Event> {
    let content = prop_oneof![
        4 => (0..VERSIONS).prop_map(Content::Good),
        1 => (0..VERSIONS).prop_map(Content::Traps),
        2 => (0..VERSIONS).prop_map(Content::Torn),
    ];
    prop_oneof![
        3 => (0..3_usize, content.clone()).prop_map(|(name, content)| Event::Move(name, content)),
        2 => (0..3_usize, content).prop_map(|(name, content)| Event::Write(name, content)),
        1 => (0..3_usize).prop_map(Event::Dangle),
        1 => (0..3_usize).prop_map(Event::Block),
        2 => (0..3_usize).prop_map(Event::Delete),
        1 => (0..3_usize, any::<i32>()).prop_map(|(name, seconds)| Event::Jump(name, seconds)),
        1 => Just(Event::Vanish),
        1 => Just(Event::Return),
        4 => (0..VERSIONS, any::<[bool; 3]>(), 0..5_usize).prop_map(|(version, has, steps)| Event::Publish(version, has, steps)),
        9 => Just(Event::Look),
    ]
}

/// The two directories, one of plain files and one where sets are published, and what is to be known of them.
struct World {
    plain: PathBuf,
    sets: PathBuf,
    /// Files of the plain one: `None` for what is there and cannot be read.
    files: BTreeMap<usize, Option<Content>>,
    is_there: bool,
    /// The set that is published.
    published: BTreeMap<usize, Content>,
    /// Steps of the publication that is under way.
    steps: Vec<Box<dyn FnOnce()>>,
    publications: u32,
}

fn remove(path: &Path) {
    // What is not there is gone.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}

impl World {
    fn new(root: &Path) -> Self {
        let (plain, sets) = (root.join("plain"), root.join("sets"));
        fs::create_dir(&plain).unwrap();
        fs::create_dir(&sets).unwrap();
        let (files, published) = (BTreeMap::new(), BTreeMap::new());
        Self { plain, sets, files, is_there: true, published, steps: Vec::new(), publications: 0 }
    }

    fn happens(&mut self, event: &Event) {
        if let Event::Publish(version, has, steps) = event {
            return self.publish(*version, *has, *steps);
        }
        if let Event::Vanish = event {
            remove(&self.plain);
            self.is_there = false;
            return self.files.clear();
        }
        if let Event::Return = event {
            self.is_there = fs::create_dir(&self.plain).is_ok() || self.is_there;
            return;
        }
        let (Event::Move(name, _)
        | Event::Write(name, _)
        | Event::Dangle(name)
        | Event::Block(name)
        | Event::Delete(name)
        | Event::Jump(name, _)) = event
        else {
            return;
        };
        if !self.is_there {
            return;
        }
        let (path, was) = (self.plain.join(NAMES[*name]), self.files.get(name).copied());
        match event {
            Event::Move(_, content) => {
                if was == Some(None) {
                    remove(&path);
                }
                let beside = self.plain.join(".swp");
                fs::write(&beside, content.bytes()).unwrap();
                fs::rename(&beside, &path).unwrap();
                self.files.insert(*name, Some(*content));
            }
            Event::Write(_, content) => {
                if was == Some(None) {
                    remove(&path);
                }
                fs::write(&path, content.bytes()).unwrap();
                self.files.insert(*name, Some(*content));
            }
            Event::Dangle(_) => {
                remove(&path);
                symlink(self.plain.join("nothing"), &path).unwrap();
                self.files.insert(*name, None);
            }
            Event::Block(_) => {
                remove(&path);
                fs::create_dir(&path).unwrap();
                self.files.insert(*name, None);
            }
            Event::Delete(_) => {
                remove(&path);
                self.files.remove(name);
            }
            Event::Jump(_, seconds) => {
                let (year, by) =
                    (SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 32), Duration::from_secs(seconds.unsigned_abs().into()));
                let time = if *seconds < 0 { year - by } else { year + by };
                if let Some(Some(_)) = was {
                    File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
                }
            }
            _ => {}
        }
    }

    /// Kubernetes writes a set into a directory of its own, swaps the link `..data` to it, then makes and removes the links of single
    /// files, then removes the set before.
    fn publish(&mut self, version: u8, has: [bool; 3], steps: usize) {
        self.steps.drain(..).for_each(|step| step());
        self.publications += 1;
        let (sets, new) = (self.sets.clone(), self.sets.join(format!("..{}", self.publications)));
        let old = fs::canonicalize(sets.join("..data")).ok();
        fs::create_dir(&new).unwrap();
        let names: BTreeMap<usize, Content> =
            (0..3).filter(|name| has[*name]).map(|name| (name, Content::Good(version))).collect();
        for (name, content) in &names {
            fs::write(new.join(NAMES[*name]), content.bytes()).unwrap();
        }
        symlink(new.file_name().unwrap(), sets.join("..data_tmp")).unwrap();
        let swap = {
            let sets = sets.clone();
            move || fs::rename(sets.join("..data_tmp"), sets.join("..data")).unwrap()
        };
        let made = {
            let (sets, names) = (sets.clone(), names.clone());
            move || names.keys().for_each(|name| drop(symlink(Path::new("..data").join(NAMES[*name]), sets.join(NAMES[*name]))))
        };
        let removed = {
            let sets = sets.clone();
            move || (0..3).filter(|name| !has[*name]).for_each(|name| remove(&sets.join(NAMES[name])))
        };
        let cleaned = move || old.iter().for_each(|old| remove(old));
        // Without the link nothing is published: the swap is always done, the rest may take its time.
        swap();
        self.published = names;
        self.steps = vec![Box::new(made), Box::new(removed), Box::new(cleaned)];
        self.steps.drain(..steps.min(3)).for_each(|step| step());
    }

    /// What is to be in force, by directory and name, when this was before.
    fn expected(&self, before: &BTreeMap<PathBuf, Content>) -> BTreeMap<PathBuf, Content> {
        let mut expected = BTreeMap::new();
        for (name, content) in &self.files {
            let path = self.plain.join(NAMES[*name]);
            let last = before.get(&path).copied().filter(|last| !matches!(last, Content::Torn(_)));
            let now = match content {
                Some(Content::Good(_)) => *content,
                Some(_) | None => last.or(*content),
            };
            expected.extend(now.map(|now| (path, now)));
        }
        if !self.is_there {
            let kept = before.iter().filter(|(path, last)| path.starts_with(&self.plain) && !matches!(last, Content::Torn(_)));
            expected.extend(kept.map(|(path, content)| (path.clone(), *content)));
        }
        expected.extend(self.published.iter().map(|(name, content)| (self.sets.join(NAMES[*name]), *content)));
        expected
    }
}

/// Loads by what files say of themselves.
#[derive(Default)]
struct Fake(Vec<Candidate>);

impl Fake {
    fn in_force(&self) -> BTreeMap<PathBuf, Content> {
        self.0.iter().filter_map(|candidate| Some((candidate.path()?.clone(), Content::of(candidate)?))).collect()
    }
}

impl Loads for Fake {
    type Error = Infallible;

    fn load(&mut self, candidates: &[Candidate], _: &BTreeMap<String, String>) -> Result<Vec<Option<String>>, Infallible> {
        self.0 = candidates.to_vec();
        let fails = |candidate: &Candidate| match Content::of(candidate) {
            None | Some(Content::Torn(_)) => Some("torn".to_owned()),
            Some(_) => None,
        };
        Ok(candidates.iter().map(fails).collect())
    }

    fn left_out(&mut self) -> bool {
        false
    }

    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, Infallible> {
        let traps = |candidate: &Candidate| matches!(Content::of(candidate), Some(Content::Traps(_)));
        Ok(self.0.iter().enumerate().filter(|(_, one)| traps(one)).map(|(index, _)| (index, "trapped".to_owned())).collect())
    }
}

/// The rules of these directories.
fn rules_of(directories: [&PathBuf; 2]) -> Rules {
    Rules {
        program: PathBuf::new(),
        built_in: Vec::new(),
        directories: directories.map(PathBuf::clone).to_vec(),
        settings: Settings::default(),
        limits: Limits::default(),
        policy: Policy::default(),
    }
}

#[test]
fn whatever_happens_the_newest_that_loads_or_the_last_that_did_is_in_force() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let histories = config.cases;
    let mut runner = TestRunner::new(config);
    let kept = Cell::new(0_usize);
    let result = runner.run(&prop::collection::vec(event(), 1..40), |events| {
        let root = tempfile::tempdir().unwrap();
        let mut world = World::new(root.path());
        let mut follower = Follower::new(rules_of([&world.plain, &world.sets]));
        let (mut before, mut number, mut set) = (BTreeMap::new(), 0, None);
        for event in events.iter().chain([&Event::Look]) {
            world.happens(event);
            if !matches!(event, Event::Look) {
                continue;
            }
            let expected = world.expected(&before);
            if !follower.is_behind() {
                prop_assert_eq!(&before, &expected, "a change was not seen");
                continue;
            }
            let mut fake = Fake::default();
            let Some(settled) = follower.look(&mut fake).unwrap() else {
                prop_assert_eq!(&before, &expected, "what lay there before");
                continue;
            };
            prop_assert_eq!(&fake.in_force(), &expected);
            kept.set(kept.get() + settled.notes.len());
            let of: Vec<_> =
                fake.0.iter().map(|one| (one.path().cloned(), one.fingerprint(), one.why_refused().map(str::to_owned))).collect();
            prop_assert_eq!(settled.is_new, set.as_ref() != Some(&of), "one generation, one set of rules");
            prop_assert_eq!(settled.number, number + u64::from(settled.is_new));
            (before, number, set) = (fake.in_force(), settled.number, Some(of));
        }
        Ok(())
    });
    result.unwrap();
    assert!(kept.get() > histories as usize / 10, "no version was kept: nothing was tried");
}
