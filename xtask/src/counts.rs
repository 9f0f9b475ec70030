//! How many tests passed, failed and were skipped, and which failed.

use std::fmt;

/// Of each failure so many characters are told at the end: all of it stands where it happened.
const LONGEST: usize = 500;

/// What became of tests or scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Did as expected.
    pub passed: usize,
    /// Did not, or hung, or crashed.
    pub failed: usize,
    /// Could not be run here: not a pass.
    pub skipped: usize,
    /// What failed, a line each: whoever sees no more than the end of a long run sees where to look.
    pub failures: Vec<String>,
}

impl Counts {
    /// As many failures, for one reason.
    pub fn failed(number: usize, what: String) -> Self {
        Self { failed: number, failures: vec![what], ..Self::default() }
    }

    /// Counts one that ran, by what it came to.
    pub fn count(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(what) => self.merge(Self::failed(1, what.lines().next().unwrap_or_default().chars().take(LONGEST).collect())),
        }
    }

    /// Adds other counts to these.
    pub fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)?;
        self.failures.iter().try_for_each(|what| write!(formatter, "\n  failed: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_read_as_a_summary() {
        let mut total = Counts { passed: 3, skipped: 1, ..Counts::default() };
        total.count(Ok(()));
        total.count(Err("leak-pipes on 6.1: no report".to_owned()));
        total.merge(Counts { passed: 1, ..Counts::failed(2, "6.12: no guest".to_owned()) });
        let lines = ["5 passed, 3 failed, 1 skipped", "failed: leak-pipes on 6.1: no report", "failed: 6.12: no guest"];
        assert_eq!(total.to_string(), lines.join("\n  "));
    }
}
