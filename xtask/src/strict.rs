//! Whether what was skipped may pass: not where `KERNO_REQUIRE_GUESTS=1` says that guests must run.

use std::env;
use std::process::ExitCode;

use crate::counts::Counts;

/// Set to 1 where a skipped guest is a failure.
const REQUIRE: &str = "KERNO_REQUIRE_GUESTS";

/// Counts of `what` as they stand for this run: where guests are required, what was skipped has failed, and a line says so.
pub fn judge(what: &str, counts: Counts) -> Counts {
    let (counts, problem) = decide(what, counts, env::var_os(REQUIRE).is_some_and(|value| value == "1"));
    if let Some(problem) = problem {
        println!("FAILED: {problem}");
    }
    counts
}

/// Success only when nothing failed.
pub fn exit_code(counts: Counts) -> ExitCode {
    if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn decide(what: &str, counts: Counts, required: bool) -> (Counts, Option<String>) {
    if !required || counts.skipped == 0 {
        return (counts, None);
    }
    let problem = format!("{} of the {what} were skipped, and {REQUIRE}=1 allows none to be", counts.skipped);
    (Counts { failed: counts.failed + counts.skipped, skipped: 0, ..counts }, Some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_guests_fail_only_where_they_are_required() {
        let skipped = Counts { passed: 3, failed: 1, skipped: 8 };
        assert_eq!(decide("guest tests", skipped, false), (skipped, None));
        let (counts, problem) = decide("guest tests", skipped, true);
        assert_eq!(counts, Counts { passed: 3, failed: 9, skipped: 0 });
        let problem = problem.unwrap();
        assert!(problem.starts_with("8 of the guest tests were skipped") && problem.contains(REQUIRE), "{problem}");
        let ran = Counts { passed: 3, ..Counts::default() };
        assert_eq!(decide("guest tests", ran, true), (ran, None));
    }
}
