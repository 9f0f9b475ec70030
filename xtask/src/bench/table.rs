//! What a bench measured: read from the guest's output, shown as a table.

use serde::{Deserialize, Serialize};

use crate::vm::libtest;

/// One number beside a peer's or a bound.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Line {
    hook: String,
    workload: String,
    kerno: f64,
    peer: Option<f64>,
    ratio: Option<f64>,
    target: Option<f64>,
    /// The exact release.
    #[serde(default)]
    kernel: String,
}

impl Line {
    /// A ratio is held against its target, and a number without a peer against its bound.
    fn verdict(&self) -> &'static str {
        match (self.target, self.ratio, self.peer) {
            (None, ..) => "",
            (Some(target), Some(ratio), _) => met(ratio <= target),
            (Some(_), None, Some(_)) => "?",
            (Some(target), None, None) if !self.has_peer() => met(self.kerno <= target),
            (Some(_), None, None) => "no peer",
        }
    }

    /// Whether its target is a ratio: then a line without a peer says nothing of it.
    fn has_peer(&self) -> bool {
        self.hook.contains("bodies") || self.hook.contains("beside")
    }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// The lines of the table, and what else the guest told.
pub fn read(output: &str, kernel: &str) -> (Vec<Line>, Vec<String>) {
    let (mut lines, mut notes) = (Vec::new(), Vec::new());
    for note in libtest::notes(output) {
        match note.strip_prefix("bench ").and_then(|text| serde_json::from_str::<Line>(text).ok()) {
            Some(line) => lines.push(Line { kernel: kernel.to_owned(), ..line }),
            None => notes.push(note.to_owned()),
        }
    }
    (lines, notes)
}

/// A table for people.
pub fn text(lines: &[Line]) -> String {
    let number = |value: Option<f64>| match value {
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
        None => "-".to_owned(),
    };
    let head = ["hook", "workload", "kerno", "peer", "ratio", "target", ""].map(str::to_owned);
    let rows = lines.iter().map(|line| {
        let numbers = [Some(line.kerno), line.peer, line.ratio, line.target].map(number);
        let [kerno, peer, ratio, target] = numbers;
        [line.hook.clone(), line.workload.clone(), kerno, peer, ratio, target, line.verdict().to_owned()]
    });
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            2..=5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
measured: bench {\"hook\":\"sched_switch bodies\",\"workload\":\"pipe\",\"kerno\":300.0,\"peer\":1500.0,\"ratio\":0.2,\"target\":0.3}
measured: biolatency does not run on this kernel
measured: bench {\"hook\":\"maps and programs, MiB\",\"workload\":\"all\",\"kerno\":9.5,\"peer\":null,\"ratio\":null,\"target\":8.0}
other words
";

    #[test]
    fn lines_and_notes_are_told_apart() {
        let (lines, notes) = read(OUTPUT, "6.12.48");
        assert_eq!((lines.len(), notes), (2, vec!["biolatency does not run on this kernel".to_owned()]));
        assert_eq!((lines[0].kernel.as_str(), lines[0].verdict(), lines[1].verdict()), ("6.12.48", "met", "MISSED"));
    }

    #[test]
    fn a_ratio_without_a_peer_is_not_judged() {
        let (mut lines, _) = read(OUTPUT, "6.12.48");
        (lines[0].peer, lines[0].ratio) = (None, None);
        assert_eq!(lines[0].verdict(), "no peer");
        assert_eq!(Line { target: None, ..lines[1].clone() }.verdict(), "");
    }

    #[test]
    fn the_table_has_a_row_for_each_line() {
        let table = text(&read(OUTPUT, "6.12.48").0);
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[1].contains("300  1500   0.20    0.30  met") && rows[2].ends_with("MISSED"), "{table}");
    }
}
