//! What a collector says of itself.

use kerno_signals::{CollectorReport, CollectorStatus, Coverage};

use super::load_error::Explained;

/// It measured with eBPF. Losses make its coverage partial.
pub fn running(name: &str, events: u64, lost: u64) -> CollectorReport {
    let report = CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source: "eBPF".to_owned(),
        reason: None,
        fix: None,
        events,
        lost,
    };
    let share = lost as f64 / (events + lost).max(1) as f64;
    // A stray event changes no percentile that is told.
    if share < TOLERATED {
        return report;
    }
    let why = Explained {
        reason: format!("{lost} events were lost beside {events} that were counted"),
        fix: "measure again for a shorter time: the kernel's tables were full".to_owned(),
    };
    partial(report, Some(why))
}

/// Share of lost events that leaves the coverage full.
const TOLERATED: f64 = 0.001;

/// It measured with eBPF, and part of its family could not be had.
pub fn partial(report: CollectorReport, why: Option<Explained>) -> CollectorReport {
    let Some(Explained { reason, fix }) = why else { return report };
    let reason = match report.reason {
        Some(first) => format!("{first}; {reason}"),
        None => reason,
    };
    CollectorReport {
        status: CollectorStatus::Degraded,
        coverage: Some(Coverage::Partial),
        reason: Some(reason),
        fix: Some(report.fix.unwrap_or(fix)),
        ..report
    }
}

/// It measured from files.
pub fn fallback(name: &str, events: u64, source: String, why: Explained) -> CollectorReport {
    CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Degraded,
        coverage: Some(Coverage::Fallback),
        source,
        reason: Some(why.reason),
        fix: Some(why.fix),
        events,
        lost: 0,
    }
}

/// It did not measure.
pub fn off(name: &str, why: Explained) -> CollectorReport {
    CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Off,
        coverage: None,
        source: String::new(),
        reason: Some(why.reason),
        fix: Some(why.fix),
        events: 0,
        lost: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_losses_are_counted_and_many_are_told() {
        let few = running("sched", 1_000_000, 1);
        assert_eq!((few.status, few.coverage, few.lost), (CollectorStatus::Running, Some(Coverage::Full), 1));
        let many = running("sched", 1_000, 100);
        assert_eq!((many.status, many.coverage), (CollectorStatus::Degraded, Some(Coverage::Partial)));
        assert!(many.reason.is_some_and(|reason| reason.contains("100 events were lost")) && many.fix.is_some());
    }

    #[test]
    fn two_reasons_are_both_told() {
        let why = |reason: &str| Explained { reason: reason.to_owned(), fix: format!("fix {reason}") };
        let report = partial(partial(running("block", 10, 0), Some(why("one"))), Some(why("two")));
        assert_eq!((report.reason.as_deref(), report.fix.as_deref()), (Some("one; two"), Some("fix one")));
        assert_eq!(partial(running("block", 10, 0), None).status, CollectorStatus::Running);
    }
}
