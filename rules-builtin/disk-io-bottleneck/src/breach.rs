//! One signal past its threshold: a file system's syncs, or a device's reads or writes.

use kerno_rules_sdk::prelude::*;

use crate::LIMIT;

/// What is slow.
pub(crate) enum Subject {
    Syncs(FileSystemSync),
    Requests(DeviceLatency),
}

/// How the value was measured.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    P99,
    /// Fewer than 100 samples: the largest.
    Largest,
    /// Not complete: the age at the window's end.
    InFlight,
}

pub(crate) struct Breach {
    pub subject: Subject,
    pub severity: Severity,
    pub measure: Measure,
    pub value: f64,
    pub threshold: f64,
}

impl Breach {
    /// The lowest threshold of each signal, by parameter.
    pub const FSYNC: &str = "fsync_p99_warning";
    pub const WRITE: &str = "write_p99_critical";
    pub const READ: &str = "read_p99_warning";

    /// `fsync`, `block write` or `block read`.
    pub fn what(&self) -> &'static str {
        match &self.subject {
            Subject::Syncs(_) => "fsync",
            Subject::Requests(device) if device.operation == Operation::Read => "block read",
            Subject::Requests(_) => "block write",
        }
    }

    pub fn latency(&self) -> &Latency {
        match &self.subject {
            Subject::Syncs(system) => &system.latency,
            Subject::Requests(device) => &device.latency,
        }
    }

    /// `fsync p99`, `block write max`, `block read in flight`.
    pub fn signal_name(&self) -> String {
        let measure = match self.measure {
            Measure::P99 => "p99",
            Measure::Largest => "max",
            Measure::InFlight => "in flight",
        };
        format!("{} {measure}", self.what())
    }

    /// Worse first: by severity, then by how far past the threshold.
    pub fn is_worse_than(&self, other: &Self) -> bool {
        (self.severity, self.value / self.threshold) > (other.severity, other.value / other.threshold)
    }
}

/// Every signal past its threshold.
pub(crate) fn all(signals: &Signals) -> Vec<Breach> {
    let needed = signals.parameter("min_samples") as u64;
    let limits = |warning: &str, critical: &str| (signals.parameter(warning), signals.parameter(critical));
    let mut breaches = Vec::new();

    let fsync = limits(Breach::FSYNC, "fsync_p99_critical");
    for system in signals.file_systems(needed, fsync.0, LIMIT).unwrap_or_default() {
        if let Some((severity, measure, value, threshold)) = judge(&system.latency, system.oldest_in_flight, needed, fsync) {
            breaches.push(Breach { subject: Subject::Syncs(system), severity, measure, value, threshold });
        }
    }
    let write = limits(Breach::WRITE, Breach::WRITE);
    let read = limits(Breach::READ, "read_p99_critical");
    for (operation, limits) in [(Operation::Write, write), (Operation::Read, read)] {
        for device in signals.devices(Some(operation), needed, limits.0, LIMIT) {
            if let Some((severity, measure, value, threshold)) = judge(&device.latency, device.oldest_in_flight, needed, limits) {
                breaches.push(Breach { subject: Subject::Requests(device), severity, measure, value, threshold });
            }
        }
    }
    breaches
}

/// What is in flight for longer than the critical threshold counts whatever the sample size.
fn judge(
    latency: &Latency,
    oldest: Option<f64>,
    needed: u64,
    (warning, critical): (f64, f64),
) -> Option<(Severity, Measure, f64, f64)> {
    let completed = latency.p99.filter(|_| latency.count >= needed).unwrap_or(0.0);
    if let Some(age) = oldest.filter(|age| *age > critical && *age > completed) {
        return Some((Severity::Critical, Measure::InFlight, age, critical));
    }
    let measure = if latency.count < 100 { Measure::Largest } else { Measure::P99 };
    match completed {
        value if value > critical => Some((Severity::Critical, measure, value, critical)),
        value if value > warning => Some((Severity::Warning, measure, value, warning)),
        _ => None,
    }
}
