//! Where kernel programs are attached, and what came of it.

use serde::Serialize;

use crate::collector::hooks::{Attempt, HOOKS};
use crate::platform::btf::Btf;

/// A place to attach a program to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hook {
    /// Whose: a collector's name.
    pub collector: String,
    /// `tp_btf`, `raw_tp`, `tracepoint`, `fentry`, `fexit` or `iter`.
    pub kind: String,
    /// Tracepoint, function or kind of object.
    pub target: String,
    /// Whether this kernel has it; `None` where it does not describe its types.
    pub present: Option<bool>,
    /// Whether a program was attached; `None` when it was not tried: another hook serves, or the collector did not come so far.
    pub attached: Option<bool>,
    /// Why it was not.
    pub reason: Option<String>,
}

/// The known ones, then those that were attached beside them.
pub(super) fn hooks(btf: Option<&Btf>, attempts: &[Attempt]) -> Vec<Hook> {
    let is_of = |attempt: &Attempt, hook: &crate::collector::hooks::Hook| {
        (attempt.object, attempt.kind, attempt.target.as_str()) == (hook.collector, hook.kind, hook.target)
    };
    let known = HOOKS.iter().map(|hook| {
        let attempt = attempts.iter().find(|attempt| is_of(attempt, hook));
        Hook {
            collector: hook.collector.to_owned(),
            kind: hook.kind.to_string(),
            target: hook.target.to_owned(),
            present: btf.map(|btf| hook.is_in(btf)),
            attached: attempt.map(|attempt| attempt.error.is_none()),
            reason: attempt.and_then(|attempt| attempt.error.clone()),
        }
    });
    let other = attempts.iter().filter(|attempt| !HOOKS.iter().any(|hook| is_of(attempt, hook))).map(|attempt| Hook {
        collector: attempt.object.to_owned(),
        kind: attempt.kind.to_string(),
        target: attempt.target.clone(),
        present: attempt.error.is_none().then_some(true),
        attached: Some(attempt.error.is_none()),
        reason: attempt.error.clone(),
    });
    known.chain(other).collect()
}
