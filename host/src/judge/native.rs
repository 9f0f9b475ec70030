//! Native code of users' rules: made in a process that runs nothing of what it compiles, and kept for as long as somebody has such a
//! file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::{JudgeError, Process, is_late, unexpected};
use super::wire::{Precedence, Reply, Request};
use crate::engine::{Bytes, Candidate, Limits, printable};

/// After so long no more are compiled.
const ENOUGH: Duration = Duration::from_secs(120);
/// So often one may end the process that compiles it: whoever else ends it does not choose the same moment twice.
const TRIES: u32 = 2;

/// By what a file holds, its SHA-256: its native code, or why there can be none.
pub struct Native {
    code: BTreeMap<String, Result<Bytes, String>>,
    precedence: Precedence,
    /// Something was left out that might be compiled at another time.
    left_out: bool,
}

impl Native {
    /// Nothing is compiled yet; `precedence` says whether anybody waits for it.
    pub(super) const fn new(precedence: Precedence) -> Self {
        Self { code: BTreeMap::new(), precedence, left_out: false }
    }

    /// Somebody waits for it.
    #[must_use]
    pub const fn awaited() -> Self {
        Self::new(Precedence::Same)
    }

    /// From now on rules are loaded while others judge: nobody waits for a CPU because of it.
    pub const fn step_back(&mut self) {
        self.precedence = Precedence::Behind;
    }

    /// Whether something was left out, since this was asked last, that might be compiled at another time: whoever had no time or memory for
    /// it then may have it later.
    pub const fn left_out(&mut self) -> bool {
        std::mem::replace(&mut self.left_out, false)
    }

    /// Forgets what none of these files holds.
    pub fn keep(&mut self, files: &BTreeSet<String>) {
        self.code.retain(|file, _| files.contains(file));
    }

    /// The same with their native code.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(super) fn compile(
        &mut self,
        candidates: Vec<Candidate>,
        program: &Path,
        limits: &Limits,
    ) -> Result<Vec<Candidate>, JudgeError> {
        let (begun, mut process) = (Instant::now(), None);
        let mut compiled = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let file = candidate.fingerprint().filter(|_| !candidate.is_built_in());
            let Some(file) = file else {
                compiled.push(candidate);
                continue;
            };
            let code = match self.code.get(&file.sha256) {
                Some(code) => code.clone(),
                None if begun.elapsed() > ENOUGH => {
                    let reason = format!("not tried: compiling others took {} s, remove some", ENOUGH.as_secs());
                    self.left_out = true;
                    compiled.push(candidate.compiled(Err(reason)));
                    continue;
                }
                None => match self.make(&candidate, &mut process, program, limits)? {
                    Ok(code) => {
                        self.code.insert(file.sha256, code.clone());
                        code
                    }
                    Err(ended) => {
                        self.left_out = true;
                        Err(ended)
                    }
                },
            };
            compiled.push(candidate.compiled(code));
        }
        Ok(compiled)
    }

    /// What the compiler says; or how its process ended.
    fn make(
        &self,
        candidate: &Candidate,
        process: &mut Option<Process>,
        program: &Path,
        limits: &Limits,
    ) -> Result<Result<Result<Bytes, String>, String>, JudgeError> {
        let mut ended = String::new();
        for _ in 0..TRIES {
            let mut one = match process.take() {
                Some(process) => process,
                None => Process::start(program, limits, self.precedence)?,
            };
            let asked = one.ask(&Request::Compile(candidate.clone())).and_then(|()| one.answer(limits.compile));
            let error = match asked {
                Ok(Reply::Compiled(code)) => {
                    *process = Some(one);
                    return Ok(Ok(code.map_err(printable)));
                }
                Ok(other) => unexpected(&other),
                Err(error) => error,
            };
            let took_too_long = is_late(&error);
            ended = one.end(&error);
            tracing::warn!("the process that compiles {} {ended}", candidate.shown());
            if took_too_long {
                let most = limits.compile.as_secs_f64();
                ended = format!("did not finish within {most} s (rules.limits.compile)");
                break;
            }
        }
        Ok(Err(format!("the process that compiles it {ended}: build it again, or remove it")))
    }
}
