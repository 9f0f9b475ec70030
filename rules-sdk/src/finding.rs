//! Building a [`Finding`].

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Coverage, Entity, Evidence, Finding, Fix, Severity, Signal, Unit, Urgency};

impl Unit {
    /// As findings spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Ratio => "ratio",
            Self::Bytes => "bytes",
            Self::Count => "count",
        }
    }
}

impl Signal {
    /// A measured value and the threshold that it crossed.
    #[must_use]
    pub fn new(name: &str, value: f64, threshold: f64, unit: Unit) -> Self {
        Self { name: name.to_owned(), value, threshold, unit: unit.name().to_owned() }
    }
}

impl Finding {
    /// One fault: how bad, one line, what it is about, what crossed its threshold.
    #[must_use]
    pub fn new(severity: Severity, title: String, entity: Entity, signal: Signal) -> Self {
        Self {
            severity,
            title,
            entity,
            signal,
            cause: String::new(),
            impact: String::new(),
            evidence: Vec::new(),
            fixes: Vec::new(),
            eta_seconds: None,
            confidence: 0.9,
        }
    }

    /// Why this happens: one or two sentences.
    #[must_use]
    pub fn cause(mut self, cause: String) -> Self {
        self.cause = cause;
        self
    }

    /// What users of the host feel: one or two sentences.
    #[must_use]
    pub fn impact(mut self, impact: String) -> Self {
        self.impact = impact;
        self
    }

    /// A number that supports it.
    #[must_use]
    pub fn evidence(mut self, key: &str, value: f64, unit: Unit) -> Self {
        self.evidence.push(Evidence { key: key.to_owned(), value, unit: unit.name().to_owned() });
        self
    }

    /// A thing to do: a short title, and a command to paste with real names filled in.
    #[must_use]
    pub fn fix(mut self, when: Urgency, title: &str, command: &str) -> Self {
        self.fixes.push(Fix { when, title: title.to_owned(), command: command.to_owned() });
        self
    }

    /// Weight of the measurement, 0–1; see [`confidence`].
    #[must_use]
    pub fn confidence(mut self, confidence: f64) -> Self {
        self.confidence = confidence;
        self
    }
}

/// Weight of a measurement from its sample size and its coverage.
#[must_use]
pub fn confidence(samples: u64, coverage: Coverage) -> f64 {
    let by_samples = match samples {
        1_000.. => 0.95,
        100.. => 0.9,
        20.. => 0.75,
        _ => 0.6,
    };
    match coverage {
        Coverage::Full => by_samples,
        Coverage::Partial => by_samples * 0.8,
        Coverage::Fallback => by_samples * 0.5,
    }
}
