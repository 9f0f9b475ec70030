//! `kerno doctor --continuous`: one window after the other; after the first, what has changed.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Settings, code, failed, interrupt};
use crate::agent::{self, Moment};
use crate::cli::arguments::Form;
use crate::cli::progress::Progress;
use crate::cli::running::Running;
use crate::cli::{Failure, exit, output, window};
use crate::platform::clock::SystemClock;
use crate::report::{self, Report, human_seconds};

/// Time from one window to the next.
const DEFAULT: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);

/// The interval that was asked for: a window must fit into it.
pub(super) fn interval(text: Option<&str>, duration: Duration) -> Result<Duration, Failure> {
    let interval = text.map_or(Ok(DEFAULT.max(duration)), |text| window::interval(text, SHORTEST, LONGEST))?;
    if interval < duration {
        let told = |duration: Duration| human_seconds(duration.as_secs_f64());
        return Err(Failure::usage(
            format!("a window of {} does not fit into an interval of {}", told(duration), told(interval)),
            format!("give --interval {0}, or a shorter --duration", humantime::format_duration(duration)),
        ));
    }
    Ok(interval)
}

pub(super) fn run(settings: &Settings, interval: Duration, running: &mut Running) -> Result<u8, Failure> {
    let asked = agent::Continuous { options: settings.agent.clone(), interval };
    let interrupt = interrupt()?;
    let mut progress = Progress::new(settings.quiet, settings.agent.duration);
    let mut windows = 0_u64;
    let mut tell_moment = |moment: Moment<'_>| {
        if let Moment::Started(_) = moment {
            windows += 1;
            if windows > 1 {
                progress = Progress::again(settings.quiet, settings.agent.duration);
            }
        }
        progress.tell(&moment);
    };
    let (mut last, mut is_first) = (Ok(exit::DONE), true);
    let mut tell = |mut report: Report| {
        // Who has read it may ask at once.
        running.note(&report);
        let told = tell(&mut report, std::mem::take(&mut is_first), settings);
        last = told.as_ref().map_or(Ok(exit::DONE), |_| Ok(code(&report, settings)));
        match told {
            Ok(true) => ControlFlow::Continue(()),
            // Nobody reads it any more.
            Ok(false) => {
                last = Ok(exit::DONE);
                ControlFlow::Break(())
            }
            Err(failure) => {
                last = Err(failure);
                ControlFlow::Break(())
            }
        }
    };
    agent::continuous(&asked, &SystemClock, &interrupt, &mut tell_moment, &mut tell).map_err(|error| failed(&error))?;
    last
}

/// Writes one window's report; whether anybody reads it.
fn tell(report: &mut Report, is_first: bool, settings: &Settings) -> Result<bool, Failure> {
    if settings.only_critical {
        report.only_critical();
    }
    let style = match settings.form {
        Form::Plain => settings.style.plain(),
        _ => settings.style,
    };
    output::write_on(&match settings.form {
        Form::Json => report::json_line(&report)
            .map_err(|error| Failure::own(format!("the report cannot be written as JSON: {error}"), "use --output pretty"))?,
        Form::Markdown => report::markdown(report),
        Form::Pretty | Form::Plain if is_first => report::pretty(report, &style),
        Form::Pretty | Form::Plain => report::pretty_changes(report, &style),
    })
}
