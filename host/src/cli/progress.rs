//! Progress on standard error: one live line on a terminal, a line every ten seconds elsewhere.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::agent::Moment;
use crate::collector;
use crate::report::{count, human_seconds};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Shows progress, or nothing.
pub(super) enum Progress {
    /// With `--quiet`.
    Silent,
    /// One line, drawn over.
    Live { bar: ProgressBar, total: Duration },
    /// Lines.
    Lines { next: Duration, total: Duration },
}

impl Progress {
    /// For a window of so long.
    pub(super) fn new(quiet: bool, total: Duration) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !output::live_stderr() {
            return Self::Lines { next: EVERY, total };
        }
        let bar = ProgressBar::with_draw_target(Some(total.as_secs()), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:16} {msg}") {
            bar.set_style(style.progress_chars("━━─"));
        }
        Self::Live { bar, total }
    }

    /// Tells of a moment.
    pub(super) fn tell(&mut self, moment: &Moment<'_>) {
        match self {
            Self::Silent => {}
            Self::Live { bar, total } => match moment {
                Moment::Starting => bar.set_message("starting"),
                Moment::Started(counts) => bar.set_message(line(Duration::ZERO, *total, counts)),
                Moment::Ticked(elapsed, counts) => {
                    bar.set_position(elapsed.as_secs());
                    bar.set_message(line(*elapsed, *total, counts));
                }
                Moment::Judging => bar.finish_and_clear(),
            },
            Self::Lines { next, total } => match moment {
                Moment::Started(counts) => {
                    write(&format!("measuring for {}{}", human_seconds(total.as_secs_f64()), sources(counts)))
                }
                Moment::Ticked(elapsed, counts) if *elapsed >= *next => {
                    *next += EVERY;
                    write(&line(*elapsed, *total, counts));
                }
                Moment::Starting | Moment::Ticked(..) | Moment::Judging => {}
            },
        }
    }
}

fn line(elapsed: Duration, total: Duration, counts: &[collector::Progress]) -> String {
    let mut text = format!("{} s of {}", elapsed.as_secs(), human_seconds(total.as_secs_f64()));
    for progress in counts {
        text += &format!(", {} {} events ({})", progress.collector, count(progress.events), progress.source);
    }
    text
}

fn sources(counts: &[collector::Progress]) -> String {
    let from = |source: &str| if source == "off" { source.to_owned() } else { format!("from {source}") };
    let sources: Vec<String> =
        counts.iter().map(|progress| format!("{} {}", progress.collector, from(progress.source))).collect();
    if sources.is_empty() { String::new() } else { format!(": {}", sources.join(", ")) }
}

/// One line; when standard error is gone there is nobody to tell.
fn write(text: &str) {
    drop(std::io::stderr().write_all(format!("kerno: {text}\n").as_bytes()));
}
