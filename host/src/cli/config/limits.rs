//! `rules.limits`: what rules may use.

use std::time::Duration;

use super::{Settings, entries, known};
use crate::engine::{Limits, Quantity, Unit, quantity};
use crate::yaml::{Book, Node, shown};

/// A limit, what it may be, and where it goes.
pub(super) struct Limit {
    pub(super) key: &'static str,
    pub(super) unit: Unit,
    least: f64,
    most: f64,
    pub(super) get: fn(&Limits) -> f64,
    set: fn(&mut Limits, f64),
}

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// All of them. A component that carries an engine of its own has 8 MiB and more.
pub(super) const LIMITS: [Limit; 7] = [
    Limit {
        key: "deadline",
        unit: Unit::Seconds,
        least: 0.01,
        most: 60.0,
        get: |limits| limits.deadline.as_secs_f64(),
        set: |limits, value| limits.deadline = Duration::from_secs_f64(value),
    },
    Limit {
        key: "memory",
        unit: Unit::Bytes,
        least: MIB,
        most: 1024.0 * MIB,
        get: |limits| limits.memory as f64,
        set: |limits, value| limits.memory = value as usize,
    },
    Limit {
        key: "result",
        unit: Unit::Bytes,
        least: 64.0 * KIB,
        most: 16.0 * MIB,
        get: |limits| limits.result as f64,
        set: |limits, value| limits.result = value as usize,
    },
    Limit {
        key: "findings",
        unit: Unit::Count,
        least: 1.0,
        most: 1024.0,
        get: |limits| limits.findings as f64,
        set: |limits, value| limits.findings = value as usize,
    },
    Limit {
        key: "module",
        unit: Unit::Bytes,
        least: 64.0 * KIB,
        most: 64.0 * MIB,
        get: |limits| limits.module as f64,
        set: |limits, value| limits.module = value as u64,
    },
    Limit {
        key: "compile",
        unit: Unit::Seconds,
        least: 0.1,
        most: 600.0,
        get: |limits| limits.compile.as_secs_f64(),
        set: |limits, value| limits.compile = Duration::from_secs_f64(value),
    },
    Limit {
        key: "text",
        unit: Unit::Bytes,
        least: 256.0,
        most: 64.0 * KIB,
        get: |limits| limits.text as f64,
        set: |limits, value| limits.text = value as usize,
    },
];

impl Limit {
    /// A value as people write it.
    pub(super) fn write(&self, value: f64) -> String {
        quantity::write(value, self.unit)
    }
}

/// `rules.limits`.
pub(super) fn limits(node: &Node, settings: &mut Settings, book: &mut Book) {
    for entry in entries(node, "rules.limits", book) {
        let Some(limit) = LIMITS.iter().find(|limit| limit.key == entry.key) else {
            known("rules.limits.", entry, LIMITS.iter().map(|limit| limit.key), book);
            continue;
        };
        let read = entry.value.text().and_then(quantity::read).unwrap_or(Quantity { value: f64::NAN, unit: None });
        let is_whole = |value: &f64| limit.unit != Unit::Count || value.fract() == 0.0;
        let range = || format!("write one from {} to {}", limit.write(limit.least), limit.write(limit.most));
        let value = match read.in_unit(limit.unit) {
            Ok(value) if (limit.least..=limit.most).contains(&value) && is_whole(&value) => Ok(value),
            Ok(_) => Err(range()),
            Err(how) => Err(format!("{how}; {}", range())),
        };
        match value {
            Ok(value) => {
                (limit.set)(&mut settings.limits, value);
                settings.limits_set.insert(limit.key, entry.line);
            }
            Err(help) => {
                let written = entry.value.text().map_or_else(|| "no single value".to_owned(), shown);
                book.error(entry.value.line, format!("rules.limits.{} cannot be {written}", limit.key), help);
            }
        }
    }
}
