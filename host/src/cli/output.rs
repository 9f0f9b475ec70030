//! Writing to standard output, and what terminals can show.

use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use super::Failure;

/// Writes all of a text. A reader that has gone away wants no more and is no error.
pub(super) fn write(text: &str) -> Result<(), Failure> {
    write_on(text).map(|_| ())
}

/// The same, and whether somebody wants more.
pub(super) fn write_on(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::own(
            format!("the output cannot be written to standard output: {error}"),
            "make room where standard output goes, or send it elsewhere",
        )),
    }
}

/// Whether standard output shows colour: a terminal that can, unless `NO_COLOR`, `TERM=dumb`, `CLICOLOR` or `CLICOLOR_FORCE` say
/// otherwise.
pub(super) fn color_on_stdout() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// The same for standard error.
pub(super) fn color_on_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// Columns of standard output; `None` when it is no terminal.
pub(super) fn columns() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0)).or(Some(80))
}

/// Columns of standard error.
pub(super) fn columns_of_stderr() -> usize {
    terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0))
}

/// Whether a line on standard error can be drawn over.
pub(super) fn live_stderr() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}
