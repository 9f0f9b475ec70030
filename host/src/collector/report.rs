//! What a collector says of itself.

use kerno_signals::{CollectorReport, CollectorStatus, Coverage, THEN};

use super::{load_error::Explained, watch::Watch};

/// Events of one kind that a collector counted, and those it knows to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What is counted, in the plural.
    pub what: &'static str,
    /// Counted.
    pub events: u64,
    /// Missing or not where they belong.
    pub lost: u64,
    /// Those that the kernel skipped the programs for; `None` when its count of them cannot be read.
    pub missed: Option<u64>,
}

impl Counted {
    /// Lost in any way that is known.
    pub fn lost(&self) -> u64 {
        self.lost + self.missed.unwrap_or(0)
    }

    /// Whether what is lost may change what is told. Of a short window a stray event is a larger share than of a long one.
    fn are_told(&self) -> bool {
        self.share() >= TOO_MANY || self.share() >= TOLERATED && self.lost() >= STRAY
    }

    /// Share of the events that is lost.
    pub fn share(&self) -> f64 {
        self.lost() as f64 / (self.events + self.lost()).max(1) as f64
    }
}

/// It measured with eBPF. Losses of any kind of its events make its coverage partial.
pub fn running(name: &str, kinds: &[Counted]) -> CollectorReport {
    // Where so much of one kind is lost that it decides, the other kinds must not hide it.
    let told = kinds.iter().find(|kind| kind.share() >= TOO_MANY).map_or(kinds, std::slice::from_ref);
    let report = CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source: "eBPF".to_owned(),
        reason: None,
        fix: None,
        events: told.iter().map(|kind| kind.events).sum(),
        lost: told.iter().map(Counted::lost).sum(),
        blind_ratio: 0.0,
    };
    // A stray event changes no percentile that is told.
    let report = kinds.iter().filter(|kind| kind.are_told()).fold(report, |report, kind| partial(report, Some(losses(kind))));
    let unknown = kinds.iter().filter(|kind| kind.missed.is_none());
    unknown.fold(report, |report, kind| partial(report, Some(unknown_losses(kind))))
}

/// What losses are told as when nobody knows how many there were.
fn unknown_losses(kind: &Counted) -> Explained {
    Explained {
        reason: format!("how many {} the kernel skipped the programs for cannot be read from /proc/self/fdinfo", kind.what),
        fix: "run kerno where its own /proc is mounted and may be read".to_owned(),
    }
}

/// What a loss is told as.
pub fn losses(kind: &Counted) -> Explained {
    let Counted { what, events, .. } = kind;
    Explained {
        reason: format!("{} {what} were lost beside {events} that were counted", kind.lost()),
        fix: "measure again; where it stays, run kerno with KERNO_LOG=debug, which counts them by cause, and report it"
            .to_owned(),
    }
}

/// Share of lost events that leaves the coverage full.
const TOLERATED: f64 = 0.001;

/// Fewer lost events than this leave it full as well, unless they are [`TOO_MANY`] of all.
const STRAY: u64 = 10;

/// Share of lost events from which on nothing can be judged by the rest.
pub const TOO_MANY: f64 = 0.05;

/// Part of its family could not be had.
pub fn partial(report: CollectorReport, why: Option<Explained>) -> CollectorReport {
    let Some(Explained { reason, fix }) = why else { return report };
    CollectorReport {
        status: CollectorStatus::Degraded,
        // Totals without distributions stay the least.
        coverage: report.coverage.map(|coverage| coverage.max(Coverage::Partial)),
        reason: joined(report.reason, Some(reason), "; "),
        fix: joined(report.fix, Some(fix), THEN),
        ..report
    }
}

/// Both texts, the second only where the first does not hold it already.
fn joined(first: Option<String>, second: Option<String>, between: &str) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) if first.contains(&second) => Some(first),
        (Some(first), Some(second)) => Some(format!("{first}{between}{second}")),
        (first, second) => first.or(second),
    }
}

/// It measured from files, with totals only, because eBPF was not to be had.
pub fn fallback(name: &str, events: u64, source: String) -> CollectorReport {
    CollectorReport { status: CollectorStatus::Degraded, coverage: Some(Coverage::Fallback), ..files(name, events, source) }
}

/// It measured from files that have all there is to know.
pub fn files(name: &str, events: u64, source: String) -> CollectorReport {
    CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source,
        reason: None,
        fix: None,
        events,
        lost: 0,
        blind_ratio: 0.0,
    }
}

/// Says why it did not use eBPF.
pub fn instead(report: CollectorReport, why: Option<Explained>) -> CollectorReport {
    let Some(Explained { reason, fix }) = why else { return report };
    CollectorReport { reason: joined(Some(reason), report.reason, "; "), fix: joined(Some(fix), report.fix, THEN), ..report }
}

/// Says when it saw nothing of what kerno caused.
pub fn blind(report: CollectorReport, watch: &Watch) -> CollectorReport {
    let Some(why) = watch.told() else { return report };
    CollectorReport { blind_ratio: watch.blind_ratio(), ..partial(report, Some(why)) }
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
        blind_ratio: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_losses_are_counted_and_many_are_told() {
        let few = running("sched", &[counted("events", 1_000_000, 1)]);
        assert_eq!((few.status, few.coverage, few.lost), (CollectorStatus::Running, Some(Coverage::Full), 1));
        let many = running("sched", &[counted("events", 1_000, 100)]);
        assert_eq!((many.status, many.coverage), (CollectorStatus::Degraded, Some(Coverage::Partial)));
        assert!(many.reason.is_some_and(|reason| reason.contains("100 events were lost")) && many.fix.is_some());
    }

    #[test]
    fn stray_events_of_a_short_window_are_no_gap_unless_they_are_many_of_few() {
        assert_eq!(running("sched", &[counted("events", 922, 3)]).coverage, Some(Coverage::Full));
        assert_eq!(running("sched", &[counted("events", 922, 10)]).coverage, Some(Coverage::Partial));
        assert_eq!(running("block", &[counted("syncs", 9, 1)]).coverage, Some(Coverage::Partial));
    }

    #[test]
    fn one_kinds_losses_are_not_hidden_by_another_kind() {
        let few = running("block", &[counted("requests", 1_000_000, 0), counted("syncs", 990, 10)]);
        assert_eq!((few.coverage, few.events, few.lost), (Some(Coverage::Partial), 1_000_990, 10));
        assert_eq!(few.reason.as_deref(), Some("10 syncs were lost beside 990 that were counted"));
        let many = running("block", &[counted("requests", 90, 10), counted("syncs", 1_000_000, 0)]);
        assert_eq!((many.coverage, many.events, many.lost), (Some(Coverage::Partial), 90, 10));
    }

    fn counted(what: &'static str, events: u64, lost: u64) -> Counted {
        Counted { what, events, lost, missed: Some(0) }
    }

    #[test]
    fn a_count_that_cannot_be_read_is_not_told_as_zero() {
        let all = running("sched", &[Counted { missed: Some(1), ..counted("events", 1_000_000, 1) }]);
        assert_eq!((all.coverage, all.lost, all.reason), (Some(Coverage::Full), 2, None));
        let unknown = running("block", &[counted("requests", 10, 0), Counted { missed: None, ..counted("syncs", 10, 0) }]);
        assert_eq!((unknown.status, unknown.coverage), (CollectorStatus::Degraded, Some(Coverage::Partial)));
        assert!(unknown.reason.is_some_and(|reason| reason.starts_with("how many syncs the kernel skipped")));
        let many = running("sched", &[Counted { missed: Some(50), ..counted("events", 950, 50) }]);
        assert_eq!(many.reason.as_deref(), Some("100 events were lost beside 950 that were counted"));
    }

    #[test]
    fn two_reasons_and_their_fixes_are_all_told_once() {
        let why = |reason: &str| Explained { reason: reason.to_owned(), fix: format!("fix {reason}") };
        let report = partial(partial(running("block", &[counted("requests", 10, 0)]), Some(why("one"))), Some(why("two")));
        assert_eq!((report.reason.as_deref(), report.fix.as_deref()), (Some("one; two"), Some("fix one; then fix two")));
        let again = partial(report.clone(), Some(why("two")));
        assert_eq!((&again.reason, &again.fix), (&report.reason, &report.fix), "nothing is told twice");
        let report = instead(report, Some(why("none")));
        let told = (report.reason.as_deref(), report.fix.as_deref());
        assert_eq!(told, (Some("none; one; two"), Some("fix none; then fix one; then fix two")));
        assert_eq!(partial(running("block", &[counted("requests", 10, 0)]), None).status, CollectorStatus::Running);
    }
}
