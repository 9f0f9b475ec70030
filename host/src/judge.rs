//! The process that judges: rules run in a child of kerno's own, shut in before it sees the first of them. What breaks out of a rule's
//! sandbox finds an empty room, and what kills it costs one rule's word, not the agent.

mod confine;
mod native;
mod process;
mod said;
mod serve;
mod shown;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use confine::{enclose, seal};
pub use native::Native;
pub use process::JudgeError;
#[doc(hidden)]
pub use said::{replies_of, requests_of};
pub use serve::serve;

use process::{PATIENCE, Process, unexpected};
use wire::{Precedence, Reply, Request, Telling};

use crate::engine::{self, Bench, Candidate, Described, Limits, NoComponent, RUNS, Settings, printable};
use crate::findings::{RuleReport, RuleStatus};

/// This very program, even where another one has taken its file's place.
pub const PROGRAM: &str = "/proc/self/exe";

/// How often it is started again for one question, and after what time at first.
const RESTARTS: u32 = 6;
const BACK_OFF: Duration = Duration::from_millis(20);

/// Rules, and the process that they run in.
pub struct Judge {
    program: PathBuf,
    limits: Limits,
    settings: Settings,
    /// Rules that are not used, and why not.
    off: BTreeMap<String, String>,
    candidates: Vec<Candidate>,
    described: Arc<Vec<Described>>,
    /// Rules that trapped, or were stopped, when they judged last.
    stopped: BTreeSet<usize>,
    /// How those processes ended in whose place another one was started when it judged last.
    restarts: Vec<String>,
    process: Option<Process>,
}

impl Judge {
    /// Starts the process.
    ///
    /// # Errors
    /// It cannot be started, or has no room.
    pub fn start(limits: Limits) -> Result<Self, JudgeError> {
        Self::start_as(PathBuf::from(PROGRAM), limits)
    }

    /// The same of another kerno than this program.
    ///
    /// # Errors
    /// It cannot be started, or has no room.
    pub fn start_as(program: PathBuf, limits: Limits) -> Result<Self, JudgeError> {
        let (settings, off) = (Settings::default(), BTreeMap::new());
        let (candidates, described) = (Vec::new(), Arc::default());
        let (stopped, restarts, process) = (BTreeSet::new(), Vec::new(), None);
        let mut judge = Self { program, limits, settings, off, candidates, described, stopped, restarts, process };
        judge.process()?;
        Ok(judge)
    }

    /// The process, while there is one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Loads rules in the place of those that were there. One that cannot be loaded is kept as the reason.
    ///
    /// # Errors
    /// The process cannot be kept alive, whatever is left out.
    pub fn load(
        &mut self,
        candidates: Vec<Candidate>,
        settings: Settings,
        off: BTreeMap<String, String>,
    ) -> Result<&[Described], JudgeError> {
        self.load_with(candidates, settings, off, &mut Native::awaited())
    }

    /// The same with native code that was made before, which is made for what is new.
    ///
    /// # Errors
    /// The process cannot be kept alive, whatever is left out.
    pub fn load_with(
        &mut self,
        candidates: Vec<Candidate>,
        settings: Settings,
        off: BTreeMap<String, String>,
        native: &mut Native,
    ) -> Result<&[Described], JudgeError> {
        self.candidates = native.compile(candidates, &self.program, &self.limits)?;
        (self.settings, self.off) = (settings, off);
        self.described = Arc::default();
        let (mut again, mut suspect) = (Again::default(), None);
        while let Err(Loading { at, ended }) = self.add_all()? {
            tracing::warn!("the process that judges {ended}");
            let goes_on = again.after();
            // Whoever else ends it does not choose the same moment twice.
            if suspect == Some(at) || !goes_on {
                let Some(candidate) = self.candidates.get_mut(at).filter(|candidate| !candidate.is_refused()) else {
                    return Err(JudgeError::Ended(ended));
                };
                candidate.refuse(format!("the process that judges {ended} when it was loaded: build it again, or remove it"));
            }
            suspect = Some(at);
            // Where many end it, no more are tried.
            if !goes_on {
                let users = self.candidates.iter_mut().skip(at + 1).filter(|candidate| !candidate.is_built_in());
                users.for_each(|one| one.refuse("not tried: others ended the process that judges, remove those".to_owned()));
            }
        }
        Ok(&self.described)
    }

    /// What was loaded, in order.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Judges a postcard-encoded snapshot: one report a rule, in the order of loading.
    ///
    /// # Errors
    /// It is no snapshot, or the process cannot be started again.
    pub fn judge(&mut self, snapshot: &[u8]) -> Result<Vec<RuleReport>, JudgeError> {
        self.judge_without(&BTreeMap::new(), snapshot)
    }

    /// The same without some of the rules, which are reported failed for these reasons.
    ///
    /// # Errors
    /// It is no snapshot, or the process cannot be started again.
    pub fn judge_without(&mut self, rest: &BTreeMap<usize, String>, snapshot: &[u8]) -> Result<Vec<RuleReport>, JudgeError> {
        if self.described.len() < self.candidates.len() {
            return Err(JudgeError::Ended("has no rules: they were not loaded".to_owned()));
        }
        self.stopped.clear();
        self.restarts.clear();
        let not_judged = |(index, rule): (usize, &Described)| Some((index, failed(rule, rest.get(&index)?.clone())));
        let mut said: BTreeMap<usize, RuleReport> = (0..).zip(self.described.iter()).filter_map(not_judged).collect();
        let (mut again, mut telling) = (Again::default(), Telling::Together);
        loop {
            let left: Vec<usize> = (0..self.described.len()).filter(|index| !said.contains_key(index)).collect();
            if left.is_empty() {
                break;
            }
            let ended = match self.judge_these(&left, telling, snapshot, &mut said)? {
                Asked::Answered(()) => break,
                // No rule ran: somebody else ended it.
                Asked::Lost(ended) => ended,
                // Some rules may have said what was not told yet: now each tells it at once.
                Asked::Ended(ended) if std::mem::replace(&mut telling, Telling::AtOnce) == Telling::Together => ended,
                Asked::Ended(ended) => {
                    let reason =
                        format!("the process that judges {ended} while it ran: try it with `kerno rules bench`, or remove it");
                    if let Some(index) = left.into_iter().find(|index| !said.contains_key(index)) {
                        said.insert(index, failed(&self.described[index], reason));
                        self.stopped.insert(index);
                    }
                    ended
                }
            };
            tracing::warn!("the process that judges {ended}");
            self.restarts.push(ended.clone());
            if !again.after() {
                let reason = format!("not judged: the process that judges {ended}, and {RESTARTS} others before it");
                for (index, rule) in (0..).zip(self.described.iter()) {
                    said.entry(index).or_insert_with(|| failed(rule, reason.clone()));
                }
            }
        }
        let mut reports = said.into_values().collect::<Vec<_>>();
        engine::settle(&mut reports, &self.described, &self.settings);
        Ok(reports)
    }

    /// Rules that trapped when they judged last, or were stopped at one of their limits, or during which the process ended.
    #[must_use]
    pub const fn stopped(&self) -> &BTreeSet<usize> {
        &self.stopped
    }

    /// How those processes ended in whose place another one was started when it judged last: after "the process that judges".
    #[must_use]
    pub fn restarts(&self) -> &[String] {
        &self.restarts
    }

    /// Measures one of the rules on a snapshot.
    ///
    /// # Errors
    /// It is no snapshot, or the process cannot be started again.
    pub fn bench(&mut self, index: usize, snapshot: &[u8]) -> Result<Bench, JudgeError> {
        let candidate = &self.candidates[index].clone();
        // As slow as a rule may be, each time.
        let patience = PATIENCE + self.limits.longest() * (3 * RUNS as u32);
        let mut again = Again::default();
        let asked = loop {
            let asked = self.with_rules(snapshot, |process| {
                process.ask(&Request::Bench(index, candidate.clone()))?;
                match process.answer(patience)? {
                    Reply::Bench(bench) => Ok(shown::bench(bench)),
                    other => Err(unexpected(&other)),
                }
            })?;
            if matches!(asked, Asked::Answered(_)) || !again.after() {
                break asked;
            }
        };
        let (id, source) = (self.described[index].id.clone(), self.described[index].source.clone());
        Ok(match asked {
            Asked::Answered(bench) => bench,
            Asked::Lost(ended) | Asked::Ended(ended) => Bench {
                id,
                source,
                cost: None,
                reason: Some(format!("the process that judges {ended}, each of {RESTARTS} times")),
            },
        })
    }

    /// The component that a module which cargo built is to be.
    ///
    /// # Errors
    /// The process cannot be started; or it is damaged, or no rule.
    pub fn component_of(&mut self, bytes: Vec<u8>) -> Result<Result<Vec<u8>, NoComponent>, JudgeError> {
        let process = self.process()?;
        let asked = process.ask(&Request::Component(bytes)).and_then(|()| process.answer(PATIENCE));
        match asked {
            Ok(Reply::Component(component)) => Ok(component.map_err(shown::no_component)),
            Ok(other) => Err(JudgeError::Ended(unexpected(&other).to_string())),
            Err(error) if process::is_late(&error) => Err(JudgeError::Ended(self.ended(&error))),
            // Nothing else runs there.
            Err(error) => Ok(Err(NoComponent {
                why: format!("is a module at which the process that reads it {}", self.ended(&error)),
                help: "copy it again, or build it again".to_owned(),
            })),
        }
    }

    /// The process, started when there is none.
    fn process(&mut self) -> Result<&mut Process, JudgeError> {
        let mut again = Again::default();
        while self.process.is_none() {
            match Process::start(&self.program, &self.limits, Precedence::Same) {
                Ok(process) => self.process = Some(process),
                // Somebody ended it before it could say a word.
                Err(JudgeError::Ended(ended)) if again.after() => tracing::warn!("the process that judges {ended}"),
                Err(error) => return Err(error),
            }
        }
        self.process.as_mut().ok_or_else(|| JudgeError::Ended("ended".to_owned()))
    }

    /// Adds every candidate that is not there yet; the first that ends the process is told.
    fn add_all(&mut self) -> Result<Result<(), Loading>, JudgeError> {
        let (settings, off) = (self.settings.clone(), self.off.clone());
        if let Err(error) = self.process()?.ask(&Request::Rules(settings, off)) {
            return Ok(Err(Loading { at: usize::MAX, ended: self.ended(&error) }));
        }
        let mut added = Vec::with_capacity(self.candidates.len());
        for at in 0..self.candidates.len() {
            // One at a time: they have their native code with them.
            let candidate = self.candidates[at].clone();
            let (path, bundle) = (candidate.path().cloned(), candidate.bundle());
            let Some(process) = &mut self.process else { break };
            let asked = process.ask(&Request::Add(candidate)).and_then(|()| process.answer(PATIENCE));
            match asked {
                Ok(Reply::Added(described)) => added.push(Described { path, bundle, ..shown::described(described) }),
                Ok(other) => return Ok(Err(Loading { at, ended: self.ended(&unexpected(&other)) })),
                Err(error) => return Ok(Err(Loading { at, ended: self.ended(&error) })),
            }
        }
        engine::tell_replaced(&mut added, &self.settings);
        self.described = Arc::new(added);
        Ok(Ok(()))
    }

    /// Asks a process that has the rules and the snapshot.
    fn with_rules<T>(
        &mut self,
        snapshot: &[u8],
        ask: impl FnOnce(&mut Process) -> io::Result<T>,
    ) -> Result<Asked<T>, JudgeError> {
        if self.process.is_none() {
            match self.add_all() {
                Ok(Ok(())) => {}
                Ok(Err(Loading { ended, .. })) => return Ok(Asked::Lost(ended)),
                // What it said before it ended is not lost for that.
                Err(error) => return Ok(Asked::Lost(format!("ended, and cannot be started again ({error})"))),
            }
        }
        let process = self.process()?;
        let taken = process.ask(&Request::Snapshot).and_then(|()| process.send(snapshot)).and_then(|()| process.answer(PATIENCE));
        match taken {
            Ok(Reply::Taken(Ok(()))) => {}
            Ok(Reply::Taken(Err(why))) => return Err(JudgeError::Snapshot(printable(why))),
            Ok(other) => return Ok(Asked::Lost(self.ended(&unexpected(&other)))),
            Err(error) => return Ok(Asked::Lost(self.ended(&error))),
        }
        match ask(process) {
            Ok(answer) => Ok(Asked::Answered(answer)),
            Err(error) => Ok(Asked::Ended(self.ended(&error))),
        }
    }

    /// Adds the reports of these rules, as far as the process lives.
    fn judge_these(
        &mut self,
        which: &[usize],
        telling: Telling,
        snapshot: &[u8],
        said: &mut BTreeMap<usize, RuleReport>,
    ) -> Result<Asked<()>, JudgeError> {
        let (limits, described) = (self.limits.clone(), Arc::clone(&self.described));
        let mut stopped = BTreeSet::new();
        let asked = self.with_rules(snapshot, |process| {
            process.ask(&Request::Judge(which.to_vec(), telling))?;
            for index in which {
                match process.answer(PATIENCE + limits.longest())? {
                    Reply::Report(report, is_stopped) => {
                        said.insert(*index, shown::report(report, &described[*index], &limits));
                        stopped.extend(is_stopped.then_some(*index));
                    }
                    other => return Err(unexpected(&other)),
                }
            }
            Ok(())
        });
        self.stopped.append(&mut stopped);
        asked
    }

    /// How the process ended, after "the process that judges"; it is ended if it has not.
    fn ended(&mut self, error: &io::Error) -> String {
        self.process.take().map_or_else(|| "ended".to_owned(), |process| process.end(error))
    }
}

/// What came of a question to a process that has rules.
enum Asked<T> {
    Answered(T),
    /// It ended before a rule ran: so.
    Lost(String),
    /// It ended while one ran.
    Ended(String),
}

/// Which rule was being loaded when the process ended, and how that ended.
struct Loading {
    at: usize,
    ended: String,
}

/// Starts that follow an end, each after a longer time.
#[derive(Default)]
struct Again(u32);

impl Again {
    /// Whether one more is worth it.
    fn after(&mut self) -> bool {
        thread::sleep(BACK_OFF * (1 << self.0.min(RESTARTS)));
        self.0 += 1;
        self.0 <= RESTARTS
    }
}

/// The report of a rule that could not be judged.
fn failed(rule: &Described, reason: String) -> RuleReport {
    let version = rule.about.as_ref().map(|about| about.version.clone());
    let (id, source) = (rule.id.clone(), rule.source.clone());
    RuleReport { id, version, source, status: RuleStatus::Failed, reason: Some(reason), findings: Vec::new() }
}
