//! How an error is told: what failed, why, and the one thing to do. The only place that does.

use std::io::Write;

use super::exit;

/// An error on its way to the user.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    help: String,
    code: u8,
}

impl Failure {
    /// Wrong usage or configuration: `what: why`, and what to do.
    pub(super) fn usage(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), code: exit::USAGE }
    }

    /// kerno itself failed.
    pub(super) fn own(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into(), code: exit::FAILED }
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
        let text = format!("{error}: {}\n{help}: {}\n", self.what, self.help);
        drop(std::io::stderr().write_all(text.as_bytes()));
        self.code
    }
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
