//! One call past its threshold: many that returned late, or one that has not returned.

use kerno_rules_sdk::prelude::*;

/// From so many samples on a p99 is one.
const P99: u64 = 100;

/// How the value was measured.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    P99,
    /// Fewer than 100 samples: the largest.
    Largest,
    /// Not returned: the judged time at the window's end.
    InFlight,
}

pub(crate) struct Breach {
    pub call: String,
    pub severity: Severity,
    pub measure: Measure,
    pub value: f64,
    pub threshold: f64,
    /// Those that returned; none where one in flight is all that is known.
    pub time: Option<CallTime>,
    /// Those that did not, longest first.
    pub in_flight: Vec<CallInFlight>,
}

impl Breach {
    /// `read p99`, `stat max`, `fsync in flight`.
    pub fn signal_name(&self) -> String {
        let measure = match self.measure {
            Measure::P99 => "p99",
            Measure::Largest => "max",
            Measure::InFlight => "in flight",
        };
        format!("{} {measure}", self.call)
    }

    /// Worse first: by severity, then by how far past the threshold.
    pub fn is_worse_than(&self, other: &Self) -> bool {
        (self.severity, self.value / self.threshold) > (other.severity, other.value / other.threshold)
    }
}

/// Calls that returned late.
pub(crate) fn of_time(signals: &Signals, time: CallTime) -> Option<Breach> {
    let (warning, critical) = (signals.parameter("p99_warning"), signals.parameter("p99_critical"));
    let judged = &time.judged;
    let value = judged.p99?;
    let measure = if judged.count < P99 { Measure::Largest } else { Measure::P99 };
    // Of a few calls of one group a single one that was late says little; of all the host's calls it is what there is.
    let decides = match (measure, &time.cgroup) {
        (Measure::Largest, Some(_)) => judged.p95?.min(value),
        _ => value,
    };
    let (severity, threshold) = match decides {
        decides if decides > critical => (Severity::Critical, critical),
        decides if decides > warning => (Severity::Warning, warning),
        _ => return None,
    };
    Some(Breach { call: time.name.clone(), severity, measure, value, threshold, time: Some(time), in_flight: Vec::new() })
}

/// A call that has not returned for longer than the critical threshold counts whatever the sample size.
pub(crate) fn of_call_in_flight(signals: &Signals, call: CallInFlight) -> Option<Breach> {
    let threshold = signals.parameter("p99_critical");
    // Who freezes a group wants its calls to stand still.
    let is_frozen = call.sleeps_in.as_deref() == Some("__refrigerator");
    (call.judged > threshold && !is_frozen).then(|| Breach {
        call: call.name.clone(),
        severity: Severity::Critical,
        measure: Measure::InFlight,
        value: call.judged,
        threshold,
        time: None,
        in_flight: vec![call],
    })
}
