//! Building a [`Description`].

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use crate::{Description, Parameter, Severity, Unit};

impl Description {
    /// A rule's stable id (lower-case, dashes), its title, and its version: usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn new(id: &str, title: &str, version: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            version: version.to_owned(),
            severity: Severity::Warning,
            families: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Severity of a finding that is just past its threshold; `warning` unless said otherwise.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// A family that it cannot judge without (`sched`, `block`).
    #[must_use]
    pub fn needs(mut self, family: &str) -> Self {
        self.families.push(family.to_owned());
        self
    }

    /// A number that users may set.
    #[must_use]
    pub fn parameter(mut self, name: &str, unit: Unit, default: f64, description: &str) -> Self {
        self.parameters.push(Parameter { name: name.to_owned(), description: description.to_owned(), unit, default });
        self
    }
}
