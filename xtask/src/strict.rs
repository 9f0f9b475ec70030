//! Whether what was skipped may pass: not where `KERNO_REQUIRE_GUESTS=1` says that guests must run.

use std::env;
use std::process::ExitCode;

use crate::counts::Counts;

/// Set to 1 where a skipped guest is a failure.
const REQUIRE: &str = "KERNO_REQUIRE_GUESTS";

/// Counts of `what` as they stand for this run: where guests are required, what was skipped has failed.
pub fn judge(what: &str, counts: Counts) -> Counts {
    decide(what, counts, env::var_os(REQUIRE).is_some_and(|value| value == "1"))
}

/// Success only when nothing failed.
pub fn exit_code(counts: &Counts) -> ExitCode {
    if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn decide(what: &str, mut counts: Counts, required: bool) -> Counts {
    if !required || counts.skipped == 0 {
        return counts;
    }
    let skipped = std::mem::take(&mut counts.skipped);
    let problem = format!("{skipped} of the {what} were skipped, and {REQUIRE}=1 allows none to be");
    counts.merge(Counts::failed(skipped, problem));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_guests_fail_only_where_they_are_required() {
        let skipped = Counts { passed: 3, skipped: 8, ..Counts::failed(1, "one".to_owned()) };
        assert_eq!(decide("guest tests", skipped.clone(), false), skipped);
        let counts = decide("guest tests", skipped, true);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (3, 9, 0));
        let [_, problem] = &counts.failures[..] else { panic!("{counts}") };
        assert!(problem.starts_with("8 of the guest tests were skipped") && problem.contains(REQUIRE), "{problem}");
        let ran = Counts { passed: 3, ..Counts::default() };
        assert_eq!(decide("guest tests", ran.clone(), true), ran);
    }
}
