//! Reports and checks as JSON, as `schema/report-1.json` and `schema/check-1.json` describe them.

use std::fmt::Write as _;

use serde::Serialize;

/// One document on a line of its own.
///
/// # Errors
/// Never for one of finite numbers: every key is a string.
pub fn json_line(report: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(report).map(|text| escaped(text) + "\n")
}

/// One document, indented, with a newline at its end.
///
/// # Errors
/// Never for one of finite numbers: every key is a string.
pub fn json(report: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| escaped(text) + "\n")
}

/// The same document. Within its strings some control characters need no escape, but a terminal would obey them.
fn escaped(text: String) -> String {
    let needs_none = |c: char| !c.is_control() || c == '\n';
    if text.chars().all(needs_none) {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if needs_none(character) {
            safe.push(character);
        } else {
            // Writing to a string does not fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_string_steers_a_terminal_and_each_is_read_again() {
        let names = ["a\u{7f}b", "\u{9b}2J", "\u{1b}[2J\n", "日本"];
        for text in [json(&names).unwrap(), json_line(&names).unwrap()] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), names);
        }
        assert_eq!(json_line(&names).unwrap(), "[\"a\\u007fb\",\"\\u009b2J\",\"\\u001b[2J\\n\",\"日本\"]\n");
    }
}
