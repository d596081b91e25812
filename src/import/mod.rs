//! What people have from elsewhere → definitions. Pure: text in, files and notes out; nothing is looked up on the host.
//!
//! ```text
//! command line ── shell ── options ──┐
//! unit of podman generate systemd ───┤
//! inspect's JSON ────────────────────┼──▶ file (a model of the files) ── write ──▶ text
//! compose.yaml ── yaml, compose ─────┤
//! Kubernetes YAML ── yaml, kube ─────┘
//! ```
//!
//! Keys are Quadlet's wherever it has one, whether podunit honours them or not: whoever calls this has the reader of
//! definitions look at the result, leaves out what that refuses, and tells its reasons beside the notes made here.

pub mod compose;
pub mod file;
pub mod inspect;
pub mod kube;
mod options;
pub mod run;
mod shell;
pub mod unit;
mod value;
pub mod write;
mod yaml;

use file::Files;

/// What was made of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The definitions.
    pub files: Files,
    /// What could not be carried over.
    pub notes: Vec<Note>,
}

/// Something that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it was written, as far as that is known, such as `12` for a line.
    pub line: Option<usize>,
    /// What was written.
    pub what: String,
    /// Why it is not in the result, or what to do.
    pub why: String,
}

impl Note {
    /// A note on what was written.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            line: None,
            what: what.into(),
            why: why.into(),
        }
    }

    /// The same with the line on which it was written.
    #[must_use]
    pub fn at(self, line: usize) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }
}

/// A text from which nothing can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not what it should be.
    #[error("{0}")]
    Text(String),
    /// The same with the line.
    #[error("line {line}: {message}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
}

impl ImportError {
    pub(crate) fn text(message: impl Into<String>) -> Self {
        Self::Text(message.into())
    }

    pub(crate) fn line(line: usize, message: impl Into<String>) -> Self {
        Self::Line {
            line,
            message: message.into(),
        }
    }
}

/// The nearest name that units and definitions can have: letters, digits, `-`, `_` and `.`, none of the latter first.
pub(crate) fn name_from(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = text.chars().map(plain).take(60).collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() {
        "pod".to_owned()
    } else {
        name.to_owned()
    }
}

/// The last part of an image's name, without tag and digest: what a container is called whom nobody has named.
pub(crate) fn name_of_image(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    name_from(last.split(['@', ':']).next().unwrap_or_default())
}
