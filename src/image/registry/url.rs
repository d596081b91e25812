//! URLs of registries, of the servers that give tokens, and of where they redirect to.

use std::fmt;

/// Longest URL, in bytes: those that storage services sign have some thousand.
const URL_MAX: usize = 16 << 10;

/// An `http` or `https` URL without user and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    is_https: bool,
    /// Host, in lower case, with the port if one is written.
    authority: String,
    /// Path and query; begins with `/`.
    path: String,
}

impl Url {
    /// The URL of `path`, which begins with `/`, on a host with an optional port.
    pub fn new(is_https: bool, authority: &str, path: &str) -> Self {
        Self {
            is_https,
            authority: authority.to_ascii_lowercase(),
            path: path.to_owned(),
        }
    }

    /// Reads a whole URL.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > URL_MAX {
            return Err("it is too long");
        }
        // Some readers take a backslash for a slash, others for a part of the host.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err("it has characters that no URL has");
        }
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let (is_https, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(_), _) => (true, &text[8..]),
            (_, Some(_)) => (false, &text[7..]),
            _ => return Err("it is neither http nor https"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it holds a user or a password");
        }
        let is_authority = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_authority) {
            return Err("it has no host");
        }
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        Ok(Self::new(is_https, authority, &path))
    }

    /// The URL that a `Location` of an answer from here means: whole, or with the host or the path only.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn join(&self, location: &str) -> Result<Self, &'static str> {
        let origin = self.origin();
        if location.starts_with("//") {
            let scheme = origin.split("//").next().unwrap_or_default();
            return Self::parse(&format!("{scheme}{location}"));
        }
        let is_whole = location
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        match location {
            _ if is_whole => Self::parse(location),
            _ if location.starts_with('/') => Self::parse(&format!("{origin}{location}")),
            "" => Err("it is empty"),
            _ => {
                let path = self.path.split('?').next().unwrap_or_default();
                let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
                Self::parse(&format!("{origin}{folder}{location}"))
            }
        }
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Host and port as written.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host, without a port; brackets of an IPv6 address are left out.
    pub fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, written or not.
    pub fn port(&self) -> u16 {
        let written = self
            .authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        written.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Scheme, host and port: what credentials are for.
    pub fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Whether both are of the same scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.is_https, self.host(), self.port()) == (other.is_https, other.host(), other.port())
    }

    /// Adds a parameter to the query.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(&format!("{name}={}", encode(value)));
        self
    }
}

/// A value of a query or a form, escaped.
pub fn encode(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_of_urls() {
        let url = Url::parse("HTTPS://Host.Example:8443/a/b?c#d").unwrap();
        assert_eq!(url.to_string(), "https://host.example:8443/a/b?c");
        assert_eq!(
            (url.host(), url.port(), url.is_https()),
            ("host.example", 8443, true)
        );
        let url = Url::parse("http://[::1]").unwrap();
        assert_eq!(
            (url.host(), url.port(), url.to_string()),
            ("::1", 80, "http://[::1]/".into())
        );
        assert!(
            Url::parse("https://a")
                .unwrap()
                .same_origin(&Url::parse("https://A:443/x").unwrap())
        );
        assert!(
            !Url::parse("https://a")
                .unwrap()
                .same_origin(&Url::parse("http://a:443").unwrap())
        );
        assert_eq!(
            Url::parse("https://a/t?x=1")
                .unwrap()
                .with_parameter("scope", "repository:a/b:pull")
                .to_string(),
            "https://a/t?x=1&scope=repository%3Aa%2Fb%3Apull"
        );
    }

    #[test]
    fn locations() {
        let url = Url::parse("https://a:1/v2/x/blobs/y?z").unwrap();
        for (location, whole) in [
            ("http://b/c", "http://b/c"),
            ("//b/c", "https://b/c"),
            ("/c?d=https://e", "https://a:1/c?d=https://e"),
            ("c", "https://a:1/v2/x/blobs/c"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), whole);
        }
        for bad in [
            "",
            "ftp://a",
            "file:///etc/passwd",
            "https://u:p@b/",
            "https:///x",
            "https://a b/",
            "https://a\\@b/",
        ] {
            assert!(url.join(bad).is_err(), "{bad}: {:?}", url.join(bad));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "https?://[a-z.:@/?#\\[\\]\\\\]{0,30}|\\PC{0,30}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
            }
        }
    }
}
