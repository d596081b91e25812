//! systemd's unit-file syntax (systemd.syntax(7)), knowing nothing of pods.
//!
//! [`parse`](parse::parse) reads a file into sections and assignments that know where they stand;
//! [`words`] splits and quotes values; [`specifier`] expands `%`; [`mod@write`] is the one way in which a unit file is
//! written. All of it is pure: no file is opened here.

pub mod name;
pub mod parse;
#[cfg(test)]
mod round_trip;
pub mod specifier;
pub mod value;
mod variable;
pub mod words;
pub mod write;

/// Bytes `start..end` of a file's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A file as read: its sections in the order in which they stand, repeated ones not merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Sections.
    pub sections: Vec<Section>,
    /// Where Quadlet's reader takes lines to go on in another way than systemd's does.
    pub doubts: Vec<SyntaxError>,
}

/// `[name]` and what follows until the next header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets.
    pub name: String,
    /// Where that text stands.
    pub span: Span,
    /// Assignments in order.
    pub assignments: Vec<Assignment>,
}

/// `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value as systemd sees it: a backslash that continues the line has become a blank (blanks at the beginning
    /// of the next line stay), comment lines in between are left out, blanks at both ends are cut.
    pub value: String,
    /// Where the value stands, from its first to its last byte; empty, behind the `=`, for an empty value.
    pub value_span: Span,
    /// Pieces of `value` that stand together in the file: (offset in `value`, offset in the file), ascending.
    pub pieces: Vec<(usize, usize)>,
}

impl Assignment {
    /// Where bytes `start..end` of the value stand in the file.
    pub fn span_of(&self, start: usize, end: usize) -> Span {
        if self.pieces.is_empty() {
            self.value_span
        } else {
            span_in(&self.pieces, start, end)
        }
    }
}

/// Where bytes `start..end` of a text stand in the file, the text being put together from `pieces` (which see in
/// [`Assignment`]; not empty).
fn span_in(pieces: &[(usize, usize)], start: usize, end: usize) -> Span {
    let place = |offset: usize| {
        let after = pieces.partition_point(|(from, _)| *from <= offset);
        let (from, at) = pieces[after.max(1) - 1];
        at + (offset - from)
    };
    // The byte behind the last one may stand elsewhere: behind comments, on another line.
    Span {
        start: place(start),
        end: if end > start {
            place(end - 1) + 1
        } else {
            place(start)
        },
    }
}

/// What separates words and is cut from both ends of lines, keys and values.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Whether a character shows nothing or makes text look like what it is not: control characters other than TAB,
/// U+2028 and U+2029, and those that change the direction of text. Such characters have no place in a unit.
pub(crate) fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether any character of a text [is hidden](is_hidden).
fn has_hidden(text: &str) -> bool {
    // Bytes first: nearly every text is ASCII.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    // There is no way out in the middle, so that many are looked at at once.
    !text.bytes().fold(true, |all, byte| all & is_plain(byte)) && text.contains(is_hidden)
}

/// Letters and digits of ASCII, and some other bytes: what a name is made of.
#[derive(Debug)]
struct Alphabet([bool; 256]);

impl Alphabet {
    /// Letters, digits and `others`.
    const fn with(others: &[u8]) -> Self {
        let mut known = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            known[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            known[others[at] as usize] = true;
            at += 1;
        }
        Self(known)
    }

    /// Whether it has this byte.
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// Whether a text is made of it.
    fn spells(&self, text: &str) -> bool {
        text.bytes().all(|byte| self.has(byte))
    }
}

/// A line that systemd could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What is wrong, and what would be right.
    pub message: String,
}
