//! `$` expansion of command lines.

use super::words::{Backslash, split_with};

/// Expands variables in the words of a command line as systemd does (systemd.service(5), "Command lines"):
/// `${NAME}` anywhere becomes the value, nothing if `get` gives `None`; a word `$NAME` becomes the words of the value,
/// which may be none; `$$` becomes `$`; any other `$` stays.
///
/// A word that begins with a single `$` but goes on with what cannot be a name, such as `$5` or `$A.b`, becomes
/// nothing: systemd takes all of it for a name that is not set.
pub fn expand_variables(words: &[String], get: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let get = |name: &str| {
        if is_variable_name(name) {
            get(name).unwrap_or_default()
        } else {
            String::new()
        }
    };
    let mut expanded = Vec::with_capacity(words.len());
    for word in words {
        match word.strip_prefix('$') {
            Some(name) if !name.starts_with(['{', '$']) => {
                // Splitting fails on nothing with this rule.
                let values = split_with(&get(name), Backslash::Literal).unwrap_or_default();
                expanded.extend(values.into_iter().map(|value| value.text));
            }
            _ => expanded.push(expand_in_word(word, &get)),
        }
    }
    expanded
}

/// `${NAME}` and `$$` within a word.
fn expand_in_word(word: &str, get: &dyn Fn(&str) -> String) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let Some(name) = after.strip_prefix('{') else {
            expanded.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
            continue;
        };
        // `:` begins an operator, such as in `${NAME:-value}`, which command lines do not have: that stays.
        let end = name.find(['}', ':']).unwrap_or(name.len());
        if name[end..].starts_with('}') {
            expanded.push_str(&get(&name[..end]));
            rest = &name[end + 1..];
        } else {
            expanded.push_str("${");
            expanded.push_str(&name[..end]);
            rest = &name[end..];
        }
    }
    expanded.push_str(rest);
    expanded
}

/// Whether this can be the name of a variable: letters, digits and `_`, no digit first (systemd.exec(5)).
pub fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What systemd 257 made of these words.
    #[test]
    fn variables_as_systemd_expands_them() {
        let get = |name: &str| match name {
            "A" => Some(r"one 't w o' th\ree\ x".to_owned()),
            "E" => Some(String::new()),
            "Q" => Some("a \"b c".to_owned()),
            "S" => Some("v".to_owned()),
            _ => None,
        };
        for (word, expected) in [
            ("$A", &["one", "t w o", "three x"][..]),
            ("${A}", &[r"one 't w o' th\ree\ x"]),
            ("$Q", &["a", "b c"]),
            ("$E", &[]),
            ("${E}", &[""]),
            ("$UNSET", &[]),
            ("${UNSET}", &[""]),
            ("$5", &[]),
            ("$S.b", &[]),
            ("$S$S", &[]),
            ("$", &[]),
            ("x$S", &["x$S"]),
            ("a$", &["a$"]),
            ("$$", &["$"]),
            ("$$S", &["$S"]),
            ("$${S}", &["${S}"]),
            ("x${S}y${S}", &["xvyv"]),
            ("${S", &["${S"]),
            ("${S:-x}", &["${S:-x}"]),
            ("${S:$$}", &["${S:$}"]),
            ("${S:}}", &["${S:}}"]),
            ("${}", &[""]),
            ("${1}", &[""]),
            ("${x y}z", &["z"]),
            ("${a$$b}", &[""]),
            ("${a${S}", &[""]),
        ] {
            assert_eq!(expand_variables(&[word.to_owned()], &get), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn doubled_dollars_are_one(word in "[${}:a]{0,12}") {
            prop_assert_eq!(expand_variables(&[word.replace('$', "$$")], &|_| None), [word]);
        }

        #[test]
        fn nothing_panics(word in "([${}:a \"'\\\\]|\\PC){0,16}") {
            expand_variables(std::slice::from_ref(&word), &|name| Some(format!("{name} {word}")));
        }
    }
}
