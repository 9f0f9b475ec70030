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

    /// `max_lost`, for rules that judge nothing when too many events were lost.
    #[must_use]
    pub fn max_lost(self) -> Self {
        self.parameter("max_lost", Unit::Ratio, 0.05, "share of lost events above which nothing is judged")
    }

    /// `delayed_ack`, for rules that judge smoothed round trips.
    #[must_use]
    pub fn delayed_ack(self) -> Self {
        self.parameter(
            "delayed_ack",
            Unit::Seconds,
            0.100,
            "what delayed acknowledgements and the other side's own time may add to round trips over a short path",
        )
    }

    /// A number that users may set.
    #[must_use]
    pub fn parameter(mut self, name: &str, unit: Unit, default: f64, description: &str) -> Self {
        self.parameters.push(Parameter { name: name.to_owned(), description: description.to_owned(), unit, default });
        self
    }
}
