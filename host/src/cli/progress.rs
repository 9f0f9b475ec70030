//! Progress on standard error: one live line on a terminal; elsewhere a line at the start, one every ten seconds and one at the end.

mod row;

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::agent::Moment;
use crate::collector;
use crate::report::{count, human_seconds};
use row::Row;

/// Takes a live line away, for who quits without an end: what comes next begins at the left.
pub(super) fn leave() {
    if output::live_stderr() {
        drop(std::io::stderr().write_all(b"\r\x1b[K"));
    }
}

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// So often a second it is drawn at most.
const HERTZ: u8 = 20;

/// Columns of the bar.
const BAR: usize = 16;

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
        let bar =
            ProgressBar::with_draw_target(Some(total.as_secs()), ProgressDrawTarget::term_like_with_hz(Box::new(Row), HERTZ));
        if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:{BAR}}} {{wide_msg}}")) {
            bar.set_style(style.progress_chars("━━─"));
        }
        Self::Live { bar, total }
    }

    /// For a window after the first: what is not drawn over is not told again.
    pub(super) fn again(quiet: bool, total: Duration) -> Self {
        if output::live_stderr() { Self::new(quiet, total) } else { Self::Silent }
    }

    /// Tells of a moment.
    pub(super) fn tell(&mut self, moment: &Moment<'_>) {
        match self {
            Self::Silent => {}
            Self::Live { bar, total } => match moment {
                Moment::Starting => bar.set_message("starting"),
                Moment::Started(counts) => bar.set_message(line(Duration::ZERO, *total, counts, beside_the_bar())),
                Moment::Ticked(elapsed, counts) => {
                    bar.set_position(elapsed.as_secs());
                    bar.set_message(line(*elapsed, *total, counts, beside_the_bar()));
                }
                Moment::Measured(_) => {}
                Moment::Judging => bar.finish_and_clear(),
            },
            Self::Lines { next, total } => match moment {
                Moment::Started(counts) => {
                    write(&format!("measuring for {}{}", human_seconds(total.as_secs_f64()), sources(counts)))
                }
                Moment::Ticked(elapsed, counts) if *elapsed >= *next => {
                    *next += EVERY;
                    write(&line(*elapsed, *total, counts, usize::MAX));
                }
                Moment::Judging => write("judging what was measured"),
                Moment::Starting | Moment::Ticked(..) | Moment::Measured(_) => {}
            },
        }
    }
}

/// Columns that are left beside the bar.
fn beside_the_bar() -> usize {
    row::columns().saturating_sub(BAR + 1)
}

/// What has passed and what was counted, in so many columns: collectors that have no room are left out, their numbers never cut.
fn line(elapsed: Duration, total: Duration, counts: &[collector::Progress], columns: usize) -> String {
    const MORE: &str = ", …";
    let mut text = format!("{} s of {}", elapsed.as_secs(), human_seconds(total.as_secs_f64()));
    for (index, progress) in counts.iter().enumerate() {
        let next = format!(", {} {}", progress.collector, count(progress.events));
        let more = if index + 1 < counts.len() { MORE.chars().count() } else { 0 };
        if text.chars().count() + next.len() + more > columns {
            return text + MORE;
        }
        text += &next;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_leaves_collectors_out_and_cuts_no_number() {
        let counts: Vec<_> = [("syscall", 1_204_331), ("sched", 52_044), ("block", 7)]
            .map(|(collector, events)| collector::Progress { collector, events, source: "eBPF" })
            .into();
        let all = "3 s of 30 s, syscall 1,204,331, sched 52,044, block 7";
        let told = |columns| line(Duration::from_secs(3), Duration::from_secs(30), &counts, columns);
        assert_eq!(told(usize::MAX), all);
        assert_eq!(told(all.len()), all);
        assert_eq!(told(all.len() - 1), "3 s of 30 s, syscall 1,204,331, sched 52,044, …");
        assert_eq!(told(40), "3 s of 30 s, syscall 1,204,331, …");
        for columns in 15..all.len() {
            assert!(told(columns).chars().count() <= columns, "{columns}: {}", told(columns));
        }
    }
}
