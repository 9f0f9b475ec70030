//! `slos`: named objectives and the findings that burn them.

use std::collections::BTreeMap;

use super::{Settings, entries, keys, known, rules};
use crate::findings::{ENTITY_NAMES, Objective, Pattern, Selector};
use crate::yaml::{Book, Entry, Node, Value, shown};

/// Names that findings will have; none of this version has them.
const LATER: [&str; 3] = ["namespace", "pod", "interface"];

/// Longest name and text, characters.
const LONGEST: usize = 200;

/// The whole list.
pub(super) fn slos(node: &Node, own_rules: bool, settings: &mut Settings, book: &mut Book) {
    let items = match &node.value {
        Value::Null => return,
        Value::List(items) => items,
        Value::Scalar(_) | Value::Map(_) => {
            book.error(node.line, "slos is no list", "begin every entry with `- name: `");
            return;
        }
    };
    for item in items {
        let Some(objective) = objective(item, own_rules, settings, book) else { continue };
        if let Some((first, line)) = settings.objectives.iter().find(|(other, _)| other.name == objective.name) {
            let what = format!("slos has two entries that are called {}, the first in line {line}", shown(&first.name));
            book.error(item.line, what, "give one of them another name");
            continue;
        }
        settings.objectives.push((objective, item.line));
    }
}

fn objective(item: &Node, own_rules: bool, settings: &mut Settings, book: &mut Book) -> Option<Objective> {
    let (mut name, mut text, mut selector) = (None, String::new(), None);
    let before = book.errors.len();
    for entry in entries(item, "an entry of slos", book) {
        match entry.key.as_str() {
            "name" => name = words(entry, book),
            "text" => text = words(entry, book).unwrap_or_default(),
            "selector" => selector = self::selector(entry, own_rules, settings, book),
            _ => known("slos[].", entry, keys::SLO, book),
        }
    }
    if book.errors.len() > before {
        return None;
    }
    match (name, selector) {
        (Some(name), Some(selector)) => Some(Objective { name, text, selector }),
        (None, _) => {
            book.error(item.line, "an entry of slos has no name", "give it one: name: checkout latency");
            None
        }
        (_, None) => {
            book.error(item.line, "an entry of slos has no selector", "tell which findings burn it: selector: {mount: /data}");
            None
        }
    }
}

/// A name or a text: something, and not too much.
fn words(entry: &Entry, book: &mut Book) -> Option<String> {
    let key = format!("slos[].{}", entry.key);
    match entry.value.text().map(str::trim) {
        Some(text) if text.chars().count() > LONGEST => {
            book.error(entry.value.line, format!("{key} has more than {LONGEST} characters"), "shorten it");
            None
        }
        Some(text) if !text.is_empty() => Some(text.to_owned()),
        _ => {
            book.error(entry.value.line, format!("{key} is no text"), "write some, or remove the key");
            None
        }
    }
}

fn selector(entry: &Entry, own_rules: bool, settings: &mut Settings, book: &mut Book) -> Option<Selector> {
    let parts = entries(&entry.value, "slos[].selector", book);
    if parts.is_empty() {
        book.error(entry.line, "slos[].selector is empty: every finding would burn it", "name a rule or what findings are about");
        return None;
    }
    let mut selector = Selector { rule: None, names: BTreeMap::new() };
    for part in parts {
        let Some(text) = part.value.text().filter(|text| !text.is_empty()) else {
            let what = format!("slos[].selector.{} is no text", shown(&part.key));
            book.error(part.value.line, what, "write a name, in which * stands for any characters");
            continue;
        };
        if part.key == "rule" {
            selector.rule = rule(text, part, own_rules, settings, book);
        } else {
            selector.names.insert(part.key.clone(), Pattern::new(text));
        }
    }
    // What a rule of one's own calls things is its own affair.
    let is_built_in = |rule: &Pattern| rules::ids().any(|id| rule.matches(id));
    let is_open = own_rules && selector.rule.as_ref().is_some_and(|rule| !is_built_in(rule));
    for part in parts.iter().filter(|part| part.key != "rule" && !is_open) {
        name(part, book);
    }
    Some(selector)
}

fn rule(text: &str, part: &Entry, own_rules: bool, settings: &mut Settings, book: &mut Book) -> Option<Pattern> {
    let pattern = Pattern::new(text);
    if !rules::ids().any(|id| pattern.matches(id)) {
        if !own_rules {
            let what = format!("slos[].selector.rule is {}, which is the id of no rule", shown(text));
            book.unknown(part.value.line, what, text, rules::ids());
            return None;
        }
        settings.ids.push((text.to_owned(), part.value.line, "slos[].selector.rule".to_owned()));
    }
    Some(pattern)
}

/// A key of a selector must be one that findings name what they are about by.
fn name(part: &Entry, book: &mut Book) {
    let key = part.key.as_str();
    if ENTITY_NAMES.contains(&key) {
        return;
    }
    if LATER.contains(&key) {
        book.unused(part.line, &format!("slos[].selector.{key}"));
        return;
    }
    let what = format!("slos[].selector.{} is nothing that a finding is about", shown(key));
    if key == "process" {
        book.error(part.line, what, "did you mean comm, a process's name, or pid?");
    } else {
        book.unknown(part.line, what, key, ["rule"].into_iter().chain(ENTITY_NAMES).chain(LATER));
    }
}
