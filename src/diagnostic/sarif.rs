//! Problems as SARIF 2.1.0 (Static Analysis Results Interchange Format, an OASIS standard), which services for code
//! review and editors read.

use super::record::{Record, Where};
use super::{Problem, Severity, Source};
use serde_json::{Value, json};

/// The whole log of one run; `rules` are all kinds that there are.
pub fn sarif(problems: &[Problem], sources: &[Source], rules: &[(&str, &str)]) -> Value {
    let rule = |(code, doc): &(&str, &str)| json!({ "id": code, "shortDescription": { "text": doc } });
    let rules: Vec<Value> = rules.iter().map(rule).collect();
    let results: Vec<Value> = problems
        .iter()
        .map(|problem| result(problem, &Record::new(problem, sources)))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "podunit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(problem: &Problem, record: &Record) -> Value {
    let text = match &problem.help {
        Some(help) => format!("{}. Help: {help}", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "ruleId": problem.code,
        "level": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text },
        "locations": [{ "physicalLocation": physical(&record.place) }],
    });
    if let Some(related) = &record.related {
        result["relatedLocations"] = json!([{
            "physicalLocation": physical(&related.place),
            "message": { "text": related.message },
        }]);
    }
    result
}

fn physical(place: &Where) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&place.file) } });
    if let (Some(line), Some(column), Some(end_line), Some(end_column)) =
        (place.line, place.column, place.end_line, place.end_column)
    {
        physical["region"] = json!({
            "startLine": line,
            "startColumn": column,
            "endLine": end_line,
            "endColumn": end_column,
        });
    }
    physical
}

/// A path as a reference to a file (RFC 3986): relative as it was typed, absolute with its scheme.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') {
        "file://".to_owned()
    } else {
        String::new()
    };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    #[test]
    fn what_the_schema_requires_is_there() {
        let source = Source {
            path: "a b.pod".into(),
            text: "[Pod]\nShare=nat\n".to_owned(),
        };
        let place = Place {
            path: "a b.pod".into(),
            bytes: Some((12, 15)),
        };
        let problem = Problem::warning(place, "m")
            .help("h")
            .other(Place::file("/x"), "w")
            .code("c");
        let log = sarif(&[problem], &[source], &[("c", "what c is")]);
        let run = &log["runs"][0];
        let expected = json!([{
            "ruleId": "c",
            "level": "warning",
            "message": { "text": "m. Help: h" },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": "a%20b.pod" },
                "region": { "startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 10 },
            }}],
            "relatedLocations": [{
                "physicalLocation": { "artifactLocation": { "uri": "file:///x" } },
                "message": { "text": "w" },
            }],
        }]);
        assert_eq!(run["results"], expected);
        assert_eq!(log["version"], "2.1.0");
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "c");
    }
}
