//! What is wrong in a text, and where.

use std::path::Path;

use crate::engine::nearest;

/// Longest text of a file that is repeated, characters.
const LONGEST: usize = 60;

/// One mistake, or one thing worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Line of the file; 0 for the file as a whole.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) help: String,
}

/// All that was found while a file was read.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) errors: Vec<Complaint>,
    pub(crate) warnings: Vec<Complaint>,
}

impl Complaint {
    pub(crate) fn new(line: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { line, what: what.into(), help: help.into() }
    }

    /// `/etc/kerno/config.yaml:12: what`, and the one thing to do.
    pub(crate) fn of_file(self, path: &Path) -> (String, String) {
        let place = if self.line == 0 { path.display().to_string() } else { format!("{}:{}", path.display(), self.line) };
        (format!("{place}: {}", self.what), self.help)
    }
}

impl Book {
    pub(crate) fn error(&mut self, line: usize, what: impl Into<String>, help: impl Into<String>) {
        self.errors.push(Complaint::new(line, what, help));
    }

    /// A word that is none of those that may stand there: `what`, and the nearest of them, else all of them.
    pub(crate) fn unknown<'a>(&mut self, line: usize, what: String, word: &str, known: impl IntoIterator<Item = &'a str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let help = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of {}", known.join(", ")),
        };
        self.error(line, what, help);
    }

    pub(crate) fn unused(&mut self, line: usize, key: &str) {
        self.warnings.push(Complaint::new(line, format!("{key} is not used by this version"), String::new()));
    }
}

/// A text of the file, fit to be repeated on one line.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            out.push('…');
            break;
        }
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_told_with_the_nearest_or_with_all() {
        let mut book = Book::default();
        book.unknown(3, "x".into(), "rule", ["rules", "slos"]);
        book.unknown(4, "y".into(), "kubernetes", ["rules", "slos"]);
        let helps: Vec<_> = book.errors.iter().map(|one| (one.line, one.help.as_str())).collect();
        assert_eq!(helps, [(3, "did you mean rules?"), (4, "use one of rules, slos")]);
        let (what, _) = book.errors.remove(0).of_file(Path::new("/etc/k.yaml"));
        assert_eq!(what, "/etc/k.yaml:3: x");
    }

    #[test]
    fn what_a_file_holds_cannot_steer_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
