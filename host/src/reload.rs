//! Rules that follow their directories while they judge: what is new is made ready off to the side, a whole generation at a time, and
//! takes the place of the one before between two judgements. What does not load leaves the last version that did in force.

mod generation;
mod quarantine;
mod reading;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, JoinHandle};
use std::time::Instant;

use crate::engine::{Candidate, Described, Settings};
use crate::findings::RuleReport;
use crate::judge::{Judge, JudgeError, Native};
pub use generation::Rules;
use generation::{Follower, Loads, Settled};
use quarantine::Quarantine;
use watch::Watch;

/// What rules said of a window, all of one generation.
#[derive(Debug)]
pub struct Judgement {
    /// 1 for the rules that were there at the start, one more each time that others take their place.
    pub generation: u64,
    /// One a rule.
    pub reports: Vec<RuleReport>,
}

/// Rules in force, and the thread that makes the next ones ready.
pub struct Live {
    current: Generation,
    quarantine: Quarantine,
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Rules that were made ready together, and the process that they run in.
struct Generation {
    number: u64,
    judge: Judge,
    /// Of each rule what it holds, by which a new version is known.
    files: Vec<Option<String>>,
    /// Why a rule is not what its file is now.
    notes: BTreeMap<usize, String>,
}

/// What the thread hands over.
#[derive(Default)]
struct Shared {
    next: Mutex<Next>,
    /// The window that was judged last: the next generation is tried on it.
    window: Mutex<Option<Arc<[u8]>>>,
}

#[derive(Default)]
struct Next {
    generation: Option<Generation>,
    /// The same generation goes on; why some of its rules are not what their files are now.
    notes: Option<BTreeMap<usize, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Loads the first generation, and follows the directories from now on. `begin` is called on each thread that is started for that, before
    /// it does anything.
    ///
    /// # Errors
    /// Rules cannot be run at all.
    pub fn start(rules: Rules, begin: impl Fn() + Send + Sync + 'static) -> Result<Self, JudgeError> {
        let shared = Arc::new(Shared::default());
        let cannot = |error| JudgeError::Threads(format!("the thread that follows rules cannot be started: {error}"));
        // Before the directories are read: what changes from then on is told. The watcher has a thread of its own, which begins as the one
        // that starts it.
        let (watch, changes) = thread::scope(|scope| {
            let watching = Builder::new().spawn_scoped(scope, || {
                begin();
                Watch::start(rules.directories.clone())
            });
            Ok(watching.map_err(cannot)?.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })?;
        let mut maker =
            Maker { follower: Follower::new(rules), native: Native::in_the_background(), shared: Arc::clone(&shared) };
        let Some((settled, judge)) = maker.make()? else {
            return Err(JudgeError::Ended("has no rules: their directories do not stay the same while they are read".to_owned()));
        };
        let Settled { number, files, notes, .. } = settled;
        let current = Generation { number, judge, files, notes };
        let (stop, stopped) = channel();
        let thread = Builder::new().name("reload".into()).spawn(move || {
            begin();
            maker.follow(watch, &changes, &stopped);
        });
        let thread = Some(thread.map_err(cannot)?);
        Ok(Self { current, quarantine: Quarantine::default(), shared, stop: Some(stop), thread })
    }

    /// Judges a postcard-encoded snapshot by the newest rules that are ready.
    ///
    /// # Errors
    /// It is no snapshot, or the process cannot be started again.
    pub fn judge(&mut self, snapshot: &[u8]) -> Result<Judgement, JudgeError> {
        self.renew();
        *lock(&self.shared.window) = Some(Arc::from(snapshot));
        let Generation { number, judge, files, notes } = &mut self.current;
        let now = Instant::now();
        let rest = self.quarantine.rest(files, now);
        let mut reports = judge.judge_without(&rest, snapshot)?;
        let judged = |index: &usize| !rest.contains_key(index);
        let stopped: BTreeSet<usize> = judge.stopped().clone();
        self.quarantine.note(files, (0..files.len()).filter(judged), &stopped, now);
        for (index, report) in (0..).zip(&mut reports) {
            let note =
                notes.get(&index).into_iter().cloned().chain(self.quarantine.warning(files, index).filter(|_| judged(&index)));
            for note in note {
                report.reason = Some(report.reason.take().map_or_else(|| note.clone(), |reason| format!("{reason}; {note}")));
            }
        }
        Ok(Judgement { generation: *number, reports })
    }

    /// Which generation judges next.
    pub fn generation(&mut self) -> u64 {
        self.renew();
        self.current.number
    }

    fn renew(&mut self) {
        let mut next = lock(&self.shared.next);
        if let Some(generation) = next.generation.take() {
            self.current = generation;
        }
        if let Some(notes) = next.notes.take() {
            self.current.notes = notes;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Makes generations.
struct Maker {
    follower: Follower,
    native: Native,
    shared: Arc<Shared>,
}

impl Maker {
    fn follow(mut self, mut watch: Watch, changes: &Receiver<()>, stopped: &Receiver<()>) {
        while watch.wait(changes, stopped) {
            if !self.follower.is_behind() {
                continue;
            }
            match self.make() {
                Ok(Some((settled, judge))) => self.hand_over(settled, judge),
                // It is tried again before long.
                Ok(None) => {}
                Err(error) => tracing::warn!("rules stay as they are: {error}"),
            }
        }
    }

    fn hand_over(&self, settled: Settled, judge: Judge) {
        let Settled { number, is_new, files, notes, .. } = settled;
        if is_new {
            tracing::info!("rules: generation {number} is in force");
        }
        notes.values().for_each(|note| tracing::warn!("rules: {note}"));
        let mut next = lock(&self.shared.next);
        match &mut next.generation {
            // The same rules, and some of their files are not what they were.
            None if !is_new => next.notes = Some(notes),
            generation => (*generation, next.notes) = (Some(Generation { number, judge, files, notes }), None),
        }
    }

    /// Makes of what lies in the directories what can be made of it; `None` while all changes.
    fn make(&mut self) -> Result<Option<(Settled, Judge)>, JudgeError> {
        let begun = Instant::now();
        let rules = self.follower.rules().clone();
        let judge = Judge::start_as(rules.program, rules.limits)?;
        let window = lock(&self.shared.window).clone();
        let mut loader = Loader { judge, native: &mut self.native, settings: rules.settings, window };
        let Some(settled) = self.follower.look(&mut loader)? else { return Ok(None) };
        let judge = loader.judge;
        // What does not load is not compiled over and over.
        self.native.keep(&settled.held);
        tracing::debug!("rules: generation {} was made ready in {:?}", settled.number, begun.elapsed());
        Ok(Some((settled, judge)))
    }
}

/// A process that rules are tried in before they are in force.
struct Loader<'a> {
    judge: Judge,
    native: &'a mut Native,
    settings: Settings,
    window: Option<Arc<[u8]>>,
}

impl Loads for Loader<'_> {
    type Error = JudgeError;

    fn load(&mut self, candidates: &[Candidate], off: &BTreeMap<String, String>) -> Result<Vec<Option<String>>, JudgeError> {
        let described = self.judge.load_with(candidates.to_vec(), self.settings.clone(), off.clone(), self.native)?;
        let failed = |rule: &Described| rule.reason.clone().filter(|_| rule.about.is_none() && !rule.disabled);
        Ok(described.iter().map(failed).collect())
    }

    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, JudgeError> {
        let Some(window) = &self.window else { return Ok(BTreeMap::new()) };
        let reports = self.judge.judge(window)?;
        let why = |index: &usize| Some((*index, reports.get(*index)?.reason.clone()?));
        Ok(self.judge.stopped().iter().filter_map(why).collect())
    }
}
