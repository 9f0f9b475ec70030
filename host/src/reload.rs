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
use std::thread::{self, Builder};
use std::time::Instant;

use crate::engine::{Candidate, Described, without_place};
use crate::findings::{RuleReport, RuleStatus};
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
    /// Why a rule is not what its file is now, by its source.
    pub kept: BTreeMap<String, String>,
    /// How processes ended that were started again to judge it.
    pub restarts: Vec<String>,
}

/// Rules in force, and the thread that makes the next ones ready.
pub struct Live {
    current: Generation,
    quarantine: Quarantine,
    shared: Arc<Shared>,
    /// Dropped, it ends the thread, as soon as that has time for it: nobody waits for what is made ready.
    _stop: Sender<()>,
}

/// Rules that were made ready together, and the process that they run in.
struct Generation {
    number: u64,
    judge: Judge,
    /// Of each rule that by which a new version is known.
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
        let mut maker = Maker { follower: Follower::new(rules), native: Native::awaited(), shared: Arc::clone(&shared) };
        let ((stop, stopped), (first, made)) = (channel(), channel());
        // The processes that judge end with the thread that starts them.
        let following = move || {
            begin();
            let first_made = maker.make();
            let is_made = matches!(first_made, Ok(Some(_)));
            maker.native.step_back();
            // Nobody waits for it who has gone.
            if first.send(first_made).is_ok() && is_made {
                maker.follow(watch, &changes, &stopped);
            }
        };
        Builder::new().name("reload".into()).spawn(following).map_err(cannot)?;
        let ended = |why: &str| JudgeError::Ended(format!("has no rules: {why}"));
        let made = made.recv().map_err(|_| ended("the thread that loads them has ended"))??;
        let (settled, judge) = made.ok_or_else(|| ended("their directories do not stay the same while they are read"))?;
        let Settled { number, files, notes, .. } = settled;
        let current = Generation { number, judge, files, notes };
        Ok(Self { current, quarantine: Quarantine::default(), shared, _stop: stop })
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
        let said = |index: &usize| matches!(reports[*index].status, RuleStatus::Fired | RuleStatus::Quiet);
        self.quarantine.note(files, (0..reports.len()).filter(said), &stopped, now);
        for (index, report) in (0..).zip(&mut reports) {
            let note =
                notes.get(&index).into_iter().cloned().chain(self.quarantine.warning(files, index).filter(|_| judged(&index)));
            for note in note {
                report.reason = Some(report.reason.take().map_or_else(|| note.clone(), |reason| format!("{reason}; {note}")));
            }
        }
        let kept = notes.iter().filter_map(|(index, note)| Some((reports.get(*index)?.source.clone(), note.clone()))).collect();
        Ok(Judgement { generation: *number, reports, kept, restarts: judge.restarts().to_vec() })
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
            for rule in judge.described().iter().filter(|rule| rule.about.is_none() && !rule.disabled) {
                tracing::warn!("rules: {}: {}", rule.source, rule.reason.as_deref().unwrap_or_default());
            }
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
        let window = lock(&self.shared.window).clone();
        let mut loader = Loader { judge: None, native: &mut self.native, rules, window };
        let Some(settled) = self.follower.look(&mut loader)? else { return Ok(None) };
        let Some(judge) = loader.judge else { return Ok(None) };
        // What does not load is not compiled over and over.
        self.native.keep(&settled.held);
        tracing::debug!("rules: generation {} was made ready in {:?}", settled.number, begun.elapsed());
        Ok(Some((settled, judge)))
    }
}

/// A process that rules are tried in before they are in force.
struct Loader<'a> {
    /// Started for the first rules: often there is nothing to try.
    judge: Option<Judge>,
    native: &'a mut Native,
    rules: Rules,
    window: Option<Arc<[u8]>>,
}

impl Loads for Loader<'_> {
    type Error = JudgeError;

    fn load(&mut self, candidates: &[Candidate], off: &BTreeMap<String, String>) -> Result<Vec<Option<String>>, JudgeError> {
        let judge = match &mut self.judge {
            Some(judge) => judge,
            none => none.insert(Judge::start_as(self.rules.program.clone(), self.rules.limits.clone())?),
        };
        let described = judge.load_with(candidates.to_vec(), self.rules.settings.clone(), off.clone(), self.native)?;
        let failed = |rule: &Described| {
            rule.reason
                .as_deref()
                .filter(|_| rule.about.is_none() && !rule.disabled)
                .map(|reason| without_place(reason).to_owned())
        };
        Ok(described.iter().map(failed).collect())
    }

    fn try_out(&mut self) -> Result<BTreeMap<usize, String>, JudgeError> {
        let (Some(window), Some(judge)) = (&self.window, &mut self.judge) else { return Ok(BTreeMap::new()) };
        let reports = judge.judge(window)?;
        let why = |index: &usize| Some((*index, without_place(reports.get(*index)?.reason.as_deref()?).to_owned()));
        Ok(judge.stopped().iter().filter_map(why).collect())
    }

    fn left_out(&mut self) -> bool {
        self.native.left_out()
    }
}
