//! Histories of a bundle at random, and of a rule beside it that takes the id of one of its own: in force is all of its newest revision
//! that loads, all of the last one that did, or nothing.

use super::*;
use crate::bundle::{Entry, MANIFEST, Manifest};

/// Files of the bundle; their names are the ids of its rules.
const FILES: [&str; 2] = ["a.wasm", "b.wasm"];

type Set = [Content; 2];

#[derive(Clone, Debug)]
enum Event {
    /// The next revision.
    Publish(Set),
    /// One that was there before, with other content.
    PublishOld(Set),
    /// A file of it is another one; past its files, its manifest.
    Damage(usize),
    /// A rule with the id of its first comes into the directory before it, or goes.
    Squat(bool),
    /// A rule of another id lies there, of which the next version takes that id: it is stopped when it judges, or it is not.
    Turn(Option<bool>),
    /// Something that is nobody's changes.
    Touch,
    Look,
}

fn event() -> impl Strategy<Value = Event> {
    let content = prop_oneof![
        5 => (0..VERSIONS).prop_map(Content::Good),
        1 => (0..VERSIONS).prop_map(Content::Traps),
        1 => (0..VERSIONS).prop_map(Content::Torn),
    ];
    let set = prop::array::uniform2(content);
    prop_oneof![
        4 => set.clone().prop_map(Event::Publish),
        1 => set.prop_map(Event::PublishOld),
        2 => (0..3_usize).prop_map(Event::Damage),
        2 => any::<bool>().prop_map(Event::Squat),
        2 => any::<Option<bool>>().prop_map(Event::Turn),
        1 => Just(Event::Touch),
        8 => Just(Event::Look),
    ]
}

/// The file whose versions have different ids: those of an odd number have the id of the bundle's first rule.
const TURNS: &str = "turns.wasm";

fn id(path: &Path, content: Content) -> String {
    let (Content::Good(version) | Content::Traps(version) | Content::Torn(version)) = content;
    let name = path.file_name().unwrap().to_str().unwrap();
    if name == TURNS && version % 2 == 1 { FILES[0].to_owned() } else { name.to_owned() }
}

/// Loads as [`Fake`] does, each id once.
#[derive(Default)]
struct Loader {
    fake: Fake,
    loaded: BTreeMap<PathBuf, Content>,
}

impl Loads for Loader {
    type Error = Infallible;

    fn load(&mut self, candidates: &[Candidate], off: &Off) -> Result<Failed, Infallible> {
        let mut failed = self.fake.load(candidates, off)?;
        let mut ids = BTreeSet::new();
        self.loaded.clear();
        for (candidate, failed) in candidates.iter().zip(&mut failed).filter(|(_, failed)| failed.is_none()) {
            let (path, content) = (candidate.path().unwrap(), Content::of(candidate).unwrap());
            if ids.insert(id(path, content)) {
                self.loaded.insert(path.clone(), content);
            } else {
                *failed = Some("its id is taken".to_owned());
            }
        }
        Ok(failed)
    }

    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, Infallible> {
        let mut traps = self.fake.try_out()?;
        // What does not load does not judge.
        traps.retain(|index, _| self.fake.0[*index].path().is_some_and(|path| self.loaded.contains_key(path)));
        Ok(traps)
    }

    fn left_out(&mut self) -> bool {
        false
    }
}

/// The directories, and what is to be known of them.
struct World {
    plain: PathBuf,
    site: PathBuf,
    /// What is published, and whether it is whole and may follow what was accepted.
    published: Option<(u64, Set, bool)>,
    revision: u64,
    accepted: u64,
    is_squatted: bool,
    /// What lies there that turns, and the version of it that was in force last.
    turns: Option<Content>,
    turned: Option<Content>,
    touched: u32,
    /// What was in force last.
    last: Option<(u64, Set)>,
}

impl World {
    fn new(root: &Path) -> Self {
        let (plain, site) = (root.join("plain"), root.join("site"));
        fs::create_dir(&plain).unwrap();
        fs::create_dir(&site).unwrap();
        let (published, last, turns, turned) = (None, None, None, None);
        Self { plain, site, published, revision: 0, accepted: 0, is_squatted: false, turns, turned, touched: 0, last }
    }

    fn publish(&self, revision: u64, set: &Set) {
        let mut rules = Vec::new();
        for (file, content) in FILES.into_iter().zip(set) {
            let bytes = content.bytes();
            let id = file.trim_end_matches(".wasm").to_owned();
            let (version, sha256) = ("1.0.0".to_owned(), Fingerprint::of(&bytes).sha256);
            rules.push(Entry { id, version, file: file.to_owned(), sha256, replaces: false, params: BTreeMap::new() });
            fs::write(self.site.join(file), bytes).unwrap();
        }
        let manifest = Manifest { name: "site".to_owned(), revision, expires: None, rules };
        fs::write(self.site.join(MANIFEST), manifest.write()).unwrap();
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Publish(set) => {
                self.revision += 1;
                self.publish(self.revision, set);
                self.published = Some((self.revision, *set, true));
            }
            Event::PublishOld(set) => {
                // The same content is no other content.
                if self.accepted > 0 && self.last.is_some_and(|(_, last)| last != *set) {
                    self.publish(self.accepted, set);
                    self.published = Some((self.accepted, *set, false));
                }
            }
            Event::Damage(which) => {
                if let Some((.., is_whole)) = &mut self.published {
                    let file = FILES.get(*which).copied().unwrap_or(MANIFEST);
                    fs::write(self.site.join(file), "damaged").unwrap();
                    *is_whole = false;
                }
            }
            Event::Squat(true) => {
                fs::write(self.plain.join(FILES[0]), Content::Good(0).bytes()).unwrap();
                self.is_squatted = true;
            }
            Event::Squat(false) => {
                remove(&self.plain.join(FILES[0]));
                self.is_squatted = false;
            }
            Event::Turn(to) => {
                self.touched += 1;
                let version = (self.touched as u8 * 2) % VERSIONS;
                let content = match to {
                    None => Content::Good(version),
                    Some(true) => Content::Traps(version | 1),
                    Some(false) => Content::Good(version | 1),
                };
                fs::write(self.plain.join(TURNS), content.bytes()).unwrap();
                self.turns = Some(content);
            }
            Event::Touch => {
                self.touched += 1;
                fs::write(self.plain.join("z.wasm"), Content::Torn(self.touched as u8 % VERSIONS).bytes()).unwrap();
            }
            Event::Look => {}
        }
    }

    /// Which version of what turns is to be in force: what does not load, for its id is taken, or traps, goes before nothing.
    fn turning(&self) -> Option<Content> {
        let now = self.turns?;
        let is_taken = |content: &Content| self.is_squatted && id(Path::new(TURNS), *content) == FILES[0];
        let other = self.turned.filter(|last| *last != now);
        let goes_back = is_taken(&now) || matches!(now, Content::Traps(_));
        if goes_back && other.is_some() { other.filter(|last| !is_taken(last)) } else { Some(now).filter(|now| !is_taken(now)) }
    }

    /// What of the bundle is to be in force, if anything.
    fn expected(&self) -> Option<(u64, Set)> {
        let (revision, set, is_whole) = self.published?;
        let has_id = self.turning().is_some_and(|content| id(Path::new(TURNS), content) == FILES[0]);
        if self.is_squatted || has_id {
            return None;
        }
        let has = |bad: fn(&Content) -> bool| set.iter().any(bad);
        if !is_whole || has(|content| matches!(content, Content::Torn(_))) {
            return self.last;
        }
        // What only fails as it judges goes before nothing.
        let traps = has(|content| matches!(content, Content::Traps(_)));
        if traps && self.last.is_some() { self.last } else { Some((revision, set)) }
    }

    fn is_in_force(&mut self, expected: Option<(u64, Set)>) {
        self.turned = self.turning().or(self.turned);
        if let Some((revision, _)) = expected {
            self.accepted = self.accepted.max(revision);
            self.last = expected;
        }
    }
}

#[test]
fn whatever_happens_a_bundle_is_in_force_as_a_whole_or_not_at_all() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let histories = config.cases;
    let mut runner = TestRunner::new(config);
    let (in_force, kept) = (Cell::new(0_usize), Cell::new(0_usize));
    let result = runner.run(&prop::collection::vec(event(), 1..30), |events| {
        let root = tempfile::tempdir().unwrap();
        let mut world = World::new(root.path());
        let mut follower = Follower::new(rules_of([&world.plain, &world.site]));
        let mut before = BTreeMap::new();
        for event in events.iter().chain([&Event::Look]) {
            world.happens(event);
            if !matches!(event, Event::Look) {
                continue;
            }
            let expected = world.expected();
            let files = expected.iter().flat_map(|(_, set)| FILES.into_iter().zip(*set));
            let files: BTreeMap<PathBuf, Content> = files.map(|(file, content)| (world.site.join(file), content)).collect();
            let mut loader = Loader::default();
            let settled = if follower.is_behind() { follower.look(&mut loader).unwrap() } else { None };
            let Some(settled) = settled else {
                prop_assert_eq!(&before, &files, "a change was not seen");
                continue;
            };
            loader.loaded.retain(|path, _| path.starts_with(&world.site));
            prop_assert_eq!(&loader.loaded, &files);
            in_force.set(in_force.get() + usize::from(expected.is_some()));
            kept.set(kept.get() + usize::from(settled.notes.len() == 2));
            world.is_in_force(expected);
            before = files;
        }
        Ok(())
    });
    result.unwrap();
    let few = histories as usize / 10;
    assert!(in_force.get() > few && kept.get() > few, "{} in force, {} kept: nothing was tried", in_force.get(), kept.get());
}
