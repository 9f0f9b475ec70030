//! The configuration: which file, what it says, and what is wrong with it, all of it, with lines.

mod command;
mod keys;
mod limits;
mod place;
mod rules;
mod show;
mod signatures;
mod slos;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Environment, Failure, window};
use crate::agent::Judging;
use crate::bundle::Policy;
use crate::engine::{self, Limits, Quantity};
use crate::findings::{Objective, Pattern};
use crate::yaml::{self, Book, Complaint, Entry, Node, Value, shown};
use keys::Use;
use place::Place;
use signatures::Trusted;

pub(super) use command::run;
pub(super) use place::{has_rules, usual_directory};

/// What a file says; every value with its line.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// `doctor.duration`.
    pub(super) duration: Option<(Duration, usize)>,
    /// `rules.dirs`.
    pub(super) dirs: Vec<(PathBuf, usize)>,
    /// By rule and parameter.
    parameters: BTreeMap<String, BTreeMap<String, Set>>,
    disabled: BTreeMap<String, usize>,
    /// Built-in rules whose place others may take.
    replaces: BTreeMap<String, usize>,
    require_signature: Option<(bool, usize)>,
    trusted_keys: Vec<Trusted>,
    /// What rules may use, and the lines that say so.
    pub(super) limits: Limits,
    limits_set: BTreeMap<&'static str, usize>,
    objectives: Vec<(Objective, usize)>,
    /// Ids, or patterns of them, that a rule of the users' own must have: id, line, key.
    ids: Vec<(String, usize, String)>,
}

/// A parameter that was set.
#[derive(Debug)]
struct Set {
    quantity: Quantity,
    line: usize,
    key: String,
}

/// A configuration and where it comes from.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// `None` when no file was read.
    place: Option<Place>,
    pub(super) settings: Settings,
    /// The usual directories of rules that have any.
    usual: Vec<PathBuf>,
}

impl Config {
    /// Reads the file that was named, else the usual one; nothing where there is none. Warnings are told. `own_rules`: directories with
    /// rules are given besides those of the file.
    pub(super) fn load(named: Option<&Path>, own_rules: bool, environment: &Environment) -> Result<Self, Failure> {
        let usual = place::rules(environment).into_iter().filter(|directory| has_rules(directory)).collect();
        Self::read(named, own_rules, environment, usual)
    }

    /// The same without any rules but those that it names: what lies on this machine has no say.
    pub(super) fn load_alone(named: Option<&Path>, own_rules: bool, environment: &Environment) -> Result<Self, Failure> {
        Self::read(named, own_rules, environment, Vec::new())
    }

    fn read(named: Option<&Path>, own_rules: bool, environment: &Environment, usual: Vec<PathBuf>) -> Result<Self, Failure> {
        let Some(place) = place::find(named, environment) else { return Ok(Self { usual, ..Self::default() }) };
        let own_rules = own_rules || !usual.is_empty();
        let text = place::read(&place)?;
        let mut book = Book::default();
        let beside = place.path.parent().unwrap_or(Path::new("")).to_owned();
        let settings = read(&text, &beside, own_rules, &mut book);
        let config = Self { place: Some(place), settings, usual };
        if !book.errors.is_empty() {
            return Err(config.refused(book.errors));
        }
        for warning in book.warnings {
            super::failure::warn(&config.told(warning).0);
        }
        Ok(config)
    }

    /// Directories of rules: those of `rules.dirs`, else the usual ones that have any.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let dirs: Vec<PathBuf> = self.settings.dirs.iter().map(|(path, _)| path.clone()).collect();
        if dirs.is_empty() { self.usual.clone() } else { dirs }
    }

    /// Forgets those of `rules.dirs` that cannot be read, and tells which and why.
    pub(super) fn leave_out_unreadable(&mut self) -> Vec<(PathBuf, std::io::Error)> {
        let why = |(path, _): &(PathBuf, usize)| Some((path.clone(), place::why_unreadable(path)?));
        let unreadable: Vec<_> = self.settings.dirs.iter().filter_map(why).collect();
        if !unreadable.is_empty() {
            // The usual ones are not used in their place.
            self.usual.clear();
            self.settings.dirs.retain(|(path, _)| unreadable.iter().all(|(gone, _)| gone != path));
        }
        unreadable
    }

    /// Where this configuration switches a rule off: file and line.
    pub(super) fn switches_off(&self, rule: &str) -> Option<String> {
        self.settings.disabled.get(rule).map(|line| self.at(*line))
    }

    /// What judges, with these directories of rules.
    pub(super) fn judging(&self, rules: Vec<PathBuf>) -> Judging {
        let values = |set: &BTreeMap<String, Set>| set.iter().map(|(name, set)| (name.clone(), set.quantity)).collect();
        let parameters = self.settings.parameters.iter().map(|(rule, set)| (rule.clone(), values(set)));
        Judging {
            rules,
            settings: engine::Settings {
                parameters: parameters.collect(),
                disabled: self.settings.disabled.keys().cloned().collect::<BTreeSet<_>>(),
                replaces: self.settings.replaces.keys().cloned().collect::<BTreeSet<_>>(),
                even_disabled: false,
            },
            limits: self.settings.limits.clone(),
            policy: self.policy(),
            objectives: self.settings.objectives.iter().map(|(objective, _)| objective.clone()).collect(),
        }
    }

    /// Whose rules may be used.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            require_signature: self.settings.require_signature.is_some_and(|(required, _)| required),
            trusted_keys: self.settings.trusted_keys.iter().map(|trusted| trusted.key.clone()).collect(),
        }
    }

    /// Where it asks for signatures, if it does: file and line.
    pub(super) fn asks_for_signatures(&self) -> Option<String> {
        self.settings.require_signature.filter(|(required, _)| *required).map(|(_, line)| self.at(line))
    }

    /// Complains of built-in rules whose place is for another one that is not there.
    pub(super) fn check_replaces(&self, own: &[&str], all_loaded: bool) -> Result<(), Failure> {
        let missing = self.settings.replaces.iter().filter(|(id, _)| all_loaded && !own.contains(&id.as_str()));
        let complaint = |(id, line): (&String, &usize)| {
            let what = format!("rules.replaces names {id}, and no rule of your own has that id: the built-in one is used");
            Complaint::new(*line, what, "install that rule, or remove its id there")
        };
        let all: Vec<Complaint> = missing.map(complaint).collect();
        if all.is_empty() { Ok(()) } else { Err(self.refused(all)) }
    }

    /// Complains of ids that none of the rules has, now that they are loaded. Where one did not load, its id is not known.
    pub(super) fn check_ids(&self, loaded: &[&str], all_loaded: bool) -> Result<(), Failure> {
        let mut book = Book::default();
        for (id, line, key) in self.settings.ids.iter().filter(|_| all_loaded) {
            let pattern = Pattern::new(id.as_str());
            if !loaded.iter().any(|loaded| pattern.matches(loaded)) {
                let what = format!("{key} names {}, which is the id of no rule", shown(id));
                book.unknown(*line, what, id, loaded.iter().copied());
            }
        }
        if book.errors.is_empty() { Ok(()) } else { Err(self.refused(book.errors)) }
    }

    /// A place in the file, for people.
    pub(super) fn at(&self, line: usize) -> String {
        self.place.as_ref().map_or_else(String::new, |place| format!("{}:{line}", place.path.display()))
    }

    fn refused(&self, errors: Vec<Complaint>) -> Failure {
        Failure::several(errors.into_iter().map(|error| self.told(error)).collect())
    }

    fn told(&self, complaint: Complaint) -> (String, String) {
        complaint.of_file(self.place.as_ref().map_or(Path::new(""), |place| &place.path))
    }
}

impl Settings {
    /// Sets a rule's parameter, once.
    fn set(&mut self, rule: &str, parameter: &str, quantity: Quantity, (line, key): (usize, &str), book: &mut Book) {
        let set = self.parameters.entry(rule.to_owned()).or_default();
        if let Some(first) = set.get(parameter) {
            let what = format!("{key} sets what {} in line {} sets: {parameter} of {rule}", first.key, first.line);
            book.error(line, what, "keep one of the two");
            return;
        }
        set.insert(parameter.to_owned(), Set { quantity, line, key: key.to_owned() });
    }
}

/// Reads a text; what is wrong with it is in the book.
fn read(text: &str, beside: &Path, own_rules: bool, book: &mut Book) -> Settings {
    let mut settings = Settings::default();
    let root = match yaml::parse(text, book) {
        Ok(root) => root,
        Err(complaint) => {
            book.errors.push(complaint);
            return settings;
        }
    };
    let top = entries(&root, "the configuration", book);
    let section = |key: &str| top.iter().find(|entry| entry.key == key);
    for entry in top {
        match keys::TOP.iter().find(|(key, _)| *key == entry.key) {
            Some((_, Use::Read)) => {}
            Some((key, Use::Unused(below))) => unused(key, below, entry, book),
            None => known("", entry, keys::TOP.iter().map(|(key, _)| *key), book),
        }
    }
    for entry in section("doctor").map(|section| entries(&section.value, "doctor", book)).unwrap_or_default() {
        match entry.key.as_str() {
            "duration" => settings.duration = duration(entry, book),
            "thresholds" => rules::thresholds(&entry.value, &mut settings, book),
            _ => known("doctor.", entry, keys::DOCTOR, book),
        }
    }
    let of_rules = section("rules").map(|section| entries(&section.value, "rules", book)).unwrap_or_default();
    if let Some(entry) = of_rules.iter().find(|entry| entry.key == "dirs") {
        settings.dirs = rules::dirs(&entry.value, beside, book);
    }
    if let Some(entry) = of_rules.iter().find(|entry| entry.key == "replaces") {
        rules::replaces(&entry.value, &mut settings, book);
    }
    let own_rules = own_rules || !settings.dirs.is_empty();
    for entry in of_rules {
        match entry.key.as_str() {
            "dirs" | "replaces" => {}
            "params" => rules::params(&entry.value, own_rules, &mut settings, book),
            "disabled" => rules::disabled(&entry.value, own_rules, &mut settings, book),
            "limits" => limits::limits(&entry.value, &mut settings, book),
            "require_signature" => signatures::require(entry, &mut settings, book),
            "trusted_keys" => signatures::trusted(&entry.value, beside, &mut settings, book),
            _ => known("rules.", entry, keys::RULES, book),
        }
    }
    signatures::check(&settings, book);
    if let Some(entry) = section("slos") {
        slos::slos(&entry.value, own_rules, &mut settings, book);
    }
    book.errors.sort_by_key(|error| error.line);
    book.warnings.sort_by_key(|warning| warning.line);
    settings
}

/// A section without use is told once; what stands in it must be known all the same.
fn unused(key: &str, below: &[&str], entry: &Entry, book: &mut Book) {
    book.unused(entry.line, key);
    if let Value::Map(entries) = &entry.value.value {
        for entry in entries.iter().filter(|entry| !below.is_empty() && !below.contains(&entry.key.as_str())) {
            known(&format!("{key}."), entry, below.iter().copied(), book);
        }
    }
}

fn duration(entry: &Entry, book: &mut Book) -> Option<(Duration, usize)> {
    match window::read(entry.value.text().unwrap_or_default(), "doctor.duration: ") {
        Ok(duration) => Some((duration, entry.line)),
        Err((what, help)) => {
            book.error(entry.value.line, what, help);
            None
        }
    }
}

/// Complains of a key that is none of those.
fn known<'a>(section: &str, entry: &Entry, known: impl IntoIterator<Item = &'a str>, book: &mut Book) {
    book.unknown(entry.line, format!("{section}{} is no key of the configuration", shown(&entry.key)), &entry.key, known);
}

/// The keys of a mapping; none of nothing, and of anything else with a complaint.
fn entries<'n>(node: &'n Node, what: &str, book: &mut Book) -> &'n [Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        Value::Null => &[],
        Value::Scalar(_) | Value::List(_) => {
            book.error(node.line, format!("{what} is no mapping"), "write `key: value`, one a line, indented alike");
            &[]
        }
    }
}

/// The texts of a list, and their lines.
fn texts<'n>(node: &'n Node, key: &str, book: &mut Book) -> Vec<(&'n str, usize)> {
    let items = match &node.value {
        Value::Null => return Vec::new(),
        Value::List(items) => items,
        Value::Scalar(_) | Value::Map(_) => {
            book.error(node.line, format!("{key} is no list"), format!("write {key} as [one, another]"));
            return Vec::new();
        }
    };
    let mut texts = Vec::new();
    for item in items {
        match item.text() {
            Some(text) => texts.push((text, item.line)),
            None => book.error(item.line, format!("{key} holds what is no text"), "write one name an entry"),
        }
    }
    texts
}

#[cfg(test)]
mod tests;
