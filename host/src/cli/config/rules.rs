//! `rules` and `doctor.thresholds`: what is set of rules.

use std::path::{Path, PathBuf};

use super::{Settings, entries, known, texts};
use crate::engine::{BUILT_IN_PARAMETERS, Quantity, Unit, quantity};
use crate::yaml::{Book, Entry, Node, Value, shown};

/// What the older keys of `doctor.thresholds` are measured in.
#[derive(Clone, Copy)]
enum Older {
    Nanoseconds,
    Percent,
    Number,
}

/// A rule's parameter: the rule's id, and the parameter's name.
type Target = (&'static str, &'static str);

/// Older keys, and the parameters that they set.
const THRESHOLDS: [(&str, Older, &[Target]); 9] = [
    ("syscall_p99_warning_ns", Older::Nanoseconds, &[("syscall-latency", "p99_warning")]),
    ("syscall_p99_critical_ns", Older::Nanoseconds, &[("syscall-latency", "p99_critical")]),
    ("tcp_retransmit_pct", Older::Percent, &[("tcp-retransmit-storm", "retransmit_ratio")]),
    ("oom_memory_pct", Older::Percent, &[("oom-imminent", "use_warning")]),
    ("disk_p99_warning_ns", Older::Nanoseconds, &[("disk-io-bottleneck", "fsync_p99_warning")]),
    (
        "disk_p99_critical_ns",
        Older::Nanoseconds,
        &[("disk-io-bottleneck", "fsync_p99_critical"), ("disk-io-bottleneck", "write_p99_critical")],
    ),
    ("sched_delay_warning_ns", Older::Nanoseconds, &[("scheduler-contention", "p99_warning")]),
    ("sched_delay_critical_ns", Older::Nanoseconds, &[("scheduler-contention", "p99_critical")]),
    ("fd_growth_per_sec", Older::Number, &[("fd-leak", "growth_warning")]),
];

/// Ids of the rules that ship.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    BUILT_IN_PARAMETERS.iter().map(|(id, _)| *id)
}

/// `doctor.thresholds`.
pub(super) fn thresholds(node: &Node, settings: &mut Settings, book: &mut Book) {
    for entry in entries(node, "doctor.thresholds", book) {
        let Some((key, unit, targets)) = THRESHOLDS.iter().find(|(key, ..)| *key == entry.key) else {
            known("doctor.thresholds.", entry, THRESHOLDS.iter().map(|(key, ..)| *key), book);
            continue;
        };
        let key = format!("doctor.thresholds.{key}");
        let number = entry.value.text().and_then(quantity::number);
        let quantity = match (unit, number) {
            (Older::Nanoseconds, Some(value)) => Quantity { value: value / 1e9, unit: Some(Unit::Seconds) },
            (Older::Percent, Some(value)) => Quantity { value: value / 100.0, unit: Some(Unit::Ratio) },
            (Older::Number, Some(value)) => Quantity { value, unit: None },
            (unit, None) => {
                let (what, as_in) = match unit {
                    Older::Nanoseconds => ("number of nanoseconds", "50000000"),
                    Older::Percent => ("number of percent", "2.0"),
                    Older::Number => ("number", "10"),
                };
                let line = entry.value.line;
                book.error(line, format!("{key} is no {what}"), format!("write {key}: {as_in}, or set the rule's own parameter"));
                continue;
            }
        };
        for (rule, parameter) in *targets {
            settings.set(rule, parameter, quantity, (entry.line, &key), book);
        }
    }
}

/// `rules.dirs`: a relative one lies beside the configuration.
pub(super) fn dirs(node: &Node, beside: &Path, book: &mut Book) -> Vec<(PathBuf, usize)> {
    let mut dirs = Vec::new();
    for (text, line) in texts(node, "rules.dirs", book) {
        if text.is_empty() {
            book.error(line, "rules.dirs names no directory", "remove the empty entry");
        } else {
            dirs.push((beside.join(text), line));
        }
    }
    dirs
}

/// `rules.params`.
pub(super) fn params(node: &Node, own_rules: bool, settings: &mut Settings, book: &mut Book) {
    for rule in entries(node, "rules.params", book) {
        // What is in the place of a built-in rule may have other parameters.
        let is_replaced = settings.replaces.contains_key(&rule.key);
        let built_in = BUILT_IN_PARAMETERS.iter().find(|(id, _)| *id == rule.key && !is_replaced);
        let built_in = built_in.map(|(_, parameters)| *parameters);
        let path = format!("rules.params.{}", shown(&rule.key));
        if built_in.is_none() && !own_rules && !is_replaced {
            book.unknown(rule.line, format!("{path} is the id of no rule"), &rule.key, ids());
            continue;
        }
        if built_in.is_none() {
            settings.ids.push((rule.key.clone(), rule.line, path.clone()));
        }
        for entry in entries(&rule.value, &path, book) {
            if let Some(quantity) = value(entry, &path, built_in, book) {
                let key = format!("{path}.{}", shown(&entry.key));
                settings.set(&rule.key, &entry.key, quantity, (entry.line, &key), book);
            }
        }
    }
}

/// A parameter's value. Of what users' rules measure theirs in, nothing is known before they are loaded.
fn value(entry: &Entry, path: &str, built_in: Option<&[(&str, Unit)]>, book: &mut Book) -> Option<Quantity> {
    let unit = built_in.map(|parameters| parameters.iter().find(|(name, _)| *name == entry.key).map(|(_, unit)| *unit));
    if let (Some(None), Some(parameters)) = (unit, built_in) {
        let what = format!("{path}.{} is no parameter of that rule", shown(&entry.key));
        book.unknown(entry.line, what, &entry.key, parameters.iter().map(|(name, _)| *name));
        return None;
    }
    let written = match &entry.value.value {
        Value::Scalar(text) => shown(text),
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    };
    let read = entry.value.text().and_then(quantity::read);
    let how = match (read, unit.flatten()) {
        (Some(quantity), None) => return Some(quantity),
        (Some(quantity), Some(unit)) => match quantity.in_unit(unit) {
            Ok(_) => return Some(quantity),
            Err(how) => how,
        },
        (None, Some(unit)) => Quantity { value: f64::NAN, unit: None }.in_unit(unit).err().unwrap_or_default(),
        (None, None) => "a value is written as 50ms, 2%, 512MiB or 20",
    };
    book.error(entry.value.line, format!("{path}.{} cannot be {written}", shown(&entry.key)), how);
    None
}

/// `rules.disabled`.
pub(super) fn disabled(node: &Node, own_rules: bool, settings: &mut Settings, book: &mut Book) {
    for (id, line) in texts(node, "rules.disabled", book) {
        if !ids().any(|built_in| built_in == id) {
            if !own_rules {
                book.unknown(line, format!("rules.disabled names {}, which is the id of no rule", shown(id)), id, ids());
                continue;
            }
            settings.ids.push((id.to_owned(), line, "rules.disabled".to_owned()));
        }
        settings.disabled.entry(id.to_owned()).or_insert(line);
    }
}

/// `rules.replaces`: built-in rules whose place one of the users' own may take.
pub(super) fn replaces(node: &Node, settings: &mut Settings, book: &mut Book) {
    for (id, line) in texts(node, "rules.replaces", book) {
        if ids().any(|built_in| built_in == id) {
            settings.replaces.entry(id.to_owned()).or_insert(line);
        } else {
            book.unknown(line, format!("rules.replaces names {}, which is no built-in rule", shown(id)), id, ids());
        }
    }
}
