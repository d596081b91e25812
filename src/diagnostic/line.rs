//! A problem on one line, for the kernel log and the journal.

use super::{Position, Problem, Source, bounded, printable, text_of};

/// A record of the kernel log holds about 1000 bytes (`LOG_LINE_MAX`), some of them its own.
const LONGEST: usize = 900;

/// The problem as `file:line:column: error: message (help)`, one line of at most 900 bytes.
pub fn line(problem: &Problem, sources: &[Source]) -> String {
    let Problem {
        severity,
        message,
        place,
        help,
        ..
    } = problem;
    let mut text = printable(&place.path.to_string_lossy()).into_owned();
    if let (Some((start, _)), Some(source)) = (place.bytes, text_of(&place.path, sources)) {
        let Position { line, column } = Position::of(source, start);
        text.push_str(&format!(":{line}:{column}"));
    }
    text.push_str(&format!(": {}: {}", severity.word(), printable(message)));
    if let Some(help) = help {
        text.push_str(&format!(" ({})", printable(help)));
    }
    bounded(&text, LONGEST).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    #[test]
    fn one_bounded_line_whatever_is_in_it() {
        let source = Source {
            path: "/etc/podunit/x.pod".into(),
            text: "[Pod]\nImge=a\n".to_owned(),
        };
        let place = Place {
            path: source.path.clone(),
            bytes: Some((6, 10)),
        };
        let problem = Problem::error(place, "no\nsuch \x1b key").help("write Image=");
        let text = line(&problem, std::slice::from_ref(&source));
        assert_eq!(
            text,
            "/etc/podunit/x.pod:2:1: error: no\\nsuch \\u{1b} key (write Image=)"
        );
        let long = Problem::warning(Place::file("/x"), "ä".repeat(5000));
        assert!(line(&long, &[]).len() <= LONGEST);
    }
}
