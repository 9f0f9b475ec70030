//! `kerno rules`: what rules there are, whether a file would load, what a rule says of a recorded window, new ones, and changes of their
//! directories.

mod bundle;
mod change;
mod new;
mod sign;
mod text;
mod whole_bundle;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::{Rules, RulesCommand, RulesForm};
use super::config::Config;
use super::failure::{chain, warn};
use super::running::{self, Evaluated};
use super::{Environment, Failure, doctor, exit, output, recording};
use crate::agent::{self, AgentError, Judging};
use crate::bundle::is_bundle;
use crate::engine::{self, Described};
use crate::findings::RuleStatus;
use crate::report;

pub(super) fn run(command: RulesCommand, environment: &Environment) -> Result<u8, Failure> {
    match command {
        RulesCommand::List { rules } => list(&rules, environment),
        RulesCommand::Bundle { bundle } => bundle::run(&bundle, environment),
        RulesCommand::Sign { sign } => sign::run(&sign, environment),
        RulesCommand::New { id, into, output } => new::run(&id, &into, output),
        RulesCommand::Install { paths, rules } => change::install(&paths, &rules, environment),
        RulesCommand::Remove { rule, rules } => change::remove(&rule, &rules, environment),
        RulesCommand::Enable { rule, rules } => change::enable(&rule, &rules, environment),
        RulesCommand::Disable { rule, rules } => change::disable(&rule, &rules, environment),
        RulesCommand::Inspect { rule, rules } => inspect(&rule, &rules, environment),
        RulesCommand::Verify { files, rules } => verify(&files, &rules, environment),
        RulesCommand::Bench { named, snapshot, rules } => bench(&named, &snapshot, &rules, environment),
        RulesCommand::Test { rule, snapshot, rules } => test(&rule, &snapshot, &rules, environment),
    }
}

/// A rule as its file is now, and what the kerno that runs on this machine said of it last.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    rule: &'a Described,
    running: Option<Evaluated>,
}

fn list(rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let state = running::running(environment);
    let mut config = Config::load(rules.config.as_deref(), true, environment)?;
    if state.is_some() && rules.dir.is_empty() {
        // What runs goes on with the last good rules of it.
        for (directory, error) in config.leave_out_unreadable() {
            warn(&format!("the rules directory {} is left out, it cannot be read: {error}", directory.display()));
        }
    }
    let judging = judging_with(config, rules, &[])?;
    let all = described(&judging)?;
    let of = |rule: &Described| state.as_ref().and_then(|state| state.of(&rule.id, &rule.source)).cloned();
    let listed: Vec<Listed<'_>> = all.iter().map(|rule| Listed { rule, running: of(rule) }).collect();
    tell(rules.output, &listed, |listed| text::list(listed, state.as_ref()))?;
    for switch in engine::switches(&judging.rules) {
        if !all.iter().any(|rule| switch.file_stem().is_some_and(|stem| stem == rule.id.as_str())) {
            warn(&format!("{} switches off nothing: there is no rule with that id", switch.display().to_string().escape_debug()));
        }
    }
    Ok(exit::DONE)
}

fn inspect(rule: &str, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let mut judging = judging(rules, &file(rule), environment)?;
    let mut one = find(rule, &described(&judging)?)?.clone();
    // What is switched off can be looked at all the same.
    if one.disabled {
        judging.settings.even_disabled = true;
        one.about = find(rule, &described(&judging)?)?.about.clone();
    }
    tell(rules.output, &one, text::inspect)?;
    Ok(exit::DONE)
}

fn verify(named: &[PathBuf], rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let of = |path: &PathBuf| if is_bundle(path) { Ok(vec![path.clone()]) } else { change::files(path) };
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for found in named.iter().map(of) {
        match found {
            Ok(found) => files.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    // One that is not there keeps nobody from hearing of the others.
    let unread = failures.into_iter().reduce(Failure::beside);
    let judged = if files.is_empty() { Ok(exit::DONE) } else { verify_files(&files, rules, environment) };
    match (unread, judged) {
        (None, judged) => judged,
        (Some(unread), Ok(_)) => Err(unread),
        (Some(unread), Err(failure)) => Err(unread.beside(failure)),
    }
}

fn verify_files(files: &[PathBuf], rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let judging = judging(rules, files, environment)?;
    let all = described(&judging)?;
    // What is found once more in a directory comes after them.
    let mut seen = BTreeSet::new();
    let is_asked = |path: &Path| files.iter().any(|file| path == file || path.starts_with(file));
    let is_new = |rule: &&Described| seen.insert((rule.path.clone(), rule.bundle.as_ref().map(|of| of.id.clone())));
    let asked = all.iter().filter(|rule| rule.path.as_deref().is_some_and(is_asked)).filter(is_new);
    let asked: Vec<&Described> = asked.collect();
    let fits = asked.iter().all(|rule| rule.about.is_some());
    tell(rules.output, &asked, |asked| text::verify(asked, &judging.policy))?;
    Ok(if fits { exit::DONE } else { exit::FINDINGS })
}

fn test(rule: &str, snapshot: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let snapshot = recording::read(snapshot)?;
    let mut judging = judging(rules, &file(rule), environment)?;
    // It was asked for.
    judging.settings.even_disabled = true;
    let reports = agent::rule_reports(&snapshot, &judging).map_err(|error| doctor::failed(&error))?;
    let known = || reports.iter().map(|(_, report)| report.id.as_str());
    let meant = || reports.iter().filter(|(about, _)| is_meant(rule, about));
    let used = meant().find(|(_, report)| report.status != RuleStatus::Disabled).or_else(|| meant().next());
    let (_, report) = used.ok_or_else(|| unknown(rule, known()))?;
    tell(rules.output, report, text::report)?;
    Ok(if report.status == RuleStatus::Failed { exit::FINDINGS } else { exit::DONE })
}

fn bench(named: &[String], snapshot: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let snapshot = recording::read(snapshot)?;
    let files: Vec<PathBuf> = named.iter().flat_map(|rule| file(rule)).collect();
    let judging = judging(rules, &files, environment)?;
    // A mistyped one is told before anything is measured.
    let known = described(&judging)?;
    named.iter().try_for_each(|rule| find(rule, &known).map(|_| ()))?;
    let is_wanted =
        |id: &str, path: Option<&Path>| named.is_empty() || named.iter().any(|rule| rule == id || is_file(path, rule));
    let all = agent::bench(&snapshot, &judging, &is_wanted).map_err(|error| doctor::failed(&error))?;
    tell(rules.output, all.as_slice(), |all| text::bench(all, &judging.limits))?;
    Ok(if all.iter().all(|bench| bench.cost.is_some()) { exit::DONE } else { exit::FINDINGS })
}

/// What loads the rules: the built-in ones, these files, and those of the directories. A file stands for what a directory has of its
/// id: it may be the next version.
fn judging(rules: &Rules, files: &[PathBuf], environment: &Environment) -> Result<Judging, Failure> {
    judging_with(Config::load(rules.config.as_deref(), true, environment)?, rules, files)
}

fn judging_with(config: Config, rules: &Rules, files: &[PathBuf]) -> Result<Judging, Failure> {
    let directories = doctor::rules(rules.dir.clone(), "--dir", &config)?;
    for file in files {
        std::fs::metadata(file).map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}", file.display()), "name the file of a rule's component")
        })?;
    }
    // A directory that is named is not read once more.
    let is_named = |directory: &PathBuf| files.iter().any(|file| place(file) == place(directory));
    let others: Vec<PathBuf> = directories.into_iter().filter(|directory| !is_named(directory)).collect();
    Ok(config.judging([files, &others].concat()))
}

/// The file that is meant, when it is no id.
fn file(rule: &str) -> Vec<PathBuf> {
    let is_path = rule.contains('/') || Path::new(rule).extension().is_some_and(|extension| extension == "wasm");
    is_path.then(|| PathBuf::from(rule)).into_iter().collect()
}

/// Where a file is, however its path is written. A link is a file of its own, whatever it points to.
fn place(file: &Path) -> PathBuf {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::canonicalize(directory)
        .map_or_else(|_| file.to_path_buf(), |directory| directory.join(file.file_name().unwrap_or_default()))
}

/// Whether a rule's file is the one that is meant.
fn is_file(path: Option<&Path>, meant: &str) -> bool {
    path.is_some_and(|path| place(path) == place(Path::new(meant)))
}

/// Whether a rule is meant, by its id or its file.
fn is_meant(meant: &str, rule: &Described) -> bool {
    rule.id == meant || is_file(rule.path.as_deref(), meant)
}

fn described(judging: &Judging) -> Result<Vec<Described>, Failure> {
    agent::rules(judging).map_err(|error| match error {
        AgentError::Rules(_) => Failure::usage(chain(&error), "give --dir a directory that this user may read"),
        other => doctor::failed(&other),
    })
}

fn find<'a>(rule: &str, all: &'a [Described]) -> Result<&'a Described, Failure> {
    // The one that is used goes before the one in whose place it is.
    let is_used = |described: &&Described| is_meant(rule, described) && described.about.is_some() && !described.disabled;
    let found = all.iter().find(is_used).or_else(|| all.iter().find(|described| is_meant(rule, described)));
    found.ok_or_else(|| unknown(rule, all.iter().map(|described| described.id.as_str())))
}

fn unknown<'a>(rule: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let help = match engine::nearest(rule, known) {
        Some(id) => format!("did you mean {id}?"),
        None => "kerno rules list tells which there are".to_owned(),
    };
    Failure::usage(format!("there is no rule `{}`", rule.escape_debug()), help)
}

/// Writes something in the form that was asked for.
fn tell<T: Serialize + ?Sized>(form: RulesForm, what: &T, pretty: impl Fn(&T) -> String) -> Result<(), Failure> {
    output::write(&match form {
        RulesForm::Pretty => pretty(what),
        RulesForm::Json => report::json(&what)
            .map_err(|error| Failure::own(format!("the rules cannot be written as JSON: {error}"), "use --output pretty"))?,
    })
}
