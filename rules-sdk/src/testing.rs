//! Runs a rule natively against a recorded window, and says what it must answer.
//!
//! ```no_run
//! # use kerno_rules_sdk::{prelude::*, testing::Window};
//! # fn test<MyRule: Rule>(json: &str) {
//! Window::from_json(json).parameter("budget", 0.002).judge::<MyRule>().fires(Severity::Warning).mentions("nginx.service");
//! # }
//! ```
#![expect(clippy::panic, reason = "a failed expectation ends the test")]

use std::collections::BTreeMap;
use std::path::Path;

pub use kerno_signals as snapshot;
use kerno_signals::Snapshot;

use crate::signals::Source;
use crate::{Finding, Rule, Severity, Signals, Verdict};

/// A recorded window and the parameters to judge it with.
#[derive(Clone, Debug)]
pub struct Window {
    snapshot: Snapshot,
    parameters: BTreeMap<String, f64>,
}

impl Window {
    /// From the JSON of a snapshot.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn from_json(json: &str) -> Self {
        match serde_json::from_str(json) {
            Ok(snapshot) => Self::of(snapshot),
            Err(error) => panic!("not a snapshot: {error}"),
        }
    }

    /// From a file.
    ///
    /// # Panics
    /// When it cannot be read, or is no snapshot.
    #[must_use]
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(json) => Self::from_json(&json),
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }

    /// From a snapshot made in the test.
    #[must_use]
    pub fn of(snapshot: Snapshot) -> Self {
        Self { snapshot, parameters: BTreeMap::new() }
    }

    /// The snapshot, to change it.
    pub fn snapshot(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }

    /// Sets a parameter; the others keep their defaults.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: f64) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// Evaluates a rule as kerno does: not at all when a family that it needs is missing.
    ///
    /// # Panics
    /// When a parameter was set that the rule does not declare.
    #[must_use]
    pub fn judge<R: Rule>(&self) -> Outcome {
        let description = R::describe();
        let mut parameters: BTreeMap<_, _> =
            description.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.default)).collect();
        for (name, value) in &self.parameters {
            if parameters.insert(name.clone(), *value).is_none() {
                panic!("{} declares no parameter `{name}`", description.id);
            }
        }
        let signals = Signals(Source { snapshot: self.snapshot.clone(), parameters });
        for family in &description.families {
            if signals.family(family).is_none() {
                return Outcome(Ok(Verdict::NotEvaluated(format!("{family} was not measured"))));
            }
        }
        let outcome = Outcome(R::evaluate(&signals));
        if let Some(words) = several_of_one(&outcome.text()) {
            panic!("`{words}`: {outcome:#?}");
        }
        outcome
    }
}

/// What a rule answered.
#[derive(Clone, Debug)]
pub struct Outcome(pub Result<Verdict, String>);

impl Outcome {
    /// It fired, and its worst finding has this severity.
    ///
    /// # Panics
    /// When not.
    pub fn fires(&self, severity: Severity) -> &Self {
        match self.findings().iter().map(|finding| finding.severity).max() {
            Some(worst) if worst == severity => self,
            _ => panic!("expected a finding, worst {severity:?}; got {self:#?}"),
        }
    }

    /// It fired with exactly one finding, which is returned.
    ///
    /// # Panics
    /// When not.
    #[must_use]
    pub fn only_finding(&self) -> &Finding {
        match self.findings() {
            [finding] => finding,
            _ => panic!("expected exactly one finding; got {self:#?}"),
        }
    }

    /// It is quiet.
    ///
    /// # Panics
    /// When not.
    pub fn is_quiet(&self) -> &Self {
        match &self.0 {
            Ok(Verdict::Quiet(_)) => self,
            _ => panic!("expected quiet; got {self:#?}"),
        }
    }

    /// It could not judge.
    ///
    /// # Panics
    /// When it did.
    pub fn is_not_evaluated(&self) -> &Self {
        match &self.0 {
            Ok(Verdict::NotEvaluated(_)) => self,
            _ => panic!("expected not evaluated; got {self:#?}"),
        }
    }

    /// A text stands somewhere in its findings or its reason.
    ///
    /// # Panics
    /// When not.
    pub fn mentions(&self, text: &str) -> &Self {
        if !self.text().contains(text) {
            panic!("expected `{text}` in {self:#?}");
        }
        self
    }

    /// A text stands nowhere in its findings or its reason.
    ///
    /// # Panics
    /// When it does.
    pub fn does_not_mention(&self, text: &str) -> &Self {
        if self.text().contains(text) {
            panic!("did not expect `{text}` in {self:#?}");
        }
        self
    }

    /// What it found; nothing unless it fired.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match &self.0 {
            Ok(Verdict::Fired(findings)) => findings,
            _ => &[],
        }
    }

    /// All its words.
    fn text(&self) -> String {
        match &self.0 {
            Ok(Verdict::Quiet(reason) | Verdict::NotEvaluated(reason)) | Err(reason) => reason.clone(),
            Ok(Verdict::Fired(findings)) => serde_json::to_string(findings).unwrap_or_default(),
        }
    }
}

/// Whether one of something is spoken of as several: `1 connects`. Units are two letters at most.
fn several_of_one(text: &str) -> Option<String> {
    let mut words = text.split([' ', '"']).peekable();
    while let Some(word) = words.next() {
        let noun = words.peek().map_or("", |next| next.trim_end_matches(|last: char| !last.is_alphabetic()));
        let is_plural = noun.len() > 3 && noun.ends_with('s') && !noun.ends_with("ss") && !noun.contains('/');
        if word.trim_start_matches('(') == "1" && is_plural {
            return Some(format!("1 {noun}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::several_of_one;

    #[test]
    fn one_is_not_several() {
        assert_eq!(several_of_one("of 1 connects, 5 needed").as_deref(), Some("1 connects"));
        assert_eq!(several_of_one("(1 times) and so on").as_deref(), Some("1 times"));
        for text in ["1 connect", "1 MiB/s", "11 connects", "1 s, 1 ms and 1 µs", "1 was lost", "5.1 calls", "1 process", "of 1"]
        {
            assert_eq!(several_of_one(text), None, "{text}");
        }
    }
}
