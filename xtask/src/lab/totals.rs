//! What all scenarios together say: how much was found, how much of it was right, how much was made up.

use std::fmt;

use serde::Serialize;

use super::judge::Judgement;
use super::scenario::Expect;

/// Sums over scenarios that were not void.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Faults that were to be found, and those that were.
    faults: usize,
    found: usize,
    /// Findings at warning or above, and those of them that are neither wanted nor true beside what is wanted.
    loud: usize,
    wrong: usize,
    /// Found faults that name who it is about. Naive thresholds name nobody in a way that could be compared.
    right_entity: usize,
    /// Scenarios with a cause, and those whose cause ranks first.
    causes: usize,
    first: usize,
    /// Healthy scenarios: false alarms, another verdict than `healthy` included, and how long they were watched.
    false_alarms: usize,
    healthy_seconds: f64,
}

impl Totals {
    /// Adds one scenario's judgement. A healthy one that has no report of `healthy` is a false alarm whatever else it says.
    pub fn add(&mut self, judgement: &Judgement, expect: &Expect, seconds: f64) {
        self.faults += judgement.faults;
        self.found += judgement.found;
        self.right_entity += judgement.right_entity;
        self.loud += judgement.loud;
        self.wrong += judgement.wrong;
        if expect.finding.iter().any(|wanted| wanted.first) {
            self.causes += 1;
            self.first += usize::from(judgement.rank == Some(1));
        }
        if expect.is_healthy() {
            self.false_alarms += judgement.wrong.max(usize::from(!judgement.reasons.is_empty()));
            self.healthy_seconds += seconds;
        }
    }

    /// Adds what naive thresholds said of the same window.
    pub fn add_naive(&mut self, rules: &std::collections::BTreeSet<&str>, expect: &Expect, seconds: f64) {
        let fired = |wanted: &[String]| wanted.iter().any(|rule| rules.contains(rule.as_str()));
        self.faults += expect.finding.len();
        self.found += expect.finding.iter().filter(|wanted| fired(&wanted.rule)).count();
        let right = |rule: &&&str| {
            expect.finding.iter().any(|wanted| wanted.rule.iter().any(|wanted| wanted == **rule))
                || expect.allowed.iter().any(|allowed| super::judge::matches(&allowed.rule, rule))
        };
        let wrong = rules.len() - rules.iter().filter(right).count();
        self.loud += rules.len();
        self.wrong += wrong;
        if expect.is_healthy() {
            self.false_alarms += wrong;
            self.healthy_seconds += seconds;
        }
    }

    /// The lines of a table: a name, and how it stands.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let hours = self.healthy_seconds / 3_600.0;
        let an_hour = if hours > 0.0 { format!("{:.1}", self.false_alarms as f64 / hours) } else { "none watched".to_owned() };
        vec![
            ("recall", Share(self.found, self.faults).to_string()),
            ("precision", Share(self.loud - self.wrong, self.loud).to_string()),
            ("false alarms per healthy hour", format!("{an_hour} ({} in {:.0} s)", self.false_alarms, self.healthy_seconds)),
            ("right entity", Share(self.right_entity, self.found).to_string()),
            ("true cause first", Share(self.first, self.causes).to_string()),
        ]
    }
}

/// A part of something, in percent and as numbers.
struct Share(usize, usize);

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(_, 0) => formatter.write_str("none to judge"),
            Self(part, whole) => write!(formatter, "{:.1} % ({part} of {whole})", *part as f64 / *whole as f64 * 100.0),
        }
    }
}

/// Both as one table; naive thresholds have neither entities nor ranks.
pub fn table(kerno: &Totals, naive: Option<&Totals>) -> String {
    let mut text = format!("\n{:<30}  {:<28}  {}\n", "", "kerno", if naive.is_some() { "naive thresholds" } else { "" });
    let other = naive.map(Totals::lines).unwrap_or_default();
    for (index, (name, value)) in kerno.lines().into_iter().enumerate() {
        let beside = other.get(index).filter(|_| index < 3).map(|(_, value)| value.as_str()).unwrap_or_default();
        text.push_str(format!("{name:<30}  {value:<28}  {beside}").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn fault() -> Expect {
        toml::from_str(
            "verdict = 'findings'\n[[finding]]\nrule = 'fd-leak'\nseverity = 'warning'\nfirst = true\n[[allowed]]\nrule = 'sys*'\n",
        )
        .unwrap()
    }

    fn healthy() -> Expect {
        toml::from_str("verdict = 'healthy'\n").unwrap()
    }

    fn values(totals: &Totals) -> Vec<String> {
        totals.lines().into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn shares_and_false_alarms_add_up() {
        let mut totals = Totals::default();
        let found = Judgement { faults: 1, found: 1, right_entity: 1, rank: Some(1), loud: 2, wrong: 1, ..Judgement::default() };
        totals.add(&found, &fault(), 20.0);
        totals.add(&Judgement { faults: 1, reasons: vec!["missing".into()], ..Judgement::default() }, &fault(), 20.0);
        totals.add(&Judgement::default(), &healthy(), 20.0);
        totals.add(&Judgement { reasons: vec!["not evaluated".into()], ..Judgement::default() }, &healthy(), 16.0);
        let expected = ["50.0 % (1 of 2)", "50.0 % (1 of 2)", "100.0 (1 in 36 s)", "100.0 % (1 of 1)", "50.0 % (1 of 2)"];
        assert_eq!(values(&totals), expected);
    }

    #[test]
    fn naive_thresholds_are_held_to_the_same() {
        let mut totals = Totals::default();
        totals.add_naive(&BTreeSet::from(["fd-leak", "syscall-latency", "oom-kill"]), &fault(), 20.0);
        totals.add_naive(&BTreeSet::from(["syscall-latency"]), &healthy(), 36.0);
        assert_eq!(values(&totals)[..3], ["100.0 % (1 of 1)", "50.0 % (2 of 4)", "100.0 (1 in 36 s)"]);
    }

    #[test]
    fn nothing_is_not_everything() {
        assert_eq!(values(&Totals::default())[0], "none to judge");
        assert!(table(&Totals::default(), None).contains("none watched"));
    }
}
