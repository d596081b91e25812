//! Words of a value: splitting, unquoting, quoting.

pub use super::variable::{expand_variables, is_variable_name};
use super::{BLANKS, is_hidden};

/// One word of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word without its quotes and escapes.
    pub text: String,
    /// Byte offset in the value of the word as written, quotes included.
    pub start: usize,
    /// One past the last byte of the word as written.
    pub end: usize,
}

/// A word that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WordError {
    /// Byte offset in the value of what is wrong.
    pub start: usize,
    /// One past the last byte of what is wrong.
    pub end: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Splits a value at blanks; quotes are removed and C escapes are resolved, inside and outside of both kinds of
/// quotes, as systemd does for `ExecStart=` and `Environment=` (systemd.syntax(7), "Quoting"). A lone `;` is a word
/// as any other.
///
/// # Errors
/// A quote that is not closed, an escape that does not exist (systemd warns and keeps it), an escape for NUL, or
/// escapes that are not UTF-8 together.
pub fn split(value: &str) -> Result<Vec<Word>, WordError> {
    split_with(value, Backslash::Escapes)
}

/// Splits a value at blanks; quotes are removed and a backslash is a character like any other, as systemd does for
/// lists of unit names and Quadlet for most of its lists.
///
/// # Errors
/// A quote that is not closed.
pub fn split_plain(value: &str) -> Result<Vec<Word>, WordError> {
    split_with(value, Backslash::Plain)
}

/// What a backslash means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    /// It begins a C escape.
    Escapes,
    /// Nothing.
    Plain,
    /// The character behind it is meant literally, and a quote that is open at the end is closed there: systemd's
    /// way with the value of a variable.
    Literal,
}

fn is_blank(byte: u8) -> bool {
    BLANKS.contains(&char::from(byte))
}

pub(super) fn split_with(value: &str, backslash: Backslash) -> Result<Vec<Word>, WordError> {
    let bytes = value.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|byte| is_blank(**byte)).count();
        if at == bytes.len() {
            return Ok(words);
        }
        let word = first_word(value, at, backslash)?;
        at = word.end;
        words.push(word);
    }
}

/// The word that begins at `start`. Bytes are collected, not characters: escapes may name single bytes of one.
fn first_word(value: &str, start: usize, backslash: Backslash) -> Result<Word, WordError> {
    let bytes = value.as_bytes();
    let mut text = Vec::new();
    let mut quote = None;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (byte, quote) {
            (b'\\', _) if backslash == Backslash::Escapes => at += unescape(value, at, &mut text)?,
            (b'\\', _) if backslash == Backslash::Literal => {
                text.extend(bytes.get(at));
                at = bytes.len().min(at + 1);
            }
            (b'"' | b'\'', None) => quote = Some((byte, at - 1)),
            (_, Some((opening, _))) if byte == opening => quote = None,
            (_, None) if is_blank(byte) => {
                at -= 1;
                break;
            }
            _ => text.push(byte),
        }
    }
    if let Some((mark, opening)) = quote
        && backslash != Backslash::Literal
    {
        let message = format!("the quote `{}` is not closed", char::from(mark));
        return Err(WordError {
            start: opening,
            end: value.len(),
            message,
        });
    }
    let text = String::from_utf8(text).map_err(|_| WordError {
        start,
        end: at,
        message: "the escapes of this word do not make UTF-8 together".to_owned(),
    })?;
    Ok(Word { text, start, end: at })
}

/// Resolves the C escape whose character behind the backslash stands at `at`, and says how many bytes it has from
/// there.
fn unescape(value: &str, at: usize, text: &mut Vec<u8>) -> Result<usize, WordError> {
    let error = |message: &str| {
        let shown = value[at..].chars().next().map_or(0, char::len_utf8);
        Err(WordError {
            start: at - 1,
            end: at + shown,
            message: message.to_owned(),
        })
    };
    let number = |skip: usize, digits: usize, radix: u32| {
        let digits = value.as_bytes().get(at + skip..at + skip + digits)?;
        digits.iter().try_fold(0u32, |n, digit| {
            Some(n * radix + char::from(*digit).to_digit(radix)?)
        })
    };
    let Some(&escape) = value.as_bytes().get(at) else {
        return error("a backslash at the end: write `\\\\` for a backslash");
    };
    let single = match escape {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b's' => b' ',
        b'\\' | b'"' | b'\'' => escape,
        b'x' | b'0'..=b'7' => {
            let (byte, length) = if escape == b'x' {
                (number(1, 2, 16), 3)
            } else {
                (number(0, 3, 8), 3)
            };
            return match byte.and_then(|byte| u8::try_from(byte).ok()) {
                Some(0) => error("NUL cannot be in a word"),
                Some(byte) => {
                    text.push(byte);
                    Ok(length)
                }
                None => {
                    error("write a byte as `\\xhh` with two hexadecimal or `\\ooo` with three octal digits")
                }
            };
        }
        b'u' | b'U' => {
            let digits = if escape == b'u' { 4 } else { 8 };
            return match number(1, digits, 16).and_then(char::from_u32) {
                Some('\0') => error("NUL cannot be in a word"),
                Some(c) => {
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    Ok(1 + digits)
                }
                None => error("write a character as `\\uhhhh` or `\\Uhhhhhhhh`, in hexadecimal digits"),
            };
        }
        b';' => return error("there is no escape `\\;`: write `\";\"`"),
        _ => return error("there is no such escape: write `\\\\` for a backslash"),
    };
    text.push(single);
    Ok(1)
}

/// The text that [`split`] reads back as exactly `word`: as it is where that will do, else in the quotes that need
/// fewer escapes. `%` and `$` are left alone. No unit can hold a NUL: for that, the text is one that [`split`]
/// refuses.
pub fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let count = |mark: char| word.matches(mark).count();
    let mark = match (count('"'), count('\''), word.is_empty() || word.contains(' ')) {
        (0, 0, false) => None,
        (double, single, _) if double > single => Some('\''),
        _ => Some('"'),
    };
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.extend(mark);
    for c in word.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if Some(c) == mark => quoted.extend(['\\', c]),
            // `\x` would name a byte, not a character.
            _ if is_hidden(c) && c.is_ascii() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            _ if is_hidden(c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.extend(mark);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(words: Result<Vec<Word>, WordError>) -> Vec<String> {
        words.unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_unquoted_and_unescaped() {
        for (value, expected) in [
            ("", &[][..]),
            (" \t ", &[]),
            ("a  b\tc", &["a", "b", "c"]),
            (r#""a b"c 'd "e"' """#, &["a bc", "d \"e\"", ""]),
            (
                r#"A="x y"z 'q\'r' B=\x41\u00e4\s."#,
                &["A=x yz", "q'r", "B=A\u{e4} ."],
            ),
            (
                r"\a\b\f\n\r\t\v\\\x7f\101\U0001f600",
                &["\x07\x08\x0c\n\r\t\x0b\\\x7fA\u{1f600}"],
            ),
            (r"\xc3\xa4 \303\244", &["\u{e4}", "\u{e4}"]),
            ("a;b ; \";\" $A %n", &["a;b", ";", ";", "$A", "%n"]),
        ] {
            assert_eq!(texts(split(value)), expected, "{value}");
        }
    }

    #[test]
    fn plain_words_keep_backslashes() {
        assert_eq!(
            texts(split_plain(r#"a\x2db "c d\" 'e"f' \"#)),
            ["a\\x2db", "c d\\", "e\"f", "\\"]
        );
        assert_eq!(split_plain("a \"b").unwrap_err().start, 2);
    }

    #[test]
    fn words_know_where_they_stand() {
        let value = r#" ab  "c d"\x41 e"#;
        let places: Vec<&str> = split(value)
            .unwrap()
            .iter()
            .map(|w| &value[w.start..w.end])
            .collect();
        assert_eq!(places, ["ab", r#""c d"\x41"#, "e"]);
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        for (value, wrong) in [
            (r#"a "b c"#, "\"b c"),
            (r#"a b"c 'd"#, "\"c 'd"),
            (r"a b\qc", r"\q"),
            (r"a\\\\\", "\\"),
            (r"a \ b", r"\ "),
            (r"\x4", r"\x"),
            (r"\x00", r"\x"),
            (r"\000", r"\0"),
            (r"\777", r"\7"),
            (r"\18", r"\1"),
            (r"\u0000", r"\u"),
            (r"\ud800", r"\u"),
            (r"\U00110000", r"\U"),
            ("\\\u{e4}", "\\\u{e4}"),
            (r"find \;", r"\;"),
            (r"a b\xffc d", r"b\xffc"),
        ] {
            let error = split(value).unwrap_err();
            assert_eq!(&value[error.start..error.end], wrong, "{value}: {error}");
        }
    }

    #[test]
    fn quotes_only_where_they_are_needed() {
        for (word, expected) in [
            ("", r#""""#),
            ("a;b=$%#", "a;b=$%#"),
            ("a b", r#""a b""#),
            ("it's", r#""it's""#),
            (r#"say "a""#, r#"'say "a"'"#),
            (r#"a"b'c"#, r#""a\"b'c""#),
            ("a\\", r"a\\"),
            (
                "a\n\t\x01\u{85}\u{202e}\u{e4}",
                "a\\n\\t\\x01\\u0085\\u202e\u{e4}",
            ),
        ] {
            assert_eq!(quote(word), expected);
        }
        assert!(split(&quote("a\0b")).is_err());
    }

    proptest! {
        #[test]
        fn a_quoted_word_reads_back(words in prop::collection::vec("([^\\x00]|[ \"'\\\\%$;\n\t]){0,12}", 0..4)) {
            let value = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            prop_assert!(!value.contains(is_hidden));
            prop_assert_eq!(texts(split(&value)), words);
        }

        #[test]
        fn splitting_never_panics_and_places_are_in_the_value(value in "([ \"'\\\\xuU07anqs$]|\\PC|\n){0,24}") {
            for result in [split(&value), split_plain(&value)] {
                match result {
                    Ok(words) => {
                        let mut last = 0;
                        for word in words {
                            prop_assert!(last <= word.start && word.start < word.end);
                            prop_assert!(value.get(word.start..word.end).is_some());
                            last = word.end;
                        }
                    }
                    Err(error) => {
                        prop_assert!(error.start < error.end && value.get(error.start..error.end).is_some());
                    }
                }
            }
        }
    }
}
