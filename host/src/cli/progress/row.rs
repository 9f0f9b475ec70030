//! The row of a terminal that progress is drawn in. It ends before the last columns: what the terminal shows of Ctrl-C stands behind it
//! then, and not in a row of its own, from which this one would not be cleared.

use std::io::{self, Write};

use indicatif::TermLike;

use crate::cli::output;

/// Columns that are left free: `^C`, and where the cursor stands after it.
const FREE: usize = 3;

/// Columns that may be drawn in.
pub(super) fn columns() -> usize {
    output::columns_of_stderr().saturating_sub(FREE)
}

/// Standard error.
#[derive(Debug)]
pub(super) struct Row;

impl TermLike for Row {
    fn width(&self) -> u16 {
        u16::try_from(columns()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        moved(rows, 'A')
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        moved(rows, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        moved(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        moved(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// No number of rows or columns is one.
fn moved(by: usize, direction: char) -> io::Result<()> {
    if by == 0 { Ok(()) } else { io::stderr().write_all(format!("\x1b[{by}{direction}").as_bytes()) }
}
