//! A scenario's file: how to set the guest up, what loads it, the fault, and what the report must say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer};

/// A scenario. `setup`, `load` and `fault` are shell commands that a guest runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's stem.
    #[serde(skip)]
    pub name: String,
    /// One line for people.
    pub title: String,
    /// How long `kerno doctor` watches.
    #[serde(deserialize_with = "duration")]
    pub window: Duration,
    /// Runs to its end first; must succeed.
    #[serde(default)]
    pub setup: String,
    /// Runs beside everything that follows. It must still run when the window ends: it waits for what it starts.
    #[serde(default)]
    pub load: String,
    /// How long the load runs before the fault.
    #[serde(default = "settle", deserialize_with = "duration")]
    pub settle: Duration,
    /// Runs to its end before the window begins; must succeed. What lasts is started in the background.
    #[serde(default)]
    pub fault: String,
    /// Runs after the window. It succeeds when what the scenario is about did happen; else the scenario is void, neither passed nor
    /// failed, and the last line that this prints says why: `void 'no burst'` prints and fails.
    #[serde(default)]
    pub proof: String,
    /// One of the few that run on every kernel in `cargo xtask test`; all others run on one.
    #[serde(default)]
    pub smoke: bool,
    /// The host's time that a guest may take before it counts as hung.
    #[serde(default = "limit", deserialize_with = "duration")]
    pub limit: Duration,
    /// What the report must say.
    pub expect: Expect,
}

/// What a report must and must not say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The report's verdict. `healthy` also means: no finding at warning or above.
    pub verdict: String,
    /// Findings that must be there.
    #[serde(default)]
    pub finding: Vec<Wanted>,
    /// Findings that are true as well, consequences mostly: there or not, they are no false alarm.
    #[serde(default)]
    pub allowed: Vec<Unwanted>,
    /// Findings that must not be there.
    #[serde(default)]
    pub absent: Vec<Unwanted>,
}

impl Expect {
    /// Whether nothing is wrong, so that whatever is found is a false alarm.
    pub fn is_healthy(&self) -> bool {
        self.verdict == "healthy"
    }
}

/// A finding that must be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The rule's id; one of these, where the same fault may be told by either.
    #[serde(deserialize_with = "one_or_many")]
    pub rule: Vec<String>,
    /// At least this bad.
    pub severity: Severity,
    /// At most this bad.
    #[serde(default = "critical")]
    pub at_most: Severity,
    /// The entity's kind: one of these.
    #[serde(default, deserialize_with = "one_or_many")]
    pub kind: Vec<String>,
    /// Each must match one of the entity's names; `*` is any text, `|` stands between alternatives.
    #[serde(default, deserialize_with = "one_or_many")]
    pub name: Vec<String>,
    /// Kinds of entity that need not match `name`: `node`, say, which is all there is where groups are not told apart.
    #[serde(default, deserialize_with = "one_or_many")]
    pub any_name: Vec<String>,
    /// It is the cause, and must be ranked before all others.
    #[serde(default)]
    pub first: bool,
}

/// A finding that must not be there, or that may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwanted {
    /// The rule's id; `*` is any text.
    pub rule: String,
    /// From this severity on.
    #[serde(default = "warning")]
    pub severity: Severity,
    /// Only where one of the entity's names matches; `*` is any text, `|` stands between alternatives.
    #[serde(default, deserialize_with = "one_or_many")]
    pub name: Vec<String>,
}

/// How bad. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// Reads all scenarios of a directory, or those that are named.
pub fn read_all(directory: &Path, names: &[String]) -> Result<Vec<Scenario>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let files =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| file.extension().is_some_and(|it| it == "toml"));
    let known: BTreeSet<_> = files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(*name)) {
        anyhow::bail!("there is no scenario `{unknown}`; there are: {}", known.into_iter().collect::<Vec<_>>().join(", "));
    }
    let wanted = known.iter().filter(|name| names.is_empty() || names.contains(name));
    wanted.map(|name| read(&directory.join(format!("{name}.toml")))).collect()
}

fn read(file: &Path) -> Result<Scenario> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &text).with_context(|| format!("{} is no scenario", file.display()))
}

fn parse(name: &str, text: &str) -> Result<Scenario> {
    let mut scenario: Scenario = toml::from_str(text)?;
    scenario.name = name.to_owned();
    let verdicts = ["healthy", "findings", "insufficient_evidence"];
    let expect = &scenario.expect;
    anyhow::ensure!(verdicts.contains(&expect.verdict.as_str()), "expect.verdict is none of {}", verdicts.join(", "));
    anyhow::ensure!(
        expect.verdict != "findings" || !expect.finding.is_empty(),
        "expect.verdict is `findings`, but none is named"
    );
    anyhow::ensure!(expect.finding.iter().filter(|wanted| wanted.first).count() < 2, "only one finding can be first");
    let possible = |wanted: &Wanted| !wanted.rule.is_empty() && wanted.severity <= wanted.at_most;
    anyhow::ensure!(expect.finding.iter().all(possible), "a finding has no rule, or is to be worse than it may be at most");
    Ok(scenario)
}

fn settle() -> Duration {
    Duration::from_secs(2)
}

fn limit() -> Duration {
    Duration::from_secs(900)
}

fn warning() -> Severity {
    Severity::Warning
}

fn critical() -> Severity {
    Severity::Critical
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (digits, seconds) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1),
        (_, Some(digits)) => (digits, 60),
        _ => ("", 0),
    };
    match digits.parse::<u64>() {
        Ok(number) if number > 0 => Ok(Duration::from_secs(number * seconds)),
        _ => Err(serde::de::Error::custom(format!("`{text}` is no duration; write 15s or 2m"))),
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: &str = "title = 'A slow disk'\nwindow = '15s'\nload = 'sleep 99'\n[expect]\nverdict = 'findings'\n\
        [[expect.finding]]\nrule = 'disk-io-bottleneck'\nseverity = 'warning'\nkind = ['mount', 'device']\nname = '/data'\n";

    #[test]
    fn a_scenario_is_read() {
        let scenario = parse("slow", SLOW).unwrap();
        assert_eq!((scenario.name.as_str(), scenario.window), ("slow", Duration::from_secs(15)));
        let wanted = &scenario.expect.finding[0];
        assert_eq!((wanted.kind.len(), wanted.name[0].as_str(), wanted.severity), (2, "/data", Severity::Warning));
    }

    #[test]
    fn an_unknown_key_is_named() {
        for (text, key) in [(format!("windows = '1s'\n{SLOW}"), "windows"), (format!("{SLOW}names = 'x'\n"), "names")] {
            let error = format!("{:#}", parse("slow", &text).unwrap_err());
            assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (from, to) in [("15s", "0s"), ("15s", "15"), ("'findings'", "'fine'"), ("'warning'", "'bad'"), ("title", "# title")] {
            assert!(parse("slow", &SLOW.replace(from, to)).is_err(), "{to}");
        }
        assert!(parse("slow", &format!("{SLOW}at_most = 'info'\n")).is_err());
        assert!(parse("none", "title = 't'\nwindow = '1s'\n[expect]\nverdict = 'findings'\n").is_err());
    }

    #[test]
    fn every_scenario_of_the_tree_is_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab");
        let all = read_all(&directory, &[]).unwrap();
        let count = |is_it: fn(&Scenario) -> bool| all.iter().filter(|scenario| is_it(scenario)).count();
        let healthy = count(|scenario| scenario.expect.is_healthy());
        assert!(all.len() >= 36 && healthy >= 12, "{} scenarios, {healthy} of them healthy", all.len());
        assert_eq!(count(|scenario| scenario.smoke), 6, "six run on every kernel");
        // Each fault says which finding is its cause, else nothing says whether that was ranked first.
        for scenario in all.iter().filter(|scenario| !scenario.expect.is_healthy()) {
            assert!(scenario.expect.finding.iter().any(|wanted| wanted.first), "{}", scenario.name);
        }
        let error = read_all(&directory, &["no-such".into()]).unwrap_err().to_string();
        assert!(error.contains("no-such") && error.contains("idle"), "{error}");
    }
}
