//! `kerno rules`: what rules there are, whether a file would load, what a rule says of a recorded window, and changes of their directories.

mod change;
mod text;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::{Rules, RulesCommand, RulesForm};
use super::config::Config;
use super::failure::chain;
use super::{Environment, Failure, doctor, exit, output, recording};
use crate::agent::{self, Judging};
use crate::engine::{self, Bench, Described};
use crate::findings::{BUILT_IN_SOURCE, RuleReport, RuleStatus};
use crate::report;

pub(super) fn run(command: RulesCommand, environment: &Environment) -> Result<u8, Failure> {
    match command {
        RulesCommand::List { rules } => list(&rules, environment),
        RulesCommand::Install { path, rules } => change::install(&path, &rules, environment),
        RulesCommand::Remove { rule, rules } => change::remove(&rule, &rules, environment),
        RulesCommand::Enable { rule, rules } => change::enable(&rule, &rules, environment),
        RulesCommand::Disable { rule, rules } => change::disable(&rule, &rules, environment),
        RulesCommand::Inspect { rule, rules } => inspect(&rule, &rules, environment),
        RulesCommand::Verify { files, rules } => verify(&files, &rules, environment),
        RulesCommand::Bench { named, snapshot, rules } => bench(&named, &snapshot, &rules, environment),
        RulesCommand::Test { rule, snapshot, rules } => test(&rule, &snapshot, &rules, environment),
    }
}

fn list(rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let all = described(&judging(rules, &[], environment)?)?;
    tell(rules, &all, text::list)?;
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
    tell(rules, &one, text::inspect)?;
    Ok(exit::DONE)
}

fn verify(files: &[PathBuf], rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let all = described(&judging(rules, files, environment)?)?;
    let asked: Vec<&Described> = files.iter().map(|file| find(&file.to_string_lossy(), &all)).collect::<Result<_, _>>()?;
    let fits = asked.iter().all(|rule| rule.about.is_some());
    tell(rules, &asked, |asked| text::verify(asked))?;
    Ok(if fits { exit::DONE } else { exit::FINDINGS })
}

fn test(rule: &str, snapshot: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let snapshot = recording::read(snapshot)?;
    let judging = judging(rules, &file(rule), environment)?;
    let reports = agent::rule_reports(&snapshot, &judging).map_err(|error| doctor::failed(&error))?;
    let known = || reports.iter().map(|report| report.id.as_str());
    let is_meant = |report: &&RuleReport| report.id == rule || is_file(&report.source, rule);
    let report = reports.iter().find(is_meant).ok_or_else(|| unknown(rule, known()))?;
    tell(rules, report, text::report)?;
    Ok(if report.status == RuleStatus::Failed { exit::FINDINGS } else { exit::DONE })
}

fn bench(named: &[String], snapshot: &Path, rules: &Rules, environment: &Environment) -> Result<u8, Failure> {
    let snapshot = recording::read(snapshot)?;
    let files: Vec<PathBuf> = named.iter().flat_map(|rule| file(rule)).collect();
    let judging = judging(rules, &files, environment)?;
    let mut all = agent::bench(snapshot, &judging).map_err(|error| doctor::failed(&error))?;
    let is_meant = |bench: &Bench, rule: &str| bench.id == rule || is_file(&bench.source, rule);
    if let Some(rule) = named.iter().find(|rule| !all.iter().any(|bench| is_meant(bench, rule))) {
        return Err(unknown(rule, all.iter().map(|bench| bench.id.as_str())));
    }
    all.retain(|bench| named.is_empty() || named.iter().any(|rule| is_meant(bench, rule)));
    tell(rules, &all, text::bench)?;
    Ok(if all.iter().all(|bench| bench.cost.is_some()) { exit::DONE } else { exit::FINDINGS })
}

/// What loads the rules: the built-in ones, those of the directories, and these files.
fn judging(rules: &Rules, files: &[PathBuf], environment: &Environment) -> Result<Judging, Failure> {
    let config = Config::load(rules.config.as_deref(), true, environment)?;
    let mut directories = doctor::rules(rules.dir.clone(), "--dir", &config)?;
    for file in files {
        std::fs::metadata(file).map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}", file.display()), "name the file of a rule's component")
        })?;
        // A file that is in one of the directories is there already.
        let directory = place(file).parent().map(Path::to_path_buf);
        if !directories.iter().any(|listed| std::fs::canonicalize(listed).ok() == directory) {
            directories.push(file.clone());
        }
    }
    Ok(config.judging(directories))
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

/// Whether a rule's source is the file that is meant.
fn is_file(source: &str, meant: &str) -> bool {
    source != BUILT_IN_SOURCE && place(Path::new(source)) == place(Path::new(meant))
}

fn described(judging: &Judging) -> Result<Vec<Described>, Failure> {
    agent::rules(judging).map_err(|error| Failure::usage(chain(&error), "give --dir a directory that this user may read"))
}

fn find<'a>(rule: &str, all: &'a [Described]) -> Result<&'a Described, Failure> {
    let found = all.iter().find(|described| described.id == rule || is_file(&described.source, rule));
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
fn tell<T: Serialize + ?Sized>(rules: &Rules, what: &T, pretty: impl Fn(&T) -> String) -> Result<(), Failure> {
    output::write(&match rules.output {
        RulesForm::Pretty => pretty(what),
        RulesForm::Json => report::json(&what)
            .map_err(|error| Failure::own(format!("the rules cannot be written as JSON: {error}"), "use --output pretty"))?,
    })
}
