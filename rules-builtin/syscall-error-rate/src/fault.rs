//! Failures of one control group with one error are one fault, whatever calls meet it.

use kerno_rules_sdk::prelude::*;

use crate::meaning::is_of_the_user;
use crate::table;

/// Calls that are looked at of each threshold, those with most failures.
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

/// Worst first; and the call of the host with most failures that are not normal, among those often enough made.
pub(crate) fn find(signals: &Signals) -> (Vec<Fault>, Option<FailingCall>) {
    let mut faults = Vec::new();
    let mut filter = FailureFilter { by_cgroup: true, except: table::normal(), any_of: too_many(signals) };
    for call in signals.failing_calls(&filter, LIMIT) {
        add(signals, &mut faults, &call);
    }
    // Then of the host, for what is spread over many groups.
    filter.except.extend(table::of_the_host());
    filter.by_cgroup = false;
    let min_calls = signals.parameter("min_calls") as u64;
    filter.any_of.push(FailureThreshold { only: Vec::new(), min_calls, min_failed: 1, above_share: 0.0 });
    let of_host = signals.failing_calls(&filter, LIMIT);
    of_host.iter().for_each(|call| add(signals, &mut faults, call));
    for fault in &mut faults {
        worst_first(&mut fault.failures, |a, b| (a.severity, a.failed) > (b.severity, b.failed));
    }
    worst_first(&mut faults, |a, b| (a.severity(), a.failed()) > (b.severity(), b.failed()));
    (faults, of_host.into_iter().find(|call| call.calls >= min_calls))
}

/// A share that is too large, or an error of which few are too many.
fn too_many(signals: &Signals) -> Vec<FailureThreshold> {
    let (min_calls, above_share) = (signals.parameter("min_calls") as u64, signals.parameter("share_warning"));
    let min_failed = signals.parameter("few_are_many") as u64;
    vec![
        FailureThreshold { only: Vec::new(), min_calls, min_failed: 1, above_share },
        FailureThreshold { only: vec![table::serious()], min_calls: 0, min_failed, above_share: 0.0 },
    ]
}

/// How many of these failures count: of a group not what may be probes, of the host not what a group has a finding for.
fn counted(signals: &Signals, faults: &[Fault], call: &FailingCall, error: &CallError) -> u64 {
    if call.cgroup.is_some() {
        let allowed = signals.parameter("probes_per_second") * signals.window_seconds();
        return if table::may_be_a_probe(&error.name) && error.count as f64 <= allowed { 0 } else { error.count };
    }
    let mut count = error.count;
    for fault in faults.iter().filter(|fault| fault.cgroup.is_some() && fault.error.starts_with(&error.name)) {
        for failure in fault.failures.iter().filter(|failure| failure.call == call.name) {
            count = count.saturating_sub(failure.failed);
        }
    }
    count
}

/// Adds what a call's failures amount to: its errors that alone are too many, else all of them under the commonest.
fn add(signals: &Signals, faults: &mut Vec<Fault>, call: &FailingCall) {
    let (mut all, mut most) = (0_u64, (0, ""));
    let mut is_told = false;
    for error in &call.errors {
        let count = counted(signals, faults, call, error);
        all = all.saturating_add(count);
        if count > most.0 {
            most = (count, &error.name);
        }
        is_told |= put(signals, faults, call, (count, &error.name), error.caller.clone(), &error.name);
    }
    if !is_told {
        let name = if all > most.0 { format!("{} and other errors", most.1) } else { most.1.to_owned() };
        put(signals, faults, call, (all, &name), None, "");
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

/// Adds a call's failures with an error, judged as one, if they are too many.
fn put(
    signals: &Signals,
    faults: &mut Vec<Fault>,
    call: &FailingCall,
    (failed, error): (u64, &str),
    caller: Option<CallProcess>,
    judged_as: &str,
) -> bool {
    let Some((severity, by_count)) = judge(signals, &call.name, judged_as, failed, call.calls) else { return false };
    let failure = Failure { call: call.name.clone(), severity, failed, calls: call.calls, by_count, caller };
    // The same error for another reason.
    let is_alike = |fault: &Fault| error != "EMFILE" || is_of_the_user(&fault.worst().call) == is_of_the_user(&call.name);
    match faults
        .iter_mut()
        .find(|fault| fault.error == error && is_alike(fault) && is_same(fault.cgroup.as_ref(), call.cgroup.as_ref()))
    {
        Some(fault) => fault.failures.push(failure),
        None => faults.push(Fault { cgroup: call.cgroup.clone(), error: error.to_owned(), failures: vec![failure] }),
    }
    true
}

fn is_same(a: Option<&Cgroup>, b: Option<&Cgroup>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is(b),
        (None, None) => true,
        _ => false,
    }
}
