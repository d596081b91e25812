//! How a registry wants to be told who asks: `WWW-Authenticate` (RFC 9110, 11.6.1).

/// Longest header that is read, in bytes.
const HEADER_MAX: usize = 8 << 10;

/// A way to authenticate that podunit knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User and password (RFC 7617).
    Basic,
    /// A token from a server of its own (the distribution specification's token authentication).
    Bearer {
        /// URL of that server.
        realm: String,
        /// Name of the registry there.
        service: Option<String>,
    },
}

/// One challenge of a header: its scheme in lower case, and its parameters, names in lower case.
type Parts = (String, Vec<(String, String)>);

/// The best of the challenges in the lines of the header: a token before a password. What cannot be read is
/// passed over.
pub fn choose<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let challenges: Vec<Parts> = headers.into_iter().flat_map(parse).collect();
    let bearer = challenges.iter().find_map(|(scheme, parameters)| {
        let value = |wanted: &str| {
            let found = parameters.iter().find(|(name, _)| name == wanted);
            found
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
        };
        (scheme == "bearer").then_some(())?;
        Some(Challenge::Bearer {
            realm: value("realm")?,
            service: value("service"),
        })
    });
    bearer.or_else(|| {
        let is_basic = challenges.iter().any(|(scheme, _)| scheme == "basic");
        is_basic.then_some(Challenge::Basic)
    })
}

fn parse(header: &str) -> Vec<Parts> {
    let mut challenges: Vec<Parts> = Vec::new();
    if header.len() > HEADER_MAX {
        return challenges;
    }
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = split_token(rest);
        if name.is_empty() {
            return challenges;
        }
        let behind_space = after.trim_start_matches([' ', '\t']);
        let Some(value) = behind_space.strip_prefix('=') else {
            challenges.push((name.to_ascii_lowercase(), Vec::new()));
            rest = after;
            continue;
        };
        let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else {
            return challenges;
        };
        let Some((_, parameters)) = challenges.last_mut() else {
            return challenges;
        };
        parameters.push((name.to_ascii_lowercase(), value));
        rest = after;
    }
}

/// Splits off a token (RFC 9110, 5.6.2), which may be empty.
fn split_token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// Splits off the value of a parameter. A token may have more characters than allowed: unquoted URLs are seen.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_of_registries() {
        assert_eq!(
            choose([
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#
            ]),
            bearer("https://auth.docker.io/token", Some("registry.docker.io"))
        );
        assert_eq!(choose([r#"Basic realm="a, b""#]), Some(Challenge::Basic));
        assert_eq!(
            choose([r#"basic realm="x", BEARER Realm = "https://a/\"b\"" , error="e""#]),
            bearer("https://a/\"b\"", None)
        );
        assert_eq!(
            choose(["Basic realm=x", "Bearer realm=https://a"]),
            bearer("https://a", None)
        );
        assert_eq!(choose(["Negotiate", "Basic"]), Some(Challenge::Basic));
    }

    #[test]
    fn headers_that_say_nothing() {
        for header in [
            "",
            ",,,",
            "realm=\"https://a\"",
            "Bearer",
            "Bearer realm=\"https://a",
            "Bearer realm=\"\"",
            "Bearer service=a",
            "Digest realm=a",
            "\u{1b}[31m",
        ] {
            assert_eq!(choose([header]), None, "{header}");
        }
        assert_eq!(
            choose([format!("Basic a={}", "x".repeat(HEADER_MAX)).as_str()]),
            None
        );
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[a-zA-Z=\", \\\\\t]{0,60}|\\PC{0,60}") {
            let _ = choose([text.as_str()]);
        }

        #[test]
        fn what_is_quoted_comes_back(realm in "[ -~]{1,40}", service in "[ -~]{1,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{}\",service=\"{}\"", quote(&realm), quote(&service));
            prop_assert_eq!(choose([header.as_str()]), bearer(&realm, Some(&service)));
        }
    }
}
