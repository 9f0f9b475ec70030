//! Text that Markdown shows as it is: names cannot make headings, links or fences.

use super::super::{Style, text::clean};

/// Prose on one line, safe to be shown, with what Markdown would read as its own escaped.
pub(super) fn escape(text: &str) -> String {
    let text = clean(&text.split_whitespace().collect::<Vec<_>>().join(" "), Style::file(false));
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (index, character) in characters.iter().enumerate() {
        let is_letter = |index: Option<usize>| index.and_then(|index| characters.get(index)).is_some_and(|c| c.is_alphanumeric());
        let marks = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '&' => true,
            // Within a word it marks nothing.
            '_' => !(is_letter(index.checked_sub(1)) && is_letter(Some(index + 1))),
            '#' | '-' | '+' => index == 0,
            _ => false,
        };
        if marks {
            out.push('\\');
        }
        out.push(*character);
    }
    out
}

/// A name as a code span.
pub(super) fn code(name: &str) -> String {
    let name = clean(name, Style::file(false));
    let marks = "`".repeat(longest_run(&name) + 1);
    let space = if name.starts_with('`') || name.ends_with('`') || name.trim().is_empty() { " " } else { "" };
    format!("{marks}{space}{name}{space}{marks}")
}

/// Lines between fences.
pub(super) fn fence(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let marks = "`".repeat(longest.max(2) + 1);
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{marks}{language}\n{}\n{marks}", lines.join("\n"))
}

/// Backticks that stand in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_marks_nothing_up() {
        assert_eq!(escape("a*b* `x` [l](u) <b> a|b ~~s~~"), r"a\*b\* \`x\` \[l\](u) \<b\> a\|b \~\~s\~\~");
        assert_eq!(escape("net_rx_action of _x_ & y"), r"net_rx_action of \_x\_ \& y");
        assert_eq!(escape("# heading\n- item"), r"\# heading - item");
        assert_eq!(escape("a\u{1b}[2Jb"), r"a\\u{1b}\[2Jb");
    }

    #[test]
    fn names_and_commands_cannot_end_their_span() {
        assert_eq!(code("sda"), "`sda`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("x\ny"), r"`x\ny`");
        assert_eq!(fence("sh", &["echo '```'".to_owned()]), "````sh\necho '```'\n````");
    }
}
