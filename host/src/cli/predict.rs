//! `kerno predict`: resolves settings, takes snapshots or reads recorded ones, writes the outlook.

use std::path::Path;
use std::time::Duration;

use kerno_signals::Snapshot;

use super::arguments::{self, Form};
use super::config::Config;
use super::doctor::{failed, interrupt, style};
use super::progress::Progress;
use super::recording::{self, Destination};
use super::{Environment, Failure, exit, output, window};
use crate::agent::{self, Moment};
use crate::platform::clock::SystemClock;
use crate::report::{self, Outlook, OutlookVerdict, Style};

/// Fewer tell no trend from chance.
const FEWEST: u32 = kerno_signals::growth::FEWEST as u32;
/// Each stays in memory until the end.
const MOST: u32 = 60;
/// Shortest time between two snapshots.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest time between two snapshots.
const LONGEST: Duration = Duration::from_secs(600);

pub(super) fn run(arguments: arguments::Predict, environment: Environment) -> Result<u8, Failure> {
    let (style, form, exit_code) = (style(arguments.color), arguments.output, arguments.exit_code);
    let (outlook, recorded) =
        if arguments.replay.is_empty() { measure(&arguments, environment)? } else { (replay(&arguments, &environment)?, Ok(())) };
    let Some(outlook) = outlook else {
        return Err(Failure::usage("there is no snapshot to predict from", format!("ask for at least {FEWEST} snapshots")));
    };
    output::write(&text(&outlook, form, &style)?)?;
    // An outlook that was made is told first.
    recorded.map(|()| match outlook.verdict {
        OutlookVerdict::Predictions if exit_code => exit::FINDINGS,
        OutlookVerdict::InsufficientEvidence if exit_code => exit::INSUFFICIENT_EVIDENCE,
        _ => exit::DONE,
    })
}

/// The outlook of recordings.
fn replay(arguments: &arguments::Predict, environment: &Environment) -> Result<Option<Outlook>, Failure> {
    // What lies on this machine has no say in the outlook of recordings.
    let config = match &arguments.config {
        None => Config::default(),
        named => Config::load(named.as_deref(), true, environment)?,
    };
    let snapshots = arguments.replay.iter().map(|path| recording::read(path)).collect::<Result<Vec<Snapshot>, _>>()?;
    if let [first, rest @ ..] = snapshots.as_slice()
        && let Some(other) = rest.iter().find(|other| other.host.name != first.host.name)
    {
        return Err(Failure::usage(
            format!("the recordings are of several hosts: {} and {}", first.host.name, other.host.name),
            "give --replay recordings of one host",
        ));
    }
    agent::predict_from(snapshots, &config.judging(Vec::new())).map_err(|error| failed(&error))
}

/// The outlook of this machine, and whether its snapshots could be recorded.
fn measure(arguments: &arguments::Predict, environment: Environment) -> Result<(Option<Outlook>, Result<(), Failure>), Failure> {
    let (snapshots, interval) = (number(&arguments.snapshots)?, interval(&arguments.interval)?);
    let config = Config::load(arguments.config.as_deref(), true, &environment)?;
    let destinations = arguments.record.as_deref().map(|directory| destinations(directory, snapshots)).transpose()?;
    let asked = agent::Predict {
        snapshots,
        interval,
        options: agent::Options {
            duration: interval * snapshots,
            ebpf: environment.ebpf,
            judging: config.judging(Vec::new()),
            node_name: environment.node_name,
            cluster: environment.cluster,
            recording: destinations.is_some(),
        },
    };
    let mut progress = Progress::new(arguments.quiet, asked.options.duration);
    let interrupt = interrupt()?;
    let mut recorded = Ok(());
    let mut left = destinations.unwrap_or_default().into_iter();
    let mut tell = |moment: Moment<'_>| {
        if let Moment::Measured(snapshot) = &moment
            && recorded.is_ok()
            && let Some(destination) = left.next()
        {
            recorded = destination.write(snapshot);
        }
        progress.tell(&moment);
    };
    let outlook = agent::predict(&asked, &SystemClock, &interrupt, &mut tell).map_err(|error| failed(&error))?;
    Ok((outlook, recorded))
}

/// A file for each snapshot.
fn destinations(directory: &Path, snapshots: u32) -> Result<Vec<Destination>, Failure> {
    (1..=snapshots).map(|number| Destination::new(&directory.join(format!("snapshot-{number:02}.kerno")))).collect()
}

fn number(text: &str) -> Result<u32, Failure> {
    let wrong = |why: &str, help: String| Failure::usage(format!("--snapshots {text:?} {why}"), help);
    let number: u32 = text
        .trim()
        .parse()
        .map_err(|_| wrong("is no whole number", format!("give a number from {FEWEST} to {MOST}, as in --snapshots 5")))?;
    if number < FEWEST {
        return Err(wrong(
            "is too few: of three snapshots one order in six rises by chance",
            format!("use --snapshots {FEWEST}"),
        ));
    }
    if number > MOST {
        return Err(wrong("is too many", format!("use --snapshots {MOST} and a longer --interval")));
    }
    Ok(number)
}

fn interval(text: &str) -> Result<Duration, Failure> {
    window::interval(text, SHORTEST, LONGEST)
}

fn text(outlook: &Outlook, form: Form, style: &Style) -> Result<String, Failure> {
    Ok(match form {
        Form::Pretty => report::pretty_outlook(outlook, style),
        Form::Plain => report::pretty_outlook(outlook, &style.plain()),
        Form::Markdown => report::markdown_outlook(outlook),
        Form::Json => report::json(outlook)
            .map_err(|error| Failure::own(format!("the outlook cannot be written as JSON: {error}"), "use --output pretty"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_refused_with_the_nearest_that_can() {
        for (text, told) in [
            ("3", "one order in six"),
            ("0", "--snapshots 4"),
            ("61", "--snapshots 60"),
            ("-5", "whole number"),
            ("five", "4 to 60"),
            ("99999999999", "4 to 60"),
        ] {
            let failure = format!("{:?}", number(text).unwrap_err());
            assert!(failure.contains(told), "{text}: {failure}");
        }
        for (text, told) in [
            ("500ms", "nearest is --interval 1s"),
            ("11m", "nearest is --interval 10m"),
            ("15", "a number and a unit"),
            ("-1s", "a number and a unit"),
        ] {
            let failure = format!("{:?}", interval(text).unwrap_err());
            assert!(failure.contains(told), "{text}: {failure}");
        }
        assert_eq!((number("4").unwrap(), number(" 60 ").unwrap(), interval("1m30s").unwrap().as_secs()), (4, 60, 90));
    }
}
