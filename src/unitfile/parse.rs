//! Text → [`File`].

use super::{Assignment, BLANKS, File, Section, Span, SyntaxError, has_hidden, is_hidden, span_in};
use std::collections::BTreeSet;

/// Longest text in bytes. systemd's own limit for one logical line is the same, so that none can be too long.
const MAX_TEXT: usize = 1 << 20;

/// Most lines of a text.
const MAX_LINES: usize = 10_000;

/// Reads the text of a unit file. Everything that can be read is in the [`File`]; everything that cannot is in the
/// list, in the order of the file.
///
/// This is the grammar of systemd.syntax(7), with two differences: what systemd logs and skips is an error, and so
/// are characters that show nothing (control characters other than TAB and line feed, and those that change the
/// direction of text). A text of more than 1 MiB is not read at all, lines after the 10,000th are not.
pub fn parse(text: &str) -> (File, Vec<SyntaxError>) {
    let mut reader = Reader::default();
    if text.len() > MAX_TEXT {
        reader.error(
            Span { start: 0, end: 0 },
            "the file has more than 1 MiB: it is not read",
        );
        return (reader.file, reader.errors);
    }
    reader.refuse_hidden(text);

    let mut logical = LogicalLine::default();
    let mut start = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    for (number, line) in text[start..].split_inclusive('\n').enumerate() {
        if number == MAX_LINES {
            let message = "the file has more than 10,000 lines: it is not read from here on";
            reader.error(
                Span {
                    start,
                    end: start + line.len(),
                },
                message,
            );
            break;
        }
        // A carriage return is an error already; without it here, it stays the only one.
        let content = line.trim_end_matches(['\n', '\r']);
        let is_comment = content.trim_start_matches(BLANKS).starts_with(['#', ';']);
        if !is_comment {
            reader.doubt(content, start);
            logical.push(content, start);
            if !logical.goes_on() {
                reader.line(&logical);
                logical.text.clear();
                logical.pieces.clear();
            }
        }
        start += line.len();
    }
    if let Some(backslash) = logical.text.len().checked_sub(1) {
        let message = "the line goes on after this backslash, but the file ends: remove the backslash";
        reader.error(logical.span(backslash, backslash + 1), message);
        reader.line(&logical);
    }
    reader.errors.sort_by_key(|error| error.span);
    (reader.file, reader.errors)
}

/// Lines that a backslash joins.
#[derive(Default)]
struct LogicalLine {
    text: String,
    /// As in [`Assignment`].
    pieces: Vec<(usize, usize)>,
}

impl LogicalLine {
    fn push(&mut self, content: &str, start: usize) {
        self.pieces.push((self.text.len(), start));
        self.text.push_str(content);
    }

    /// Whether the next line belongs to this one; then the backslash that says so has become a blank. Two
    /// backslashes are a backslash.
    fn goes_on(&mut self) -> bool {
        let without = self.text.trim_end_matches('\\').len();
        let goes_on = (self.text.len() - without) % 2 == 1;
        if goes_on {
            self.text.pop();
            self.text.push(' ');
        }
        goes_on
    }

    fn span(&self, start: usize, end: usize) -> Span {
        span_in(&self.pieces, start, end)
    }

    /// The part `start..end` without the blanks at its ends.
    fn trim(&self, start: usize, end: usize) -> (usize, usize) {
        let part = &self.text[start..end];
        let begin = start + part.len() - part.trim_start_matches(BLANKS).len();
        (begin, begin + part.trim_matches(BLANKS).len())
    }

    /// The pieces of the part `start..end`, with offsets in that part.
    fn pieces_of(&self, start: usize, end: usize) -> Vec<(usize, usize)> {
        if start == end {
            return Vec::new();
        }
        let later = self
            .pieces
            .iter()
            .filter(|(from, _)| (start + 1..end).contains(from));
        let first = (0, self.span(start, end).start);
        std::iter::once(first)
            .chain(later.map(|(from, at)| (from - start, *at)))
            .collect()
    }
}

#[derive(Default)]
struct Reader {
    file: File,
    errors: Vec<SyntaxError>,
    /// The header above could not be read, hence it is not known where these assignments belong.
    header_is_broken: bool,
    /// The backslash of the line before that joins this one to it, and whether a blank is before it.
    joined: Option<(Span, bool)>,
}

impl Reader {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push(SyntaxError {
            span,
            message: message.into(),
        });
    }

    /// One error for each hidden character that occurs, where it occurs first.
    fn refuse_hidden(&mut self, text: &str) {
        if !text.split('\n').any(has_hidden) {
            return;
        }
        let mut seen = BTreeSet::new();
        for (start, c) in text.char_indices().filter(|(_, c)| is_hidden(*c) && *c != '\n') {
            if seen.insert(c) {
                let message = if c == '\r' {
                    "a carriage return: end lines with a line feed alone".to_owned()
                } else {
                    format!(
                        "the character U+{:04X} shows nothing: remove it, or write it as an escape",
                        u32::from(c)
                    )
                };
                self.error(
                    Span {
                        start,
                        end: start + c.len_utf8(),
                    },
                    message,
                );
            }
        }
    }

    /// Looks for lines that Quadlet joins in another way: it trims each line, puts nothing in the place of the backslash,
    /// and does not end at an empty line.
    fn doubt(&mut self, content: &str, start: usize) {
        let trimmed = content.trim_end_matches(BLANKS);
        if let Some((span, has_blank)) = self.joined.take() {
            let message = match (trimmed.is_empty(), has_blank) {
                (true, _) => {
                    "an empty line ends what this backslash goes on with, as in systemd; Quadlet would go on \
                     behind it: remove the backslash or the empty line"
                }
                (false, false) => {
                    "this backslash becomes a blank, as in systemd; Quadlet would join the lines without one: \
                     write a blank before it"
                }
                (false, true) => "",
            };
            self.file
                .doubts
                .extend((!message.is_empty()).then(|| SyntaxError {
                    span,
                    message: message.to_owned(),
                }));
        }
        let Some(before) = trimmed.strip_suffix('\\') else {
            return;
        };
        let span = Span {
            start: start + before.len(),
            end: start + trimmed.len(),
        };
        if trimmed.len() < content.len() {
            let message = "a blank follows this backslash, so that the line ends, as in systemd; Quadlet would go on \
                           with the next: remove the blank";
            self.file.doubts.push(SyntaxError {
                span,
                message: message.to_owned(),
            });
        } else if !before.ends_with('\\') {
            self.joined = Some((span, before.is_empty() || before.ends_with(BLANKS)));
        }
    }

    fn line(&mut self, line: &LogicalLine) {
        let (start, end) = line.trim(0, line.text.len());
        if start == end {
            return;
        }
        if line.text[start..end].starts_with('[') {
            self.header(line, start, end);
        } else if !self.header_is_broken {
            self.assignment(line, start, end);
        }
    }

    fn header(&mut self, line: &LogicalLine, start: usize, end: usize) {
        let name = line.text[start + 1..end].strip_suffix(']');
        let problem = match name {
            None => Some("a section header ends with `]`, and nothing follows it on its line"),
            Some("") => Some("a section needs a name"),
            Some(name) if name.contains(|c: char| c.is_control() || "\"'\\".contains(c)) => {
                Some("the name of a section has no quotes, backslashes or control characters")
            }
            Some(_) => None,
        };
        self.header_is_broken = problem.is_some();
        match (problem, name) {
            (Some(message), _) => self.error(line.span(start, end), message),
            (None, name) => self.file.sections.push(Section {
                name: name.unwrap_or_default().to_owned(),
                span: line.span(start + 1, end - 1),
                assignments: Vec::new(),
            }),
        }
    }

    fn assignment(&mut self, line: &LogicalLine, start: usize, end: usize) {
        let whole = line.span(start, end);
        let Some(section) = self.file.sections.last_mut() else {
            return self.error(
                whole,
                "this stands before any section: begin with a header such as `[Unit]`",
            );
        };
        let Some(equals) = line.text[start..end].find('=').map(|at| start + at) else {
            return self.error(
                whole,
                "neither a section header nor an assignment: write `Key=value`",
            );
        };
        if equals == start {
            return self.error(whole, "there is no key before `=`: write `Key=value`");
        }
        let (key_start, key_end) = line.trim(start, equals);
        let (value_start, value_end) = line.trim(equals + 1, end);
        let behind_equals = line.span(equals, equals + 1).end;
        section.assignments.push(Assignment {
            key: line.text[key_start..key_end].to_owned(),
            key_span: line.span(key_start, key_end),
            value: line.text[value_start..value_end].to_owned(),
            value_span: if value_start == value_end {
                Span {
                    start: behind_equals,
                    end: behind_equals,
                }
            } else {
                line.span(value_start, value_end)
            },
            pieces: line.pieces_of(value_start, value_end),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Section, key and value of every assignment of a text without errors.
    fn directives(text: &str) -> Vec<(String, String, String)> {
        let (file, errors) = parse(text);
        assert_eq!(errors, [], "{text:?}");
        let of = |s: Section| {
            s.assignments
                .into_iter()
                .map(move |a| (s.name.clone(), a.key, a.value))
                .collect::<Vec<_>>()
        };
        file.sections.into_iter().flat_map(of).collect()
    }

    /// The values of a section's lines.
    fn values(lines: &str) -> Vec<String> {
        directives(&format!("[S]\n{lines}"))
            .into_iter()
            .map(|(_, _, value)| value)
            .collect()
    }

    fn places_of_errors(text: &str) -> Vec<&str> {
        parse(text)
            .1
            .iter()
            .map(|error| &text[error.span.start..error.span.end])
            .collect()
    }

    #[test]
    fn sections_and_assignments_keep_their_order() {
        let text = "\u{feff}# c\n\n [Unit] \n a = b = c \n;d\n[X-My Pod]\n[Unit]\na=\na=%n \"x\"";
        let expected = [
            ("Unit", "a", "b = c"),
            ("Unit", "a", ""),
            ("Unit", "a", "%n \"x\""),
        ];
        assert_eq!(
            directives(text),
            expected.map(|(s, k, v)| (s.to_owned(), k.to_owned(), v.to_owned()))
        );
        assert_eq!(parse(text).0.sections.len(), 3);
    }

    /// Each as systemd 257 reads it.
    #[test]
    fn continuations() {
        assert_eq!(
            values("a=one\\\n  two\\\n# c \\\n  ; c\n\nb=c"),
            ["one   two", "c"]
        );
        assert_eq!(values("a=one\\\n#c\nb=two"), ["one b=two"]);
        assert_eq!(values("a=x \\\\\nb=y"), ["x \\\\", "y"]);
        assert_eq!(values("a=x\\\\\\\nb=y"), ["x\\\\ b=y"]);
        assert_eq!(values("a=x \\ \nb=y"), ["x \\", "y"]);
        assert_eq!(values("a=\\\n\nb=y"), ["", "y"]);
        assert_eq!(values("# c \\\na=x"), ["x"]);
        assert_eq!(directives("[A\\\nb]\nx\\\n=y")[0].0, "A b");
    }

    #[test]
    fn what_quadlet_joins_otherwise_is_in_doubt() {
        let doubts = |text: &str| -> Vec<String> {
            let doubts = parse(&format!("[S]\n{text}")).0.doubts;
            doubts.into_iter().map(|doubt| doubt.message).collect()
        };
        for (text, word) in [
            ("a=x\\\ny", "without one"),
            ("a=x\\\n#c\n  y", "without one"),
            ("a=x \\ \ny=", "a blank follows"),
            ("a=x \\\n\nb=y", "an empty line"),
        ] {
            let doubts = doubts(text);
            assert!(
                doubts.len() == 1 && doubts[0].contains(word),
                "{text}: {doubts:?}"
            );
        }
        for text in ["a=x \\\ny", "a=x \\\n  \\\ny", "a=x\\\\\nb=y"] {
            assert!(doubts(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn places() {
        let text = "[S]\n key =  one\\\n#\u{e4}\n two \\\n\n[T]\nb=";
        let (file, errors) = parse(text);
        assert_eq!(errors, []);
        let shown = |span: Span| &text[span.start..span.end];
        let a = &file.sections[0].assignments[0];
        assert_eq!((shown(file.sections[1].span), shown(a.key_span)), ("T", "key"));
        assert_eq!((a.value.as_str(), a.pieces.len()), ("one  two", 2));
        assert_eq!(shown(a.value_span), "one\\\n#\u{e4}\n two");
        assert_eq!(shown(a.span_of(0, 3)), "one");
        assert_eq!(shown(a.span_of(5, 8)), "two");
        assert_eq!(shown(a.span_of(1, 6)), "ne\\\n#\u{e4}\n t");
        let b = &file.sections[1].assignments[0];
        assert_eq!(
            (b.value_span, b.span_of(0, 0)),
            (
                Span {
                    start: text.len(),
                    end: text.len()
                },
                b.value_span
            )
        );
    }

    #[test]
    fn every_error_has_its_place() {
        for (text, places) in [
            (" a=b\n[S]\n", &["a=b"][..]),
            ("[S]\nno equals \n = b\n", &["no equals", "= b"]),
            ("[S\na=b\n[T] # c\na=b\n[]\n[U]\na=b", &["[S", "[T] # c", "[]"]),
            ("[a\"b]", &["[a\"b]"]),
            ("[", &["["]),
            ("[S]\na=b \\\n# c", &["\\"]),
            ("[S]\r\na=b\\\r\nc\r\n", &["\r"]),
            ("[S]\na=b\0c\0\u{202e}", &["\0", "\u{202e}"]),
        ] {
            assert_eq!(places_of_errors(text), places, "{text:?}");
        }
        assert_eq!(parse("[S]\na=b \\").0.sections[0].assignments[0].value, "b");
        assert_eq!(parse("[S]\na=b\n[T\na=c\n").0.sections[0].assignments.len(), 1);
    }

    #[test]
    fn bounds() {
        let (file, errors) = parse(&"#".repeat(MAX_TEXT + 1));
        assert_eq!((file, errors.len()), (File::default(), 1));
        assert_eq!(parse(&"#".repeat(MAX_TEXT)).1, []);
        assert_eq!(parse(&"\n".repeat(MAX_LINES)).1, []);
        let (file, errors) = parse(&format!("[S]{}[T]", "\n".repeat(MAX_LINES)));
        assert_eq!((file.sections.len(), errors.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_places_are_in_the_text(text in "(\n|[\\[\\]=\\\\#; a]|\r|\u{0}|.){0,60}") {
            let (file, errors) = parse(&text);
            let is_in = |span: Span| text.get(span.start..span.end).is_some();
            for error in errors {
                prop_assert!(is_in(error.span));
            }
            for section in file.sections {
                prop_assert!(is_in(section.span));
                for a in section.assignments {
                    prop_assert!(is_in(a.key_span) && is_in(a.value_span));
                    for (at, c) in a.value.char_indices() {
                        let span = a.span_of(at, at + c.len_utf8());
                        let there = &text[span.start..span.end];
                        prop_assert!(there.chars().eq([c]) || (c, there) == (' ', "\\"));
                    }
                }
            }
        }
    }
}
