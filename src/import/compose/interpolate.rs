//! `${NAME:-default}` in compose files, and the files `.env` that give the values.

use std::collections::BTreeMap;

/// Deepest nesting of defaults.
const DEEPEST: usize = 16;

/// Where values come from.
pub(super) struct Values<'v> {
    /// The value of a variable, if it is set.
    pub(super) get: &'v dyn Fn(&str) -> Option<String>,
    /// Told of each that is not set and has nothing else in its place: it counts as empty.
    pub(super) missing: &'v dyn Fn(&str),
}

impl Values<'_> {
    fn or_empty(&self, name: &str) -> String {
        (self.get)(name).unwrap_or_else(|| {
            (self.missing)(name);
            String::new()
        })
    }
}

/// The text with values in the place of variables.
///
/// # Errors
/// A variable that must be set and is not, or a `$` that begins none.
pub(super) fn expand(text: &str, values: &Values) -> Result<String, String> {
    expand_to(text, values, 0)
}

fn expand_to(text: &str, values: &Values, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err("this is nested too deep".to_owned());
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| format!("`${{` is not closed in {}", short(text)))?;
            expanded.push_str(&braced(&inner[..end], values, depth)?);
            rest = &inner[end + 1..];
        } else {
            let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
            if end == 0 || after.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(format!(
                    "`$` begins no variable in {}: write $$ for a dollar",
                    short(text)
                ));
            }
            expanded.push_str(&values.or_empty(&after[..end]));
            rest = &after[end..];
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The place of the brace that closes one that is open already.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// What stands between the braces.
fn braced(inner: &str, values: &Values, depth: usize) -> Result<String, String> {
    let end = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("`${{{}}}` names no variable", short(inner)));
    }
    let counts_empty = rest.starts_with(':');
    let mut operator = rest.strip_prefix(':').unwrap_or(rest).chars();
    let Some(sign) = operator.next() else {
        return match counts_empty {
            true => Err(format!("`${{{}}}` is no variable", short(inner))),
            false => Ok(values.or_empty(name)),
        };
    };
    let word = operator.as_str();
    let value = (values.get)(name).filter(|value| !(counts_empty && value.is_empty()));
    match (sign, value) {
        ('-', Some(value)) | ('?', Some(value)) => Ok(value),
        ('-', None) | ('+', Some(_)) => expand_to(word, values, depth + 1),
        ('+', None) => Ok(String::new()),
        ('?', None) => Err(format!("the variable {name} is not set: {}", short(word))),
        _ => Err(format!("`${{{}}}` is no variable", short(inner))),
    }
}

/// The variables of a file such as `.env`.
pub fn variables(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let value = value.trim();
        let value = match value.chars().next() {
            Some(quote @ ('\'' | '"')) if value.len() > 1 && value[1..].contains(quote) => {
                let inner = &value[1..];
                let end = inner.rfind(quote).unwrap_or(inner.len());
                inner[..end].to_owned()
            }
            // A comment stands behind a blank.
            _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        };
        variables.insert(name.trim().to_owned(), value);
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let get = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let missing = std::cell::RefCell::new(Vec::new());
        let values = Values {
            get: &get,
            missing: &|name| missing.borrow_mut().push(name.to_owned()),
        };
        for (text, expected) in [
            ("$A-${A}$$A", "a-a$A"),
            ("${B:-x}${B-y}${EMPTY:-z}[${EMPTY-z}]", "xyz[]"),
            ("${A:+set}${B:+set}", "set"),
            ("${B:-${A:-no}}", "a"),
            ("${B}", ""),
            ("${A:?needed}", "a"),
        ] {
            assert_eq!(expand(text, &values).unwrap(), expected, "{text}");
        }
        for bad in [
            "${B:?give it}",
            "${",
            "${}",
            "$",
            "$1",
            "${A:}",
            "${A!x}",
            "${A:?",
            "a$ b",
        ] {
            assert!(expand(bad, &values).is_err(), "{bad}");
        }
        assert_eq!(missing.into_inner(), ["B"]);
    }

    #[test]
    fn files_of_variables() {
        let text = "# note\nA=1\nexport B=\"x y\" # z\nC='it''s'\nD=a b # c\n\nE\nF=\n";
        let found = variables(text);
        let pairs: Vec<String> = found
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(pairs, ["A=1", "B=x y", "C=it''s", "D=a b", "F="]);
    }
}
