//! The report as text for people: verdict first, then each finding, then what was judged and what was not.

mod changes;
mod check;
mod finding;
mod header;
mod order;
mod outlook;
mod rules;

pub use changes::pretty_changes;
pub use check::pretty_check;
pub(super) use finding::{bar_lines, footer_facts, signal_lines, urgency, word};
pub use outlook::pretty_outlook;
pub(super) use outlook::{evaluated_entries, facts, not_evaluated_entries, outlook_footer, pace, range, readings, when};
pub(super) use rules::{collector_entries, rule_entry};

use super::{Report, Style};

/// The whole report, with a newline at its end.
#[must_use]
pub fn pretty(report: &Report, style: &Style) -> String {
    let style = *style;
    let mut page = Page { lines: Vec::new(), style };
    header::host(report, &mut page);
    header::verdict(report, &mut page);
    for (index, finding) in report.findings.iter().enumerate() {
        finding::finding(index + 1, finding, report, &mut page);
    }
    order::order(report, &mut page);
    rules::rules(report, &mut page);
    rules::collectors(report, &mut page);
    order::next(report, &mut page);
    page.lines.join("\n") + "\n"
}

/// Lines of output, and how they are drawn.
struct Page {
    lines: Vec<String>,
    style: Style,
}

impl Page {
    /// One line as it is; no blanks at its end.
    fn line(&mut self, text: &str) {
        self.lines.push(text.trim_end().to_owned());
    }

    /// An empty line, never two.
    fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// A heading over a section.
    fn heading(&mut self, text: &str) {
        self.gap();
        let text = self.style.bold(text);
        self.line(&text);
    }

    /// Text wrapped behind `first`, continued under `indent` blanks.
    fn paragraph(&mut self, first: &str, first_columns: usize, text: &str) {
        let style = self.style;
        let room = style.width().saturating_sub(first_columns);
        for (index, line) in super::text::wrap(text, room, style).iter().enumerate() {
            let lead = if index == 0 { first.to_owned() } else { " ".repeat(first_columns) };
            self.line(&format!("{lead}{line}"));
        }
    }
}
