//! How text is drawn: width, colour, and which characters may be used.

use anstyle::{AnsiColor, Style as Ansi};

use crate::findings::Severity;

/// Widths that text is laid out for, prose in fewer; commands and names are written whole even where they are wider.
const WIDTHS: std::ops::RangeInclusive<usize> = 24..=200;

/// What the output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    width: usize,
    color: bool,
    ascii: bool,
    split_words: bool,
}

impl Style {
    /// For a terminal of so many columns: a name that is wider than it is continued on the next line.
    #[must_use]
    pub fn terminal(columns: usize, color: bool) -> Self {
        Self { width: columns.clamp(*WIDTHS.start(), *WIDTHS.end()), color, ascii: false, split_words: true }
    }

    /// For a file or a pipe: 80 columns, names in one piece.
    #[must_use]
    pub fn file(color: bool) -> Self {
        Self { width: 80, color, ascii: false, split_words: false }
    }

    /// The same layout in ASCII and without colour.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { color: false, ascii: true, ..self }
    }

    /// Columns to lay text out in.
    pub(super) fn width(self) -> usize {
        self.width
    }

    /// Whether only ASCII may be written.
    pub(super) fn ascii(self) -> bool {
        self.ascii
    }

    /// Whether a word wider than the line may be continued on the next.
    pub(super) fn split_words(self) -> bool {
        self.split_words
    }

    /// `fancy`, or `ascii` where only that may be written.
    pub(super) fn pick<'a>(self, fancy: &'a str, ascii: &'a str) -> &'a str {
        if self.ascii { ascii } else { fancy }
    }

    fn paint(self, text: &str, ansi: Ansi) -> String {
        if self.color && !text.is_empty() { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
    }

    /// Headings.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint(text, Ansi::new().bold())
    }

    /// What matters less.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint(text, Ansi::new().dimmed())
    }

    /// Commands.
    pub(super) fn command(self, text: &str) -> String {
        self.paint(text, AnsiColor::Cyan.on_default())
    }

    /// The good verdict.
    pub(super) fn good(self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default().bold())
    }

    /// What will be missing.
    pub(super) fn warn(self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default().bold())
    }

    /// What could not be judged.
    pub(super) fn doubt(self, text: &str) -> String {
        self.paint(text, AnsiColor::Magenta.on_default().bold())
    }

    /// In the colour of a severity.
    pub(super) fn severity(self, text: &str, severity: Severity) -> String {
        let color = match severity {
            Severity::Critical => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Info => AnsiColor::Blue,
        };
        self.paint(text, color.on_default().bold())
    }
}
