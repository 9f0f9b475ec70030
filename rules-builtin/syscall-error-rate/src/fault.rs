//! Failures of one control group with one error are one fault, whatever calls meet it.

use kerno_rules_sdk::prelude::*;

use crate::table::{self, Table};

/// Calls that are looked at, those with most failures.
const LIMIT: u32 = 64;
/// All calls of 32-bit programs and all numbers without a call: what is normal for them nobody knows.
const NAMELESS: [&str; 2] = ["32-bit", "unknown"];

/// A call that fails too often with one error.
pub(crate) struct Failure {
    pub call: String,
    pub severity: Severity,
    pub failed: u64,
    pub calls: u64,
    /// It counts because few are too many, not for its share.
    pub by_count: bool,
    pub caller: Option<CallProcess>,
}

impl Failure {
    pub fn share(&self) -> f64 {
        self.failed as f64 / self.calls.max(1) as f64
    }
}

/// What fails in one place for one reason.
pub(crate) struct Fault {
    /// `None`: anywhere on the host.
    pub cgroup: Option<Cgroup>,
    pub error: String,
    /// Never empty; the worst first.
    pub failures: Vec<Failure>,
}

impl Fault {
    pub fn worst(&self) -> &Failure {
        &self.failures[0]
    }

    pub fn severity(&self) -> Severity {
        self.worst().severity
    }

    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|failure| failure.failed).fold(0, u64::saturating_add)
    }
}

/// Worst first.
pub(crate) fn find(signals: &Signals, mut table: Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    // First of groups; then of the host, for what is spread over many.
    for by_cgroup in [true, false] {
        if !by_cgroup {
            table.normal.extend(table::of_the_host());
        }
        for mut call in failing(signals, by_cgroup, &table) {
            if by_cgroup {
                let allowed = signals.parameter("probes_per_second") * signals.window_seconds();
                call.errors.retain(|error| !table::may_be_a_probe(&error.name) || error.count as f64 > allowed);
            } else {
                without(&mut call, &faults);
            }
            add(signals, &mut faults, call);
        }
    }
    for fault in &mut faults {
        worst_first(&mut fault.failures, |a, b| (a.severity, a.failed) > (b.severity, b.failed));
    }
    worst_first(&mut faults, |a, b| (a.severity(), a.failed()) > (b.severity(), b.failed()));
    faults
}

/// Calls that fail too often, and those that met an error of which few are too many.
fn failing(signals: &Signals, by_cgroup: bool, table: &Table) -> Vec<FailingCall> {
    let mut filter = FailureFilter {
        by_cgroup,
        only: Vec::new(),
        except: table.normal.clone(),
        min_calls: signals.parameter("min_calls") as u64,
        min_failed: 1,
        above_share: signals.parameter("share_warning"),
    };
    let mut calls = signals.failing_calls(&filter, LIMIT);
    filter.only.push(table::serious());
    (filter.min_calls, filter.above_share) = (0, 0.0);
    filter.min_failed = signals.parameter("few_are_many") as u64;
    for call in signals.failing_calls(&filter, LIMIT) {
        if !calls.iter().any(|other| other.name == call.name && is_same(other.cgroup.as_ref(), call.cgroup.as_ref())) {
            calls.push(call);
        }
    }
    calls
}

/// What groups have findings for is not the host's once more.
fn without(call: &mut FailingCall, faults: &[Fault]) {
    for error in &mut call.errors {
        let of_groups = faults
            .iter()
            .filter(|fault| fault.cgroup.is_some() && fault.error == error.name)
            .flat_map(|fault| &fault.failures)
            .filter(|failure| failure.call == call.name);
        for failure in of_groups {
            error.count = error.count.saturating_sub(failure.failed);
        }
    }
}

/// Adds what a call's failures amount to: its errors that alone are too many, else all of them under the commonest.
fn add(signals: &Signals, faults: &mut Vec<Fault>, call: FailingCall) {
    let FailingCall { name, cgroup, calls, errors, .. } = call;
    let failed = errors.iter().map(|error| error.count).fold(0, u64::saturating_add);
    let lead = errors.iter().rev().max_by_key(|error| error.count).map(|error| error.name.clone());
    let mut is_told = false;
    for error in errors {
        let CallError { name: error, count, caller } = error;
        if let Some((severity, by_count)) = judge(signals, &name, &error, count, calls) {
            is_told = true;
            let failure = Failure { call: name.clone(), severity, failed: count, calls, by_count, caller };
            put(faults, cgroup.as_ref(), error, failure);
        }
    }
    if let (false, Some(error)) = (is_told, lead)
        && let Some((severity, by_count)) = judge(signals, &name, "", failed, calls)
    {
        put(faults, cgroup.as_ref(), error, Failure { call: name, severity, failed, calls, by_count, caller: None });
    }
}

/// Whether so many failures are too many, and whether for their count alone.
fn judge(signals: &Signals, call: &str, error: &str, failed: u64, calls: u64) -> Option<(Severity, bool)> {
    let share = failed as f64 / calls.max(1) as f64;
    let is_enough = calls as f64 >= signals.parameter("min_calls");
    let is_serious = table::is_serious(error);
    if is_enough && (is_serious || !NAMELESS.contains(&call)) {
        if failed > 0 && share >= signals.parameter("share_critical") {
            return Some((Severity::Critical, false));
        }
        if share > signals.parameter("share_warning") {
            return Some((Severity::Warning, false));
        }
    }
    let is_many = is_serious && failed > 0 && failed as f64 >= signals.parameter("few_are_many");
    is_many.then_some((Severity::Warning, true))
}

fn put(faults: &mut Vec<Fault>, cgroup: Option<&Cgroup>, error: String, failure: Failure) {
    match faults.iter_mut().find(|fault| fault.error == error && is_same(fault.cgroup.as_ref(), cgroup)) {
        Some(fault) => fault.failures.push(failure),
        None => faults.push(Fault { cgroup: cgroup.cloned(), error, failures: vec![failure] }),
    }
}

/// A group that only its path names has no number.
fn is_same(a: Option<&Cgroup>, b: Option<&Cgroup>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.id == b.id && a.path == b.path,
        (None, None) => true,
        _ => false,
    }
}
