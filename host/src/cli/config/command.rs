//! `kerno config`: shows what is in force, and checks a file before it is.

use super::{Config, show};
use crate::agent::{self, Judging};
use crate::cli::arguments::ConfigCommand;
use crate::cli::failure::chain;
use crate::cli::{Environment, Failure, exit, output};
use crate::engine::Described;
use crate::findings::BUILT_IN_SOURCE;
use crate::yaml::{Book, Complaint};

pub(in crate::cli) fn run(command: &ConfigCommand, environment: &Environment) -> Result<u8, Failure> {
    let text = match command {
        ConfigCommand::Show { origin, config } => {
            let config = Config::load(config.as_deref(), false, environment)?;
            // What is switched off has parameters all the same.
            let mut judging = config.judging(config.directories());
            judging.settings.even_disabled = true;
            show::show(&config, &described(&judging)?, *origin, environment)
        }
        ConfigCommand::Validate { file, config } => {
            let config = Config::load(file.as_deref().or(config.as_deref()), false, environment)?;
            check_rules(&config)?;
            match &config.place {
                Some(place) => format!("{} is valid\n", place.path.display()),
                None => "there is no configuration: the defaults are in force\n".to_owned(),
            }
        }
    };
    output::write(&text)?;
    Ok(exit::DONE)
}

fn described(judging: &Judging) -> Result<Vec<Described>, Failure> {
    agent::rules(judging).map_err(|error| Failure::usage(chain(&error), "give rules.dirs directories that this user may read"))
}

/// Loads the rules, those of `rules.dirs` too, and compares what is set of them with what they are.
fn check_rules(config: &Config) -> Result<(), Failure> {
    let dirs = &config.settings.dirs;
    if config.directories().is_empty() && config.settings.parameters.is_empty() && config.settings.replaces.is_empty() {
        return Ok(());
    }
    let mut book = Book::default();
    for (path, line) in dirs {
        if let Err(error) = std::fs::read_dir(path) {
            let what = format!("rules.dirs: {} cannot be read: {error}", path.display());
            book.error(*line, what, "name a directory that kerno may read");
        }
    }
    if !book.errors.is_empty() {
        return Err(config.refused(book.errors));
    }
    let mut judging = config.judging(config.directories());
    judging.settings.even_disabled = true;
    let rules = described(&judging)?;
    let broken: Vec<Complaint> = rules
        .iter()
        .filter_map(|rule| {
            let reason = rule.reason.as_ref()?;
            if rule.disabled {
                return None;
            }
            if rule.source == BUILT_IN_SOURCE {
                // Those that are not built in are no fault of the file.
                let set = config.settings.parameters.get(&rule.id)?.values().map(|set| set.line).min()?;
                return Some(Complaint::new(set, format!("{}: {reason}", rule.id), "change the file"));
            }
            // Those of the usual directories neither.
            let path = rule.path.as_deref()?;
            let (_, line) = dirs.iter().find(|(directory, _)| path.starts_with(directory))?;
            Some(Complaint::new(
                *line,
                format!("the rule {} does not load: {reason}", rule.source),
                "mend the rule, or remove it",
            ))
        })
        .collect();
    if !broken.is_empty() {
        return Err(config.refused(broken));
    }
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    config.check_ids(&ids, true)?;
    let own = rules.iter().filter(|rule| rule.source != BUILT_IN_SOURCE);
    config.check_replaces(&own.map(|rule| rule.id.as_str()).collect::<Vec<_>>(), true)
}
