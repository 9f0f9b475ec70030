//! Late calls of one control group are one fault: who waits for a dead server meets it in every call.

use kerno_rules_sdk::prelude::*;

use crate::breach::{self, Breach, Measure};

/// Calls that are looked at, the longest.
const LIMIT: u32 = 64;
/// Faults at most; the worst.
const MOST: usize = 10;

/// What is late in one place.
pub(crate) struct Fault {
    /// `None`: anywhere on the host.
    pub cgroup: Option<Cgroup>,
    /// Never empty; the worst first.
    pub breaches: Vec<Breach>,
    /// Processes with the longest calls of the worst kind, longest first.
    pub callers: Vec<SlowCaller>,
}

impl Fault {
    pub fn worst(&self) -> &Breach {
        &self.breaches[0]
    }
}

/// Worst first. `timed`: calls that returned can be judged as well.
pub(crate) fn find(signals: &Signals, timed: bool) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    if timed {
        let (needed, least) = (signals.parameter("min_calls") as u64, signals.parameter("p99_warning"));
        for time in signals.call_times(true, needed, least, LIMIT) {
            let cgroup = time.cgroup.clone();
            put(&mut faults, cgroup, breach::of_time(signals, time));
        }
        for time in signals.call_times(false, needed, least, LIMIT) {
            // What a group has a finding for is not the host's once more.
            if !faults.iter().any(|fault| fault.breaches.iter().any(|breach| breach.call == time.name)) {
                let cgroup = only_group(signals, &time.name);
                put(&mut faults, cgroup, breach::of_time(signals, time));
            }
        }
    }
    for call in signals.calls_in_flight(signals.parameter("p99_critical"), LIMIT) {
        let cgroup = (call.cgroup.id != 0 || call.cgroup.path.is_some()).then(|| call.cgroup.clone());
        put(&mut faults, cgroup, breach::of_call_in_flight(signals, call));
    }
    faults.iter_mut().for_each(|fault| worst_first(&mut fault.breaches, Breach::is_worse_than));
    worst_first(&mut faults, |a, b| a.worst().is_worse_than(b.worst()));
    faults.truncate(MOST);
    for fault in &mut faults {
        let (call, id) = (fault.worst().call.as_str(), fault.cgroup.as_ref().map(|cgroup| cgroup.id));
        fault.callers = signals.slow_callers(Some(call), id, LIMIT);
    }
    faults
}

/// The control group of all processes with late calls of this name, if it is one.
fn only_group(signals: &Signals, name: &str) -> Option<Cgroup> {
    let threshold = signals.parameter("p99_warning");
    let of_the_first = |limit| {
        let mut late = signals.slow_callers(Some(name), None, limit);
        late.retain(|caller| caller.longest > threshold);
        let first = late.first()?.cgroup.clone();
        late.iter().all(|caller| caller.cgroup.is(&first)).then_some(first)
    };
    // Mostly the first two are of two groups, and no more need be asked for.
    of_the_first(2).and_then(|_| of_the_first(LIMIT))
}

/// Adds a breach to what is late in its place; calls of one name are one breach, led by the worse one.
fn put(faults: &mut Vec<Fault>, cgroup: Option<Cgroup>, breach: Option<Breach>) {
    let Some(breach) = breach else { return };
    let here = faults.iter_mut().find(|fault| match (&fault.cgroup, &cgroup) {
        (Some(a), Some(b)) => a.is(b),
        (None, None) => true,
        _ => false,
    });
    let Some(fault) = here else {
        faults.push(Fault { cgroup, breaches: vec![breach], callers: Vec::new() });
        return;
    };
    let Some(known) = fault.breaches.iter_mut().find(|known| known.call == breach.call) else {
        fault.breaches.push(breach);
        return;
    };
    if breach.measure == Measure::InFlight && breach.is_worse_than(known) {
        (known.severity, known.measure, known.value, known.threshold) =
            (breach.severity, breach.measure, breach.value, breach.threshold);
    }
    known.in_flight.extend(breach.in_flight);
}
