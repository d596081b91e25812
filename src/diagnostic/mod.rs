//! A problem with a place, and how it is shown: on a terminal with the line and a caret ([`render()`]), in the kernel
//! log on one line ([`line()`]), as JSON ([`Record`]), as SARIF ([`sarif()`]).
//!
//! Everything quoted here may come from a hostile file: no control character of it reaches a terminal or a log.

mod line;
pub mod nearest;
mod record;
mod render;
mod sarif;

pub use line::line;
pub use record::Record;
pub use render::render;
pub use sarif::sarif;

use serde::Serialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A text that problems can point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path as shown to the user.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Legal, but perhaps not what was meant.
    Warning,
    /// The pod cannot be made.
    Error,
}

impl Severity {
    /// The word a user sees.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The code of all errors: a definition that cannot be made into a pod.
pub const INVALID: &str = "invalid";
/// The code of warnings about what is written and changes nothing.
pub const NO_EFFECT: &str = "no-effect";

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Bytes `start..end` of its text; `None` for the file as a whole.
    pub bytes: Option<(usize, usize)>,
}

impl Place {
    /// A file as a whole.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            bytes: None,
        }
    }
}

/// One problem: what happened, where, what it means for the pod, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of problem, a name for programs that stays. No two lints share one.
    pub code: &'static str,
    /// What is wrong, one sentence without a final stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// A second place that the message speaks of, with a word on it.
    pub other: Option<(Place, String)>,
    /// What to do, if it can be said.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that keeps the pod from being made.
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code: INVALID,
            message: message.into(),
            place,
            other: None,
            help: None,
        }
    }

    /// A problem that the pod can live with: something that changes nothing, unless another [`Self::code`] is set.
    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code: NO_EFFECT,
            ..Self::error(place, message)
        }
    }

    /// The same as a problem of another kind.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same with a word on what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same with a second place and a word on it.
    #[must_use]
    pub fn other(self, place: Place, word: impl Into<String>) -> Self {
        Self {
            other: Some((place, word.into())),
            ..self
        }
    }
}

/// Line and column in a text, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
}

impl Position {
    /// The position of a byte; one behind the end or within a character counts as the next one before it.
    fn of(text: &str, byte: usize) -> Self {
        let before = &text[..floor_char_boundary(text, byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

fn floor_char_boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

fn text_of<'a>(path: &Path, sources: &'a [Source]) -> Option<&'a str> {
    sources
        .iter()
        .find(|source| source.path == path)
        .map(|source| source.text.as_str())
}

/// Whether a character moves the cursor, hides or reorders text, or ends a line, on a terminal or in a log.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with unsafe characters written as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if is_unsafe(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// At most `limit` bytes of the text, with `…` where something was cut off.
fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let end = floor_char_boundary(text, limit.saturating_sub('…'.len_utf8()));
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let at = |byte| {
            let position = Position::of("a\nbä\tc", byte);
            (position.line, position.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (2, 1));
        assert_eq!(at(4), (2, 2)); // within ä
        assert_eq!(at(5), (2, 3));
        assert_eq!(at(999), (2, 5));
    }

    #[test]
    fn unsafe_characters_are_spelled_out() {
        assert_eq!(printable("a\x1b[31m\u{202e}ä\n"), "a\\u{1b}[31m\\u{202e}ä\\n");
        assert_eq!(bounded("ääää", 7), "ää…");
    }
}
