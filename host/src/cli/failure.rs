//! How an error is told: what failed, why, and the one thing to do. The only place that does.

use std::io::Write;

use super::exit;

/// An error on its way to the user.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    help: String,
    /// What else is wrong.
    more: Vec<(String, String)>,
    code: u8,
}

/// More mistakes than these are only counted.
const MOST: usize = 20;

impl Failure {
    /// Wrong usage or configuration: `what: why`, and what to do.
    pub(super) fn usage(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), more: Vec::new(), code: exit::USAGE }
    }

    /// kerno itself failed.
    pub(super) fn own(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), more: Vec::new(), code: exit::FAILED }
    }

    /// Several mistakes in usage or configuration: of each what it is, and what to do.
    pub(super) fn several(mistakes: Vec<(String, String)>) -> Self {
        let number = mistakes.len();
        let mut mistakes = mistakes.into_iter();
        let (what, help) = mistakes.next().unwrap_or_default();
        let mut more: Vec<_> = mistakes.take(MOST - 1).collect();
        if number > MOST {
            more.push((format!("{} more mistakes are not told", number - MOST), "mend these first".to_owned()));
        }
        Self { more, ..Self::usage(what, help) }
    }

    /// Both of two.
    pub(super) fn beside(mut self, other: Self) -> Self {
        self.more.push((other.what, other.help));
        self.more.extend(other.more);
        self
    }

    /// With something that is worth knowing beside it.
    pub(super) fn and(mut self, more: impl AsRef<str>) -> Self {
        self.what = format!("{}; {}", self.what, more.as_ref());
        self
    }

    /// Writes it to standard error and gives the exit code. When standard error is gone there is nobody to tell.
    pub(super) fn tell(&self) -> u8 {
        let (error, help) = if super::output::color_on_stderr() {
            let bold = |color: anstyle::AnsiColor| color.on_default().bold();
            let (red, cyan) = (bold(anstyle::AnsiColor::Red), bold(anstyle::AnsiColor::Cyan));
            (format!("{red}error{red:#}"), format!("{cyan}help{cyan:#}"))
        } else {
            ("error".to_owned(), "help".to_owned())
        };
        let mut text = format!("{error}: {}\n{help}: {}\n", self.what, self.help);
        for (what, to_do) in &self.more {
            text += &format!("{error}: {what}\n{help}: {to_do}\n");
        }
        drop(std::io::stderr().write_all(text.as_bytes()));
        self.code
    }
}

/// Tells what is worth knowing and keeps nothing from being done.
pub(super) fn warn(what: &str) {
    let warning = if super::output::color_on_stderr() {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        format!("{yellow}warning{yellow:#}")
    } else {
        "warning".to_owned()
    };
    drop(std::io::stderr().write_all(format!("{warning}: {what}\n").as_bytes()));
}

/// An error and what caused it, as one line: `what: why: why`.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let why = cause.to_string();
        if !text.ends_with(&why) {
            text = format!("{text}: {why}");
        }
        source = cause.source();
    }
    text
}
