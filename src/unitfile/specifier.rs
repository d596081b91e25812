//! `%` specifiers (systemd.unit(5), "Specifiers").

use std::borrow::Cow;

/// A `%` with a letter or digit behind it that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`%{specifier}` is no specifier that can be used here: write `%%` for a percent sign")]
pub struct UnknownSpecifier {
    /// The character behind the `%`.
    pub specifier: char,
    /// Byte offset of the `%` in the text.
    pub offset: usize,
}

/// Replaces each `%x` by `value('x')`, once: what comes in is not looked at again. `%%` becomes `%`. As in systemd, a
/// `%` before anything but an ASCII letter or digit stays when `value` does not know it, and so does one at the end.
///
/// # Errors
/// The first `%` before a letter or digit for which `value` gives `None`.
pub fn expand(text: &str, value: &dyn Fn(char) -> Option<String>) -> Result<String, UnknownSpecifier> {
    let mut expanded = String::with_capacity(text.len());
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        match chars.next() {
            None | Some((_, '%')) => expanded.push('%'),
            Some((_, specifier)) => match value(specifier) {
                Some(text) => expanded.push_str(&text),
                None if specifier.is_ascii_alphanumeric() => {
                    return Err(UnknownSpecifier { specifier, offset });
                }
                None => expanded.extend(['%', specifier]),
            },
        }
    }
    Ok(expanded)
}

/// The text that [`expand`] turns into `text`.
pub fn escape(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte == b'%') {
        true => Cow::Owned(text.replace('%', "%%")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(c: char) -> Option<String> {
        match c {
            'n' => Some("a.service".to_owned()),
            'i' => Some("%n".to_owned()),
            'e' => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn specifiers_are_replaced_once() {
        for (text, expected) in [
            ("", ""),
            ("%n", "a.service"),
            ("%i", "%n"),
            ("<%e>", "<>"),
            ("%%n", "%n"),
            ("%%%n", "%a.service"),
            ("100%", "100%"),
            ("100% sure, %-d, %ä", "100% sure, %-d, %ä"),
        ] {
            assert_eq!(expand(text, &names).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_specifier_has_a_place() {
        let error = expand("ä%%a%2fb", &names).unwrap_err();
        assert_eq!(
            error,
            UnknownSpecifier {
                specifier: '2',
                offset: 5
            }
        );
    }

    proptest! {
        #[test]
        fn escaped_text_expands_to_itself(text in "(%|\\PC){0,20}") {
            prop_assert_eq!(expand(&escape(&text), &names).unwrap(), text);
        }
    }
}
