//! `bundle.yaml`: read with all that is wrong with it, and written so that the same bundle is the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::engine::{Quantity, Unit, quantity};
use crate::yaml::{self, Book, Complaint, Node, Value, shown};

/// No manifest is larger, bytes.
pub(super) const LARGEST: usize = 256 << 10;
/// No bundle has more rules.
pub(super) const MOST_RULES: usize = 128;
/// What this version writes and reads.
const FORMAT: &str = "1";
/// The largest number that every reader of JSON keeps.
const LAST_REVISION: u64 = (1 << 53) - 1;
const LONGEST_NAME: usize = 63;
const LONGEST_ID: usize = 64;
const LONGEST_FILE: usize = 100;

const TOP: [&str; 5] = ["format", "name", "revision", "expires", "rules"];
const RULE: [&str; 6] = ["id", "version", "file", "sha256", "replaces", "params"];

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// By which its revisions are known: small letters, digits and dashes.
    pub name: String,
    /// Each one is higher than the one before.
    pub revision: u64,
    /// RFC 3339, UTC: from then on it is not used.
    pub expires: Option<String>,
    /// Its rules, by id.
    pub rules: Vec<Entry>,
}

/// A rule of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its component, beside the manifest.
    pub file: String,
    /// SHA-256 of that, in hexadecimal.
    pub sha256: String,
    /// Whether it may take the place of the built-in rule with its id.
    pub replaces: bool,
    /// Values of its parameters.
    pub params: BTreeMap<String, Quantity>,
}

/// A manifest that need not be complete: what somebody says of a bundle before it is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// As in a manifest.
    pub name: Option<String>,
    /// As in a manifest.
    pub revision: Option<u64>,
    /// As in a manifest.
    pub expires: Option<String>,
    /// Rules of which something is said.
    pub rules: Vec<DraftRule>,
}

/// A rule of a draft.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "as in an entry of a manifest")]
pub struct DraftRule {
    pub id: String,
    pub version: Option<String>,
    pub file: Option<String>,
    pub sha256: Option<String>,
    pub replaces: bool,
    pub params: BTreeMap<String, Quantity>,
    line: usize,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut book = Book::default();
        let draft = read(bytes, &mut book)?;
        let missing = |line: usize, what: &str, book: &mut Book| {
            book.error(line, format!("it has no {what}"), "make the bundle with `kerno rules bundle`");
        };
        if draft.name.is_none() && !complains_of(&book, "name") {
            missing(0, "name", &mut book);
        }
        if draft.revision.is_none() && !complains_of(&book, "revision") {
            missing(0, "revision", &mut book);
        }
        if draft.rules.is_empty() && book.errors.is_empty() {
            missing(0, "rules", &mut book);
        }
        // What could not be read is not missing.
        let is_read = book.errors.is_empty();
        let mut rules = Vec::with_capacity(draft.rules.len());
        for DraftRule { id, version, file, sha256, replaces, params, line } in draft.rules {
            match (version, file, sha256) {
                (Some(version), Some(file), Some(sha256)) => {
                    rules.push(Entry { id, version, file, sha256, replaces, params });
                }
                _ if !is_read => {}
                (version, file, _) => {
                    let what = if version.is_none() {
                        "version"
                    } else if file.is_none() {
                        "file"
                    } else {
                        "sha256"
                    };
                    missing(line, &format!("{what} of the rule {}", shown(&id)), &mut book);
                }
            }
        }
        let mut files = BTreeSet::new();
        for rule in &rules {
            if !files.insert(rule.file.as_str()) {
                let what = format!("two rules have the file {}", shown(&rule.file));
                book.error(0, what, "make the bundle with `kerno rules bundle`");
            }
        }
        told(book)?;
        let Some((name, revision)) = draft.name.zip(draft.revision) else { return Err("it has no name".to_owned()) };
        Ok(Self { name, revision, expires: draft.expires, rules })
    }

    /// Its text, which [`parse`](Self::parse) reads again.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { name, revision, expires, rules } = self;
        let mut text = format!("format: {FORMAT}\nname: {}\nrevision: {revision}\n", quoted(name));
        if let Some(expires) = expires {
            text += &format!("expires: {}\n", quoted(expires));
        }
        text += "rules:\n";
        for Entry { id, version, file, sha256, replaces, params } in rules {
            let [id, version, file, sha256] = [id, version, file, sha256].map(|text| quoted(text));
            text += &format!("  - id: {id}\n    version: {version}\n    file: {file}\n    sha256: {sha256}\n");
            if *replaces {
                text += "    replaces: true\n";
            }
            if !params.is_empty() {
                text += "    params:\n";
            }
            for (name, Quantity { value, unit }) in params {
                text += &format!("      {}: {}\n", quoted(name), quoted(&quantity::write(*value, unit.unwrap_or(Unit::Count))));
            }
        }
        text
    }

    /// Whether it must not be used any more.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// From when on it must not be used.
    pub(super) fn end(&self) -> Option<SystemTime> {
        self.expires.as_deref().and_then(|text| humantime::parse_rfc3339(text).ok())
    }
}

impl Draft {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut book = Book::default();
        let draft = read(bytes, &mut book)?;
        told(book)?;
        Ok(draft)
    }
}

/// Whether a text may name a bundle.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(is_plain) && !text.starts_with('-') && !text.ends_with('-')
}

impl Draft {
    /// A moment from which on a bundle is not used.
    ///
    /// # Errors
    /// How it is written.
    pub fn expiry(text: &str) -> Result<String, &'static str> {
        const HOW: &str = "write it in UTC, as 2027-01-31T00:00:00Z";
        humantime::parse_rfc3339(text).map(|_| text.to_owned()).map_err(|_| HOW)
    }

    /// A revision.
    ///
    /// # Errors
    /// How it is written.
    pub fn revision(text: &str) -> Result<u64, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_number && (1..=LAST_REVISION).contains(number));
        number.ok_or_else(|| format!("write a whole number from 1 to {LAST_REVISION}"))
    }
}

fn complains_of(book: &Book, key: &str) -> bool {
    book.errors.iter().any(|error| error.what.starts_with(&format!("{key} ")))
}

/// All that is wrong as one sentence: the first mistake, and how many more there are.
fn told(mut book: Book) -> Result<(), String> {
    // What is missing may be what a mistake in a line is about.
    book.errors.sort_by_key(|error| (error.line == 0, error.line));
    let more = book.errors.len().saturating_sub(1);
    match book.errors.into_iter().next() {
        None => Ok(()),
        Some(first) if more == 0 => Err(sentence(&first)),
        Some(first) => Err(format!("{} (and {more} more)", sentence(&first))),
    }
}

fn sentence(Complaint { line, what, help }: &Complaint) -> String {
    if *line == 0 { format!("{what}: {help}") } else { format!("line {line}: {what}: {help}") }
}

fn read(bytes: &[u8], book: &mut Book) -> Result<Draft, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it is larger than {} KiB: make the bundle with `kerno rules bundle`", LARGEST >> 10));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8: save it as UTF-8".to_owned())?;
    let root = yaml::parse(text, book).map_err(|complaint| sentence(&complaint))?;
    let Value::Map(entries) = &root.value else {
        return Err("it is no mapping: write `key: value`, one a line".to_owned());
    };
    let mut draft = Draft::default();
    // What another format means by its keys is not known.
    if let Some(format) = entries.iter().find(|entry| entry.key == "format")
        && format.value.text() != Some(FORMAT)
    {
        let found = format.value.text().map_or_else(|| "no single value".to_owned(), shown);
        return Err(format!("line {}: its format is {found}, this kerno reads format {FORMAT}: use a newer kerno", format.line));
    }
    for entry in entries {
        let (value, line) = (&entry.value, entry.line);
        match entry.key.as_str() {
            "format" => {}
            "name" => {
                draft.name = text_of(value, "name", book, |text| is_name(text).then(|| text.to_owned()).ok_or_else(name_help))
            }
            "revision" => draft.revision = text_of(value, "revision", book, Draft::revision),
            "expires" => draft.expires = text_of(value, "expires", book, |text| Draft::expiry(text).map_err(str::to_owned)),
            "rules" => draft.rules = rules(value, book),
            key => book.unknown(line, format!("{} is no key of a bundle", shown(key)), key, TOP),
        }
    }
    Ok(draft)
}

fn name_help() -> String {
    format!("write small letters, digits and dashes between them, {LONGEST_NAME} at most")
}

/// A value that is one text, of which something can be made.
fn text_of<T>(node: &Node, key: &str, book: &mut Book, make: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    let (written, made) = match &node.value {
        Value::Scalar(text) => (shown(text), make(text)),
        Value::Null => ("nothing".to_owned(), make("")),
        Value::List(_) => ("a list".to_owned(), make("")),
        Value::Map(_) => ("a mapping".to_owned(), make("")),
    };
    match made {
        Ok(made) => Some(made),
        Err(help) => {
            book.error(node.line, format!("{key} cannot be {written}"), help);
            None
        }
    }
}

fn rules(node: &Node, book: &mut Book) -> Vec<DraftRule> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        Value::Scalar(_) | Value::Map(_) => {
            book.error(node.line, "rules is no list", "write `- id: ID` for each");
            &[]
        }
    };
    if items.len() > MOST_RULES {
        book.error(node.line, format!("it has more than {MOST_RULES} rules"), "make two bundles of them");
        return Vec::new();
    }
    let mut rules: Vec<DraftRule> = Vec::with_capacity(items.len());
    for item in items {
        let Some(rule) = rule(item, book) else { continue };
        match rules.iter().find(|other| other.id == rule.id) {
            Some(first) => {
                let what = format!("the rule {} stands there twice, first in line {}", shown(&rule.id), first.line);
                book.error(rule.line, what, "keep one of the two");
            }
            None => rules.push(rule),
        }
    }
    rules
}

fn rule(node: &Node, book: &mut Book) -> Option<DraftRule> {
    let Value::Map(entries) = &node.value else {
        book.error(node.line, "an entry of rules is no mapping", "write `- id: ID`, and its other keys below");
        return None;
    };
    let mut rule = DraftRule { line: node.line, ..DraftRule::default() };
    let mut id = None;
    let before = book.errors.len();
    for entry in entries {
        let value = &entry.value;
        match entry.key.as_str() {
            "id" => id = text_of(value, "id", book, self::id),
            "version" => rule.version = text_of(value, "version", book, version),
            "file" => rule.file = text_of(value, "file", book, file),
            "sha256" => rule.sha256 = text_of(value, "sha256", book, digest),
            "replaces" => rule.replaces = text_of(value, "replaces", book, truth).unwrap_or_default(),
            "params" => rule.params = params(value, book),
            key => book.unknown(entry.line, format!("{} is no key of a rule in a bundle", shown(key)), key, RULE),
        }
    }
    if id.is_none() && book.errors.len() == before {
        book.error(node.line, "a rule has no id", "write `- id: ID`");
    }
    rule.id = id?;
    Some(rule)
}

fn id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_id = !text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(is_plain);
    is_id.then(|| text.to_owned()).ok_or_else(|| "an id has small letters, digits and dashes".to_owned())
}

fn version(text: &str) -> Result<String, String> {
    let is_plain = !text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(|c| c.is_ascii_graphic());
    is_plain.then(|| text.to_owned()).ok_or_else(|| "write one like 1.0.0".to_owned())
}

/// The name of a file beside the manifest, which is also a key of a ConfigMap.
fn file(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_file = text.len() <= LONGEST_FILE && text.chars().all(is_plain) && !text.starts_with('.') && text.ends_with(".wasm");
    let help = "name a file beside bundle.yaml, as ID.wasm: letters, digits, dashes, underscores and dots, no directory";
    is_file.then(|| text.to_owned()).ok_or_else(|| help.to_owned())
}

fn digest(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_digest.then(|| text.to_owned()).ok_or_else(|| "write what sha256sum prints, 64 digits".to_owned())
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

fn params(node: &Node, book: &mut Book) -> BTreeMap<String, Quantity> {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => &[],
        Value::Scalar(_) | Value::List(_) => {
            book.error(node.line, "params is no mapping", "write `name: value`, one a line");
            &[]
        }
    };
    let make = |text: &str| quantity::read(text).ok_or_else(|| "a value is written as 50ms, 2%, 512MiB or 20".to_owned());
    let mut params = BTreeMap::new();
    for entry in entries {
        if let Some(value) = text_of(&entry.value, &format!("the parameter {}", shown(&entry.key)), book, make) {
            params.insert(entry.key.clone(), value);
        }
    }
    params
}

/// A word as it is, anything else in quotes: also what other readers would take for a number or a moment.
pub(super) fn quoted(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let is_other =
        matches!(text.to_ascii_lowercase().as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    if is_word && !is_other { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
