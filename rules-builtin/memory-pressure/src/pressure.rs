//! Where memory is nearly used up: the host, and groups by the smallest limit on their way up.

use kerno_rules_sdk::{FilledLimit, prelude::*};

use crate::signs::{Signs, Thresholds};

/// Findings at most.
const FINDINGS: usize = 10;

/// Memory that is nearly used up.
pub(crate) struct Pressure {
    /// `None`: the host's.
    pub group: Option<FilledLimit>,
    pub used: u64,
    pub bytes: u64,
    pub signs: Signs,
}

impl Pressure {
    pub fn share(&self) -> f64 {
        self.used as f64 / self.bytes.max(1) as f64
    }

    pub fn severity(&self) -> Severity {
        if self.signs.any() { Severity::Warning } else { Severity::Info }
    }
}

/// The worst first. Of limits that the same memory fills the one that the kernel works for is told, else the lowest group's.
pub(crate) fn find(signals: &Signals, host: &HostMemory, thresholds: &Thresholds) -> Vec<Pressure> {
    let mut all: Vec<Pressure> = Vec::new();
    let (used, bytes) = (host.working_set, host.total);
    all.push(Pressure { group: None, used, bytes, signs: Signs::of_host(host, thresholds) });
    for filled in signals.filled_limits(false, thresholds.used) {
        let signs = Signs::of_group(&filled, host.duration, thresholds);
        let (used, bytes) = (filled.group.working_set, filled.limit.bytes);
        all.push(Pressure { group: Some(filled), used, bytes, signs });
    }
    let order = |one: &Pressure| {
        let path = one.group.as_ref().and_then(|filled| filled.group.cgroup.path.as_ref());
        // On one way down the lowest has the longest path.
        (one.severity(), one.signs.met, path.map_or(0, String::len))
    };
    // By insertion: code that sorts is a good part of a small component.
    let mut sorted: Vec<Pressure> = Vec::new();
    for one in all.into_iter().filter(|one| one.share() > thresholds.used) {
        let at = sorted.iter().position(|known| order(known) < order(&one)).unwrap_or(sorted.len());
        sorted.insert(at, one);
    }
    let mut told: Vec<Pressure> = Vec::new();
    for one in sorted {
        let is_same = |known: &Pressure| match (&known.group, &one.group) {
            (Some(known), Some(group)) => known.is_same_use(group),
            _ => false,
        };
        if told.len() < FINDINGS && !told.iter().any(is_same) {
            told.push(one);
        }
    }
    told
}
