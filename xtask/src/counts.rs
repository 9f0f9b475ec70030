//! How many tests passed, failed and were skipped.

use std::fmt;

/// What became of tests or scenarios.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Did as expected.
    pub passed: usize,
    /// Did not, or hung, or crashed.
    pub failed: usize,
    /// Could not be run here: not a pass.
    pub skipped: usize,
}

impl Counts {
    /// Counts one that ran.
    pub fn count(&mut self, passed: bool) {
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
    }

    /// Adds other counts to these.
    pub fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_read_as_a_summary() {
        let mut total = Counts { passed: 3, failed: 0, skipped: 1 };
        total.merge(Counts { passed: 2, failed: 1, skipped: 0 });
        assert_eq!(total.to_string(), "5 passed, 1 failed, 1 skipped");
    }
}
