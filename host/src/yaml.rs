//! A YAML text as a tree whose every node knows its line. Of YAML it takes what configurations need: one document of mappings, lists and
//! scalars; no anchors, aliases or tags, which a reader cannot follow and a hostile file grows by.

mod complaint;

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

pub(crate) use complaint::{Book, Complaint, shown};

/// No setting lies deeper.
const DEEPEST: usize = 16;

/// A part of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// As it is written, without its quotes.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    /// Its text, when it is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// Reads a text. A key that stands twice in a mapping is an error in the book, the first one counts.
pub(crate) fn parse(text: &str, book: &mut Book) -> Result<Node, Complaint> {
    let mut tree = Tree { events: Parser::new_from_str(text), book };
    let mut root = None;
    while let Some((event, at)) = tree.next()? {
        match event {
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Complaint::new(at.line(), "a second document begins here", "put all settings into one document"));
            }
            Event::DocumentStart(_) => {
                let (event, at) = tree.something()?;
                root = Some(tree.node(event, at, 0)?);
            }
            _ => {}
        }
    }
    Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
}

struct Tree<'t, 'b> {
    events: Parser<'t, StrInput<'t>>,
    book: &'b mut Book,
}

impl<'t> Tree<'t, '_> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Marker)>, Complaint> {
        match self.events.next() {
            Some(Ok((event, Span { start, .. }))) => Ok(Some((event, start))),
            Some(Err(error)) => Err(broken(&error)),
            None => Ok(None),
        }
    }

    fn something(&mut self) -> Result<(Event<'t>, Marker), Complaint> {
        self.next()?.ok_or_else(|| Complaint::new(0, "the text ends too early", "write it again"))
    }

    fn node(&mut self, event: Event<'t>, at: Marker, depth: usize) -> Result<Node, Complaint> {
        let line = at.line();
        let refused = |what: &str, help: &str| Err(Complaint::new(line, what, help));
        if depth > DEEPEST {
            return refused("this is nested deeper than any setting", "see the README for what may be set");
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            Event::Alias(_) => return refused("an alias (*) is not read here", "write the value out"),
            _ => return refused("this is not YAML", "write `key: value`, one a line"),
        };
        if anchor != 0 {
            return refused("an anchor (&) is not read here", "remove it, and write the value out wherever it is used");
        }
        if tag {
            return refused("a tag (!) is not read here", "remove it");
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
            Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
            Event::SequenceStart(..) => self.list(depth)?,
            _ => self.map(depth)?,
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut items = Vec::new();
        loop {
            match self.something()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, at) = self.something()?;
            let line = at.line();
            let key = match event {
                Event::MappingEnd => return Ok(Value::Map(entries)),
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => return Err(Complaint::new(line, "a key that is no plain text", "write `key: value`, one a line")),
            };
            let (event, at) = self.something()?;
            let value = self.node(event, at, depth + 1)?;
            match lines.get(&key) {
                Some(first) => {
                    let what = format!("{} is set twice, first in line {first}", shown(&key));
                    self.book.error(line, what, "keep one of the two");
                }
                None => {
                    lines.insert(key.clone(), line);
                    entries.push(Entry { key, line, value });
                }
            }
        }
    }
}

fn broken(error: &ScanError) -> Complaint {
    let what = format!("this is not YAML ({}, column {})", shown(error.info()), error.marker().col() + 1);
    Complaint::new(
        error.marker().line(),
        what,
        "indent with blanks, as the lines around it; quote what holds `: ` or begins with a sign",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Complaint> {
        parse(text, &mut Book::default())
    }

    fn entries(node: &Node) -> &[Entry] {
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        entries
    }

    #[test]
    fn every_node_knows_its_line() {
        let root = read("# a comment\na: 1\nb:\n  - x\n  - y: 'z'\r\nc:\n").unwrap();
        let [a, b, c] = entries(&root) else { panic!("{root:?}") };
        assert_eq!((a.line, a.value.text(), b.line, c.line), (2, Some("1"), 3, 6));
        let Value::List(items) = &b.value.value else { panic!("{b:?}") };
        assert_eq!((items[0].line, items[0].text(), items[1].line), (4, Some("x"), 5));
        assert_eq!(entries(&items[1])[0].value.text(), Some("z"));
        assert_eq!(c.value.value, Value::Null);
    }

    #[test]
    fn nothing_is_no_error() {
        for text in ["", "\n\n", "# only a comment\n", "---\n", "\u{feff}", "~"] {
            assert_eq!(read(text).map(|node| node.value), Ok(Value::Null), "{text:?}");
        }
    }

    #[test]
    fn what_grows_or_hides_is_refused_with_its_line() {
        for (text, line, what) in [
            ("a: &x 1\nb: 2\n", 1, "an anchor"),
            ("a: 1\nb: *x\n", 2, ""),
            ("a: !!str 1\n", 1, "a tag"),
            ("a: 1\n---\nb: 2\n", 2, "a second document"),
            ("a: 1\n? [b]\n: 2\n", 2, "a key that is no plain text"),
            ("a: [1,\n", 0, "not YAML"),
            ("a: 1\n\tb: 2\n", 0, "found a tab"),
            ("a: b: c\n", 1, "not YAML"),
        ] {
            let complaint = read(text).unwrap_err();
            assert!(complaint.what.contains(what) && !complaint.help.is_empty(), "{text:?}: {complaint:?}");
            assert!(line == 0 || complaint.line == line, "{text:?}: {complaint:?}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&"- ".repeat(100)).unwrap_err().what.contains("nested deeper"));
    }

    #[test]
    fn a_key_that_stands_twice_is_told_with_both_lines() {
        let mut book = Book::default();
        let root = parse("a: 1\nb: 2\na: 3\n", &mut book).unwrap();
        assert_eq!(entries(&root).len(), 2);
        assert_eq!((book.errors[0].line, book.errors[0].what.as_str()), (3, "a is set twice, first in line 1"));
    }
}
