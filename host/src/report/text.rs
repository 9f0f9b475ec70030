//! Text that is safe to show: no control characters, wrapped by display width, in ASCII where that is asked for.

use textwrap::{Options, WordSeparator, WordSplitter, core::display_width};

use super::Style;

/// Makes text from rules, processes and files safe for a terminal: control characters are written as escapes, so that a process
/// name can neither move the cursor nor forge a line. Where only ASCII may be written, everything else is replaced as well.
pub(super) fn clean(text: &str, style: Style) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_control() || is_bidi_control(character) => out.extend(character.escape_default()),
            _ if character.is_ascii() || !style.ascii() => out.push(character),
            'µ' | 'μ' => out.push('u'),
            '×' => out.push('x'),
            '·' | '•' => out.push('-'),
            '–' | '—' | '−' => out.push('-'),
            '≥' => out.push_str(">="),
            '≤' => out.push_str("<="),
            '≫' => out.push_str(">>"),
            '→' => out.push_str("->"),
            '…' => out.push_str("..."),
            '’' | '‘' => out.push('\''),
            '“' | '”' => out.push('"'),
            '\u{a0}' | '\u{202f}' => out.push(' '),
            other => out.extend(other.escape_default()),
        }
    }
    out
}

/// Characters that reorder the text around them.
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prose is not wider than this: longer lines are hard to read.
const PROSE: usize = 120;

/// Lines of at most `width` columns, made safe. A word wider than that keeps its line whole unless it may be split.
pub(super) fn wrap(text: &str, width: usize, style: Style) -> Vec<String> {
    let text = clean(&text.split_whitespace().collect::<Vec<_>>().join(" "), style);
    let options = Options::new(width.clamp(8, PROSE))
        .break_words(style.split_words())
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(&text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// Facts side by side, made safe, as many on a line as fit: a line breaks between facts, inside one only where it is too long.
pub(super) fn facts(facts: &[String], width: usize, style: Style) -> Vec<String> {
    let dot = style.pick(" · ", " - ");
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        let cleaned = clean(fact, style);
        match lines.last_mut() {
            Some(line) if columns(line) + columns(dot) + columns(&cleaned) <= width => {
                line.push_str(dot);
                line.push_str(&cleaned);
            }
            _ => lines.extend(wrap(&cleaned, width, style)),
        }
    }
    lines
}

/// A text of at most `width` columns, made safe: what is too long loses its middle.
pub(super) fn shorten(text: &str, width: usize, style: Style) -> String {
    let text = clean(text, style);
    if columns(&text) <= width {
        return text;
    }
    let gap = style.pick("…", "...");
    let room = width.saturating_sub(columns(gap));
    let (head, tail) = (take(text.chars(), room - room / 3), take(text.chars().rev(), room / 3));
    head + gap + &tail.chars().rev().collect::<String>()
}

/// As many characters as fit into so many columns.
fn take(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut taken = String::new();
    for character in characters {
        taken.push(character);
        if columns(&taken) > width {
            taken.pop();
            break;
        }
    }
    taken
}

/// Columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    display_width(text)
}

/// A text with spaces behind it, to `width` columns.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// A text with spaces before it, to `width` columns.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_steer_the_terminal() {
        let style = Style::terminal(80, true);
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d", style), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(clean("Grüße, 日本", style), "Grüße, 日本");
        assert_eq!(clean("p99 ≥ 5 µs é", style.plain()), "p99 >= 5 us \\u{e9}");
    }

    #[test]
    fn wide_characters_count_double() {
        assert_eq!(columns("日本"), 4);
        assert!(wrap("日本 日本 日本 日本", 10, Style::terminal(80, false)).iter().all(|line| columns(line) <= 10));
    }

    #[test]
    fn what_is_too_long_loses_its_middle() {
        let style = Style::terminal(80, false);
        assert_eq!(shorten("abc", 3, style), "abc");
        assert_eq!(shorten("0123456789abcdef", 10, style), "012345…def");
        assert_eq!(shorten("0123456789abcdef", 10, style.plain()), "01234...ef");
        assert_eq!(shorten("日本日本日本日本", 7, style), "日本…本");
        assert_eq!(shorten("a\u{1b}b", 20, style), "a\\u{1b}b");
        for width in 0..20 {
            assert!(columns(&shorten("0123456789abcdef", width, style)) <= width.max(1), "{width}");
        }
    }

    #[test]
    fn a_long_name_stays_whole_in_a_file_and_is_continued_on_a_terminal() {
        let name = "kubepods-burstable-pod0123456789abcdef.slice";
        assert_eq!(wrap(name, 20, Style::file(false)), [name]);
        let lines = wrap(name, 20, Style::terminal(40, false));
        assert!(lines.len() > 1);
        assert_eq!(lines.concat(), name);
    }
}
