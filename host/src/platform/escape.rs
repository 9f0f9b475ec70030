//! Names that anybody may choose, as text of one line: control characters and bytes that are no UTF-8 are escaped.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A file's name as it is told.
#[must_use]
pub fn told(name: &OsStr) -> Cow<'_, str> {
    match name.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(name.as_bytes())),
    }
}

/// Control characters and bytes that are no UTF-8 as `\x` and two digits.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let escape = |text: &mut String, bytes: &[u8]| bytes.iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_line_are_escaped() {
        for (name, expected) in [
            (b"plain-x2d.service".as_slice(), "plain-x2d.service"),
            (b"dev-disk\\x2d1.swap", "dev-disk\\x2d1.swap"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"a\x1b[31mb\x7f", "a\\x1b[31mb\\x7f"),
            (b"\xff\xfeok", "\\xff\\xfeok"),
            (b"nel\xc2\x85", "nel\\xc2\\x85"),
        ] {
            assert_eq!(told(OsStr::from_bytes(name)), expected);
        }
    }
}
