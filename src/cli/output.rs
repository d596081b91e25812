//! All printing: tables and JSON to standard output, errors to standard error.

use serde::Serialize;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// How a command lists things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Prints an error with its causes, one line: what happened, then why.
pub fn error(error: &anyhow::Error) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "podunit: {error:#}");
}

/// Prints what did not keep the command from being done, but is not as it was asked for.
pub fn warning(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "podunit: warning: {text}");
}

/// Prints a line of text. A reader that has gone away ends the program quietly, as it ends any filter.
pub fn line(text: impl std::fmt::Display) {
    if writeln!(io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// A value that cannot be written as JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows in columns under a heading, as `systemctl` does: two spaces between columns, none at the end.
pub fn table(heading: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .map(|row| row.get(column).map_or(0, |cell| cell.width()));
        cells.chain([heading[column].width()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let heading: Vec<String> = heading.iter().map(|&title| title.to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        line(text.trim_end());
    }
}

/// Bytes in decimal units with one digit behind the point, as `podman images` has them.
pub fn size(bytes: u64) -> String {
    let mut unit = 1000;
    if bytes < unit {
        return format!("{bytes} B");
    }
    let mut names = ["kB", "MB", "GB", "TB"].into_iter().peekable();
    while let Some(name) = names.next() {
        if bytes / unit < 1000 || names.peek().is_none() {
            return format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10));
        }
        unit *= 1000;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (4_261_550, "4.2 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(999_999_999_999_999_999), "999999.9 TB");
    }
}
