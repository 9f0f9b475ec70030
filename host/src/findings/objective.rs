//! Objectives that users name: which findings burn them.

use std::collections::BTreeMap;

use super::Finding;

/// Keys by which the findings of the rules that ship name what they are about.
pub const ENTITY_NAMES: [&str; 13] = [
    "cgroup",
    "comm",
    "container",
    "device",
    "error",
    "limit",
    "mount",
    "network_namespace",
    "node",
    "pid",
    "remote",
    "source",
    "unit",
];

/// A named objective and the findings that burn it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// What it is called in reports.
    pub name: String,
    /// What it promises; may be empty.
    pub text: String,
    /// Which findings burn it.
    pub selector: Selector,
}

/// Matches a finding when all of its parts do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The rule's id.
    pub rule: Option<Pattern>,
    /// Names of the entity, by their keys. One that the entity does not have does not match.
    pub names: BTreeMap<String, Pattern>,
}

/// A text in which `*` stands for any number of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A finding that burns an objective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burned {
    /// Id of the finding.
    pub finding: String,
    /// Name of the objective.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Marks what burns an objective: [`Finding::slo`] holds the names of all that it burns, in the order in which they are given. No
/// finding changes its place for it.
#[must_use]
pub fn mark(findings: &mut [Finding], objectives: &[Objective]) -> Vec<Burned> {
    let mut burned = Vec::new();
    for finding in findings {
        let hit: Vec<&Objective> = objectives.iter().filter(|objective| objective.selector.matches(finding)).collect();
        let names: Vec<&str> = hit.iter().map(|objective| objective.name.as_str()).collect();
        finding.slo = (!names.is_empty()).then(|| names.join(", "));
        burned.extend(hit.into_iter().map(|objective| Burned {
            finding: finding.id.clone(),
            name: objective.name.clone(),
            text: objective.text.clone(),
        }));
    }
    burned
}

impl Selector {
    fn matches(&self, finding: &Finding) -> bool {
        let name = |key: &str| finding.entity.names.get(key);
        self.rule.as_ref().is_none_or(|rule| rule.matches(&finding.rule))
            && self.names.iter().all(|(key, pattern)| name(key).is_some_and(|name| pattern.matches(name)))
    }
}

impl Pattern {
    /// A pattern as it is written.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a whole text is meant.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let Some(at) = text.find(part) else { return false };
            text = text.get(at + part.len()..).unwrap_or_default();
        }
        text.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::{Severity, sample};

    fn objective(name: &str, rule: Option<&str>, names: &[(&str, &str)]) -> Objective {
        let names = names.iter().map(|(key, pattern)| ((*key).to_owned(), Pattern::new(*pattern))).collect();
        Objective {
            name: name.into(),
            text: format!("{name}'s text"),
            selector: Selector { rule: rule.map(Pattern::new), names },
        }
    }

    #[test]
    fn a_star_is_any_number_of_characters_and_nothing_else_is_special() {
        for (pattern, text, matches) in [
            ("sda", "sda", true),
            ("sda", "sda1", false),
            ("sd*", "sda1", true),
            ("sd*", "sd", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*.service", "api.service", true),
            ("*.service", "api.service.d", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*b*", "abcb", true),
            ("*b*b*", "abc", false),
            ("a*bc*c", "abcc", true),
            ("a*bc*c", "abc", false),
            ("a**c", "abc", true),
            ("nvme?n1", "nvme0n1", false),
            ("ä*ü", "äöü", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} {text}");
        }
        let stars = Pattern::new("*a".repeat(2_000));
        assert!(!stars.matches(&"a".repeat(1_999)) && stars.matches(&"a".repeat(2_000)));
    }

    #[test]
    fn every_part_of_a_selector_must_match_and_none_is_made_up() {
        let mut disk = sample("disk", Severity::Warning);
        disk.rule = "disk-io-bottleneck".into();
        disk.entity.names.extend([("device".to_owned(), "sda".to_owned()), ("mount".to_owned(), "/data".to_owned())]);
        let hit = |rule, names: &[(&str, &str)]| objective("o", rule, names).selector.matches(&disk);
        assert!(hit(Some("disk-io-bottleneck"), &[]) && hit(Some("disk-*"), &[("mount", "/data")]));
        assert!(hit(None, &[("device", "sd*"), ("mount", "/d*")]));
        assert!(!hit(Some("oom-kill"), &[("mount", "/data")]) && !hit(None, &[("device", "sda"), ("mount", "/")]));
        assert!(!hit(None, &[("unit", "*")]), "a name that it does not have");
    }

    #[test]
    fn what_burns_is_marked_with_all_that_it_burns_and_keeps_its_place() {
        let mut found = [sample("a", Severity::Critical), sample("b", Severity::Warning), sample("c", Severity::Warning)];
        found[2].entity.names.insert("unit".into(), "api.service".into());
        let objectives = [objective("latency", None, &[("unit", "api.*")]), objective("uptime", Some("rule"), &[("unit", "*")])];
        let burned = mark(&mut found, &objectives);
        let slos: Vec<_> = found.iter().map(|finding| (finding.id.as_str(), finding.slo.as_deref())).collect();
        assert_eq!(slos, [("a", None), ("b", None), ("c", Some("latency, uptime"))]);
        let told: Vec<_> = burned.iter().map(|one| (one.finding.as_str(), one.name.as_str(), one.text.as_str())).collect();
        assert_eq!(told, [("c", "latency", "latency's text"), ("c", "uptime", "uptime's text")]);
        assert!(mark(&mut found, &[]).is_empty() && found.iter().all(|finding| finding.slo.is_none()));
    }
}
