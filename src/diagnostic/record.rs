//! A problem as JSON.

use super::{Place, Position, Problem, Severity, Source, text_of};
use serde::Serialize;
use std::path::Path;

/// A problem as programs read it. Lines and columns count from 1, columns in characters; they are absent where the
/// problem is with the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    #[serde(flatten)]
    pub(super) place: Where,
    severity: Severity,
    code: &'static str,
    message: String,
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) related: Option<Related>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Related {
    #[serde(flatten)]
    pub(super) place: Where,
    pub(super) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Where {
    pub(super) file: String,
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    pub(super) end_line: Option<usize>,
    pub(super) end_column: Option<usize>,
}

impl Record {
    /// The record of a problem that points into `sources`.
    pub fn new(problem: &Problem, sources: &[Source]) -> Self {
        let related = problem.other.as_ref();
        Self {
            place: Where::new(&problem.place, sources),
            severity: problem.severity,
            code: problem.code,
            message: problem.message.clone(),
            help: problem.help.clone(),
            related: related.map(|(place, word)| Related {
                place: Where::new(place, sources),
                message: word.clone(),
            }),
        }
    }
}

impl Where {
    fn new(place: &Place, sources: &[Source]) -> Self {
        let path: &Path = &place.path;
        let text = text_of(path, sources);
        let bounds = place.bytes.zip(text);
        let start = bounds.map(|((start, _), text)| Position::of(text, start));
        let end = bounds.map(|((_, end), text)| Position::of(text, end));
        Self {
            file: path.to_string_lossy().into_owned(),
            line: start.map(|at| at.line),
            column: start.map(|at| at.column),
            end_line: end.map(|at| at.line),
            end_column: end.map(|at| at.column),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_lines_and_columns() {
        let source = Source {
            path: "/x.pod".into(),
            text: "[Pod]\nShare=nat\n".to_owned(),
        };
        let problem = Problem::error(
            Place {
                path: "/x.pod".into(),
                bytes: Some((12, 15)),
            },
            "m",
        )
        .help("h");
        let json = serde_json::to_value(Record::new(&problem, &[source])).unwrap();
        let expected = serde_json::json!({
            "file": "/x.pod", "line": 2, "column": 7, "endLine": 2, "endColumn": 10,
            "severity": "error", "code": "invalid", "message": "m", "help": "h",
        });
        assert_eq!(json, expected);
    }
}
