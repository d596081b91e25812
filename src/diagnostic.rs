//! A problem with a place, and how it is shown: on a terminal with the line and a caret, in the kernel log on one
//! line, as JSON.

use serde::Serialize;
use std::path::PathBuf;

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

/// A place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Bytes `start..end` of its text; `None` for the file as a whole.
    pub bytes: Option<(usize, usize)>,
}

/// One problem: what happened, where, what it means for the pod, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one sentence without a final stop.
    pub message: String,
    /// Where.
    pub place: Place,
    /// A second place that the message speaks of, with a word on it.
    pub other: Option<(Place, String)>,
    /// What to do, if it can be said.
    pub help: Option<String>,
}
