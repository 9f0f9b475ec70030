//! What users may set of rules: parameters, checked against what a rule says of itself, and whether a rule is used at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::OfBundle;
use super::bindings::exports::kerno::rules::guest as wit;

mod built_in;
pub mod quantity;

pub use built_in::BUILT_IN_PARAMETERS;

/// What a parameter's value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A duration.
    Seconds,
    /// A share: 1 is all.
    Ratio,
    /// A size.
    Bytes,
    /// A plain number.
    Count,
}

/// A value as users write it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// In the unit's base.
    pub value: f64,
    /// `None` for a number without a unit.
    pub unit: Option<Unit>,
}

/// What was set of rules, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Values of parameters by their names.
    pub parameters: BTreeMap<String, BTreeMap<String, Quantity>>,
    /// Rules that are not used.
    pub disabled: BTreeSet<String>,
    /// Built-in rules whose place a rule of the users' own may take.
    pub replaces: BTreeSet<String>,
    /// Whether what is switched off, here or in a directory of rules, is loaded all the same: to be looked at.
    pub even_disabled: bool,
}

/// A parameter of a rule and the value in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it is measured in.
    pub unit: Unit,
    /// In force.
    pub value: f64,
}

impl Quantity {
    /// The value for a parameter of this unit.
    ///
    /// # Errors
    /// How such a value is written.
    pub fn in_unit(self, unit: Unit) -> Result<f64, &'static str> {
        let Self { value, unit: written } = self;
        let fits = match (unit, written) {
            (Unit::Seconds | Unit::Bytes, None) => value == 0.0,
            // 2 may be meant as 2 % or as twice as much.
            (Unit::Ratio, None) => value < 1.0,
            (Unit::Count, None) => true,
            (unit, Some(written)) => unit == written,
        };
        if fits && value.is_finite() && value >= 0.0 {
            return Ok(value);
        }
        Err(match unit {
            Unit::Seconds => "a duration is written with its unit, as 50ms",
            Unit::Ratio => "a share is written as 2% or as 0.02",
            Unit::Bytes => "a size is written with its unit, as 512MiB",
            Unit::Count => "a plain number is written without a unit, as 20",
        })
    }
}

/// The one of `words` that is most like `word`, when it can have been meant.
#[must_use]
pub fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// From this on they begin alike and differ little.
    const ALIKE: f64 = 0.8;
    /// What is much longer than any name is none that was mistyped.
    const LONGEST: usize = 100;
    let likeness = |other: &&str| strsim::jaro_winkler(word, other);
    let words = words.into_iter().filter(|_| word.len() <= LONGEST);
    words.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|best| likeness(best) >= ALIKE)
}

impl Settings {
    /// The same without what is set of a built-in rule and does not fit it.
    pub(super) fn fitting(&self, id: &str) -> Self {
        let mut settings = self.clone();
        let known = BUILT_IN_PARAMETERS.iter().find(|(built_in, _)| *built_in == id).map_or(&[][..], |(_, known)| known);
        if let Some(set) = settings.parameters.get_mut(id) {
            set.retain(|name, quantity| known.iter().any(|(other, unit)| other == name && quantity.in_unit(*unit).is_ok()));
        }
        settings
    }
}

/// What sets a rule's parameters, by name; of two the first one counts.
pub(super) struct Given<'a>(pub(super) [(&'static str, &'a BTreeMap<String, Quantity>); 2]);

impl<'a> Given<'a> {
    /// The configuration, and the rule's bundle.
    pub(super) fn to(id: &str, settings: &'a Settings, bundle: Option<&'a OfBundle>) -> Self {
        static NOTHING: BTreeMap<String, Quantity> = BTreeMap::new();
        let of_bundle = bundle.map_or(&NOTHING, |bundle| &bundle.parameters);
        Self([("the configuration", settings.parameters.get(id).unwrap_or(&NOTHING)), ("its bundle", of_bundle)])
    }

    fn get(&self, name: &str) -> Option<(&'static str, Quantity)> {
        self.0.iter().find_map(|(by, set)| set.get(name).map(|quantity| (*by, *quantity)))
    }

    /// Who of them put two values in the wrong order.
    fn who(&self) -> &'static str {
        if self.0[1].1.is_empty() { self.0[0].0 } else { "its bundle or the configuration" }
    }
}

/// A rule's parameters with the values that were set, or what is wrong with those.
pub(super) fn in_force(declared: Vec<wit::Parameter>, given: &Given<'_>) -> Result<Vec<Parameter>, String> {
    let is_declared = |name: &str| declared.iter().any(|parameter| parameter.name == name);
    for (by, set) in given.0 {
        if let Some(unknown) = set.keys().find(|name| !is_declared(name)) {
            let help = match nearest(unknown, declared.iter().map(|parameter| parameter.name.as_str())) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("remove it from {}", by.strip_prefix("its ").unwrap_or(by)),
            };
            return Err(format!("{by} sets its parameter `{unknown}`, which it does not have: {help}"));
        }
    }
    let mut all = Vec::with_capacity(declared.len());
    let mut defaults = BTreeMap::new();
    for wit::Parameter { name, description, unit, default } in declared {
        let unit = Unit::from(unit);
        let set = given.get(&name);
        let by = set.map_or("", |(by, _)| by);
        let told = |what: &str| format!("{by} sets its parameter `{name}` {what}");
        let value = match set {
            None => default,
            Some((_, quantity)) => quantity.in_unit(unit).map_err(|how| told(&format!("to a value of another unit: {how}")))?,
        };
        if unit == Unit::Ratio && default <= 1.0 && value > 1.0 {
            return Err(told(&format!("to {:.0}%, but a share is never above 100%: write a smaller one", value * 100.0)));
        }
        defaults.insert(name.clone(), default);
        all.push(Parameter { name, description, unit, value });
    }
    crossed(&all, &defaults, given.who())?;
    Ok(all)
}

/// Refuses a threshold for a warning that is on the other side of the one that is critical, which would never warn.
fn crossed(all: &[Parameter], defaults: &BTreeMap<String, f64>, who: &str) -> Result<(), String> {
    for Parameter { name, value: warning, .. } in all {
        let critical = name.strip_suffix("_warning").map(|stem| format!("{stem}_critical"));
        let Some(critical) = critical.and_then(|other| all.iter().find(|parameter| parameter.name == other)) else { continue };
        let (Some(of_warning), Some(of_critical)) = (defaults.get(name), defaults.get(&critical.name)) else { continue };
        if warning.total_cmp(&critical.value) == of_critical.total_cmp(of_warning) && of_critical != of_warning {
            return Err(format!(
                "{who} puts its parameters `{name}` and `{}` in the wrong order: it would never warn; exchange them",
                critical.name
            ));
        }
    }
    Ok(())
}

impl From<wit::Unit> for Unit {
    fn from(unit: wit::Unit) -> Self {
        match unit {
            wit::Unit::Seconds => Self::Seconds,
            wit::Unit::Ratio => Self::Ratio,
            wit::Unit::Bytes => Self::Bytes,
            wit::Unit::Count => Self::Count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Vec<wit::Parameter> {
        let parameter =
            |name: &str, unit, default| wit::Parameter { name: name.into(), description: String::new(), unit, default };
        vec![parameter("p99_warning", wit::Unit::Seconds, 0.1), parameter("min_calls", wit::Unit::Count, 20.0)]
    }

    fn set(name: &str, value: f64, unit: Option<Unit>) -> Settings {
        let parameters = BTreeMap::from([(name.to_owned(), Quantity { value, unit })]);
        Settings { parameters: BTreeMap::from([("calls".to_owned(), parameters)]), ..Settings::default() }
    }

    fn values(id: &str, settings: &Settings) -> Result<Vec<f64>, String> {
        in_force(declared(), &Given::to(id, settings, None)).map(|all| all.into_iter().map(|parameter| parameter.value).collect())
    }

    #[test]
    fn what_is_set_is_in_force_for_that_rule_alone() {
        let settings = set("p99_warning", 0.05, Some(Unit::Seconds));
        assert_eq!(values("calls", &settings), Ok(vec![0.05, 20.0]));
        assert_eq!(values("other", &settings), Ok(vec![0.1, 20.0]));
    }

    #[test]
    fn what_a_rule_does_not_have_or_measures_otherwise_is_told() {
        let told = |settings: &Settings| values("calls", settings).unwrap_err();
        assert!(told(&set("p99_warnin", 0.05, Some(Unit::Seconds))).contains("did you mean `p99_warning`?"));
        assert!(told(&set("color", 0.05, Some(Unit::Seconds))).contains("remove it"));
        assert!(told(&set("p99_warning", 0.05, None)).contains("`p99_warning` to a value of another unit: a duration"));
        assert!(told(&set("min_calls", 0.05, Some(Unit::Ratio))).contains("as 20"));
    }

    #[test]
    fn what_is_never_reached_is_told() {
        let parameter = |name: &str, default| wit::Parameter {
            name: name.into(),
            description: String::new(),
            unit: wit::Unit::Ratio,
            default,
        };
        let with = |name: &str, value| {
            let declared = vec![parameter("use_critical", 0.95), parameter("use_warning", 0.9), parameter("growth", 1.5)];
            in_force(declared, &Given::to("calls", &set(name, value, Some(Unit::Ratio)), None)).map(|_| ())
        };
        assert!(with("use_warning", 9.0).unwrap_err().contains("to 900%, but a share is never above 100%"));
        assert!(with("use_warning", 0.96).unwrap_err().contains("`use_warning` and `use_critical` in the wrong order"));
        assert!(with("use_critical", 0.89).is_err());
        assert_eq!([with("use_warning", 0.95), with("use_critical", 0.9), with("growth", 9.0)], [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn a_number_without_a_unit_is_taken_only_where_it_means_one_thing() {
        for (value, written, unit, taken) in [
            (0.05, Some(Unit::Seconds), Unit::Seconds, true),
            (0.05, None, Unit::Seconds, false),
            (0.0, None, Unit::Seconds, true),
            (0.02, None, Unit::Ratio, true),
            (2.0, None, Unit::Ratio, false),
            (2.0, Some(Unit::Ratio), Unit::Ratio, true),
            (512.0, None, Unit::Bytes, false),
            (512.0, Some(Unit::Bytes), Unit::Bytes, true),
            (20.0, None, Unit::Count, true),
            (20.0, Some(Unit::Seconds), Unit::Count, false),
            (-1.0, None, Unit::Count, false),
            (f64::NAN, None, Unit::Count, false),
            (f64::INFINITY, Some(Unit::Seconds), Unit::Seconds, false),
        ] {
            assert_eq!(Quantity { value, unit: written }.in_unit(unit).is_ok(), taken, "{value} {written:?} as {unit:?}");
        }
    }

    #[test]
    fn the_nearest_word_is_one_that_can_have_been_meant() {
        let words = ["rules", "doctor", "slos"];
        assert_eq!(nearest("rule", words), Some("rules"));
        assert_eq!(nearest("docotr", words), Some("doctor"));
        assert_eq!(nearest("growth", ["min_watched", "growth_warning"]), Some("growth_warning"));
        assert_eq!(nearest("kubernetes", words), None);
        assert_eq!(nearest(&"rules".repeat(1_000), words), None);
        assert_eq!(nearest("rule", []), None);
    }
}
