//! One scenario on one kernel as a line: of the table, and of the file of results.

use serde::Serialize;

use crate::counts::Counts;

/// What came of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    Passed,
    Failed,
    /// What it is about did not happen: it says nothing, and never passes.
    Void,
}

/// One scenario on one kernel.
#[derive(Serialize)]
pub struct Line {
    pub scenario: String,
    /// The exact release.
    pub kernel: String,
    pub expected: String,
    pub got: String,
    pub pass: bool,
    /// `passed`, `failed` or `void`.
    #[serde(rename = "result")]
    pub came: Came,
    /// Nothing is to be found.
    pub healthy: bool,
    /// How long the window was.
    pub seconds: f64,
    /// Findings that are to be there, those that are, and those of them about the right entity.
    pub faults: usize,
    pub found: usize,
    pub right_entity: usize,
    /// Rank of the cause, from 1.
    pub rank: Option<usize>,
    /// Findings at warning or above that nothing explains.
    pub wrong: usize,
    /// What bare thresholds say of the same window; `None` when it was not measured.
    pub naive: Option<Vec<String>>,
}

impl Line {
    /// As a count: what is void counts as skipped, which is no pass.
    pub fn counts(&self) -> Counts {
        match self.came {
            Came::Passed => Counts { passed: 1, ..Counts::default() },
            Came::Void => Counts { skipped: 1, ..Counts::default() },
            Came::Failed => {
                Counts::failed(1, format!("{} on {}: expected {}, got {}", self.scenario, self.kernel, self.expected, self.got))
            }
        }
    }

    fn cells(&self) -> [String; 7] {
        let word = match self.came {
            Came::Passed => "yes",
            Came::Failed => "NO",
            Came::Void => "VOID",
        };
        let entity = match (self.faults, self.right_entity) {
            (0, _) => "",
            (faults, right) if right == faults => "right",
            _ if self.found > self.right_entity => "WRONG",
            _ => "-",
        };
        let rank = self.rank.map(|rank| rank.to_string()).unwrap_or_else(|| if self.faults > 0 { "-" } else { "" }.to_owned());
        let (scenario, kernel) = (self.scenario.clone(), self.kernel.clone());
        [scenario, kernel, word.to_owned(), entity.to_owned(), rank, self.expected.clone(), self.got.clone()]
    }
}

/// All lines as a table; what bare thresholds say stands under each line.
pub fn table(lines: &[Line]) -> String {
    let titles = ["scenario", "kernel", "pass", "entity", "rank", "expected", "got"].map(str::to_owned);
    let rows: Vec<_> = lines.iter().map(Line::cells).collect();
    let width = |column: usize| {
        rows.iter().chain([&titles]).map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..titles.len()).map(width).collect();
    let row = |cells: &[String; 7]| {
        let padded: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = format!("\n{}", row(&titles));
    for (line, cells) in lines.iter().zip(&rows) {
        text.push_str(&row(cells));
        if let Some(naive) = &line.naive {
            let said = if naive.is_empty() { "nothing".to_owned() } else { naive.join("; ") };
            text.push_str(&format!("    naive thresholds: {said}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(came: Came) -> Line {
        Line {
            scenario: "fd-leak".into(),
            kernel: "6.12".into(),
            expected: "findings: fd-leak".into(),
            got: "findings: fd-leak".into(),
            pass: came == Came::Passed,
            came,
            healthy: false,
            seconds: 12.0,
            faults: 1,
            found: 1,
            right_entity: 0,
            rank: Some(2),
            wrong: 1,
            naive: Some(vec!["syscall-latency (futex, 900 ms on average)".into()]),
        }
    }

    #[test]
    fn what_is_void_is_counted_and_never_passed() {
        let counts = line(Came::Void).counts();
        assert_eq!((counts.passed, counts.failed, counts.skipped), (0, 0, 1));
        assert_eq!(line(Came::Passed).counts().passed, 1);
        assert_eq!(line(Came::Failed).counts().failed, 1);
    }

    #[test]
    fn a_row_says_entity_and_rank_and_what_naive_thresholds_say() {
        let text = table(&[line(Came::Failed), line(Came::Void)]);
        let rows: Vec<_> = text.lines().collect();
        assert!(rows[2].contains("NO") && rows[2].contains("WRONG") && rows[2].contains("  2 "), "{text}");
        assert!(rows[3].contains("futex, 900 ms") && rows[4].contains("VOID"), "{text}");
    }
}
