//! Problems with the line they stand on and a caret, for a terminal.

use super::{
    Place, Position, Problem, Severity, Source, bounded, floor_char_boundary, is_unsafe, printable, text_of,
};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// Most bytes of a line that are shown on either side of a place, and of the place itself.
const WINDOW: usize = 200;
/// Most bytes of a message or a help.
const LONGEST: usize = 1000;

/// Shows the problems one below the other, each ending in a line end and an empty line between two.
pub fn render(problems: &[Problem], sources: &[Source], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let one = |problem| format!("{}\n", renderer.render(&[report(problem, sources)]));
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn report<'a>(problem: &'a Problem, sources: &[Source]) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(shown(&problem.message)));
    group = point_at(group, &problem.place, AnnotationKind::Primary, None, sources);
    if let Some((place, word)) = &problem.other {
        group = point_at(group, place, AnnotationKind::Context, Some(word), sources);
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(shown(help)));
    }
    group
}

fn shown(text: &str) -> String {
    bounded(&printable(text), LONGEST).into_owned()
}

fn point_at<'a>(
    group: Group<'a>,
    place: &Place,
    kind: AnnotationKind,
    label: Option<&str>,
    sources: &[Source],
) -> Group<'a> {
    let path = printable(&place.path.to_string_lossy()).into_owned();
    let Some(((start, end), text)) = place.bytes.zip(text_of(&place.path, sources)) else {
        let label = label.map(|label| Level::NOTE.message(format!("{} ({path})", shown(label))));
        return match label {
            Some(note) => group.element(note),
            None => group.element(Origin::path(path)),
        };
    };
    let excerpt = Excerpt::new(text, start, end);
    let annotation = kind.span(excerpt.span).label(label.map(shown));
    let Position { line, column } = Position::of(text, start);
    // The excerpt may lack the beginning of the line: the true column is written into the path.
    let origin = if excerpt.whole_start {
        path
    } else {
        format!("{path} (column {column})")
    };
    group.element(
        Snippet::source(excerpt.text)
            .line_start(line)
            .path(origin)
            .annotation(annotation),
    )
}

/// The part of a line that is shown, with what a terminal must not see replaced.
struct Excerpt {
    text: String,
    span: Range<usize>,
    whole_start: bool,
}

impl Excerpt {
    fn new(text: &str, start: usize, end: usize) -> Self {
        let start = floor_char_boundary(text, start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let from = if start - line_start > WINDOW {
            floor_char_boundary(text, start - WINDOW)
        } else {
            line_start
        };
        let until = floor_char_boundary(text, line_end.min(start + 2 * WINDOW));
        let end = floor_char_boundary(text, end.min(start + WINDOW)).clamp(start, until);
        let before = replaced(&text[from..start]);
        let marked = replaced(&text[start..end]);
        let after = replaced(&text[end..until]);
        let span = before.len()..before.len() + marked.len();
        Self {
            text: before + &marked + &after,
            span,
            whole_start: from == line_start,
        }
    }
}

fn replaced(text: &str) -> String {
    text.replace(|c| is_unsafe(c) && c != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bytes: (usize, usize)) -> Place {
        Place {
            path: "/etc/podunit/x.pod".into(),
            bytes: Some(bytes),
        }
    }

    fn rendered(text: &str, problem: Problem) -> String {
        let source = Source {
            path: "/etc/podunit/x.pod".into(),
            text: text.to_owned(),
        };
        render(&[problem], &[source], false)
    }

    #[test]
    fn a_line_with_a_caret() {
        let problem = Problem::error(place((12, 15)), "`nat` is no namespace").help("did you mean `net`?");
        let text = rendered("[Pod]\nShare=nat\n", problem);
        let expected = "\
error: `nat` is no namespace
 --> /etc/podunit/x.pod:2:7
  |
2 | Share=nat
  |       ^^^
  |
  = help: did you mean `net`?
";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_of_a_hostile_line_reaches_the_terminal() {
        let line = format!("Exec=\x1b]0;title\x07\u{202e}{}\n", "x".repeat(100_000));
        let text = rendered(&line, Problem::error(place((5, 90_000)), "bad \x1b[2J"));
        assert!(!text.contains(|c| is_unsafe(c) && c != '\n'), "{text:?}");
        assert!(text.len() < 4000, "{}", text.len());
        let far = rendered(&line, Problem::error(place((90_000, 90_001)), "far"));
        assert!(far.contains("column") && far.len() < 4000, "{far}");
    }

    #[test]
    fn two_places_and_whole_files() {
        let problem = Problem::error(place((0, 5)), "twice").other(place((6, 11)), "first here");
        assert!(rendered("[Pod]\nShare=nat\n", problem).contains("first here"));
        let problem =
            Problem::error(Place::file("/a.pod"), "not a file").other(Place::file("/b.pod"), "here");
        let text = render(&[problem], &[], false);
        assert!(
            text.contains("--> /a.pod") && text.contains("here (/b.pod)"),
            "{text}"
        );
    }
}
