//! References: the names of images, completed as Docker and Podman complete them.

use super::{Digest, Platform};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longest registry and repository together, in bytes.
const NAME_MAX: usize = 255;

/// The registry of names without one.
pub const DOCKER: &str = "docker.io";

/// The name of an image: registry, repository, tag or digest. Displayed in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference. Each names the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No repository.
    #[error("`{}` names no image", .0.escape_debug())]
    Empty(String),
    /// The host is none.
    #[error("`{}` is not a reference to an image: its registry is not a host with an optional port", .0.escape_debug())]
    Registry(String),
    /// The path of the repository breaks the rules of the OCI distribution specification.
    #[error("`{}` is not a reference to an image: write its name in lower-case letters and digits, separated by `/` `.` `_` `-`", .0.escape_debug())]
    Repository(String),
    /// The part behind the colon.
    #[error("`{}` is not a reference to an image: a tag has letters, digits, `_` `.` `-`, and 128 characters at most", .0.escape_debug())]
    Tag(String),
    /// The part behind `@`.
    #[error("`{}` is not a reference to an image: behind `@` stands sha256: and 64 lower-case hexadecimal digits", .0.escape_debug())]
    Digest(String),
    /// More than `NAME_MAX` bytes.
    #[error("a reference to an image has {NAME_MAX} characters at most, tag and digest not counted")]
    TooLong,
}

impl Reference {
    /// The host of the registry, `docker.io` where none was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that was asked for.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Reads a reference as [`FromStr`] does, except that one without a registry is looked for under `short_names`
    /// (`quay.io/acme`, say).
    ///
    /// # Errors
    /// Those of [`FromStr`].
    pub fn complete(text: &str, short_names: &str) -> Result<Self, ReferenceError> {
        let reference: Self = text.parse()?;
        match !Self::is_short(text) || short_names == DOCKER {
            true => Ok(reference),
            false => format!("{short_names}/{text}").parse(),
        }
    }

    /// Whether a text names no registry.
    pub fn is_short(text: &str) -> bool {
        let host = text.split_once('/').map(|(host, _)| host);
        !host.is_some_and(looks_like_a_host)
    }

    /// Whether both are of the same registry and repository.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.registry == other.registry && self.repository == other.repository
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Reads `nginx`, `quay.io/a/b:tag`, `localhost/x`, `host:5000/x@sha256:…`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => (
                rest,
                Some(
                    digest
                        .parse()
                        .map_err(|_| ReferenceError::Digest(text.to_owned()))?,
                ),
            ),
        };
        // A colon behind the last slash begins the tag; one before is a port's.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].split_once(':') {
            None => (rest, None),
            Some((last, tag)) => (&rest[..name_start + last.len()], Some(tag)),
        };
        if name.is_empty() {
            return Err(ReferenceError::Empty(text.to_owned()));
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(ReferenceError::Tag(text.to_owned()));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if looks_like_a_host(host) => (host, path),
            _ => (DOCKER, name),
        };
        let registry = if registry == "index.docker.io" {
            DOCKER
        } else {
            registry
        };
        if !is_host(registry) {
            return Err(ReferenceError::Registry(text.to_owned()));
        }
        if !repository.split('/').all(is_path_component) {
            return Err(ReferenceError::Repository(text.to_owned()));
        }
        let repository = match registry {
            DOCKER if !repository.contains('/') => format!("library/{repository}"),
            _ => repository.to_owned(),
        };
        if registry.len() + repository.len() >= NAME_MAX {
            return Err(ReferenceError::TooLong);
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// The name of the file that says that the store has an image (`refs/KEY`), by which whoever only knows what was
/// asked for, a unit's condition say, sees whether it is there. `platform` is `None` for this machine's
/// ([`Platform::other_than_host`]). 64 hexadecimal digits.
pub fn reference_key(reference: &Reference, platform: Option<&Platform>) -> String {
    let text = match platform {
        None => reference.to_string(),
        Some(platform) => format!("{reference}|{platform}"),
    };
    Digest::from_bytes(Sha256::digest(text).into()).hex()
}

/// What tells `quay.io/x` from `library/x`.
fn looks_like_a_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':', '[']) || text.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // A colon inside brackets is the address's own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_port = port.is_none_or(|port| port.len() <= 5 && is_number(port));
    let good_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            let ends = label.starts_with('-') || label.ends_with('-');
            !label.is_empty() && !ends && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    good_port && good_host
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().last().is_some_and(alphanumeric)
        && separators
            .into_iter()
            .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`
fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn completed_as_podman_completes() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("host:5000/x:y", "host:5000/x:y"),
            ("[::1]:5000/x", "[::1]:5000/x:latest"),
            ("quay.io/a/b:tag", "quay.io/a/b:tag"),
            ("Host/x", "Host/x:latest"),
            ("a__b/c--d", "docker.io/a__b/c--d:latest"),
        ] {
            assert_eq!(full(text), expected);
            assert_eq!(full(expected), expected);
        }
        assert_eq!(
            full(&format!("nginx@{digest}")),
            format!("docker.io/library/nginx@{digest}")
        );
        assert_eq!(
            full(&format!("nginx:1@{digest}")),
            format!("docker.io/library/nginx:1@{digest}")
        );
    }

    #[test]
    fn keys_are_of_the_full_name_and_the_platform() {
        let key = |text: &str, platform| reference_key(&text.parse().unwrap(), platform);
        // printf docker.io/library/nginx:latest | sha256sum
        let nginx = "86cee2c10898a48ff47a0626f8202a2408b5893aff5df58ae10d83166e6d7b0e";
        assert_eq!(key("nginx", None), nginx);
        assert_eq!(key("docker.io/nginx:latest", None), nginx);
        let foreign = Platform::other_than_host(None, Some("arm"), Some("v7")).unwrap();
        assert_eq!(
            key("nginx", foreign.as_ref()),
            // printf 'docker.io/library/nginx:latest|linux/arm/v7' | sha256sum
            "05998e37e08e0cb65afbadda845a5e916ab14ab6717f575fd3adbeb63c83de2e"
        );
    }

    #[test]
    fn hostile_texts_are_refused() {
        for bad in [
            "",
            "/",
            ":",
            "@",
            ":tag",
            "nginx:",
            "nginx@",
            "nginx@sha256:ab",
            "Nginx",
            "a//b",
            "/a",
            "a/",
            "../a",
            "a/../b",
            "quay.io/..",
            "a b",
            "a\n",
            "a;b",
            "-a",
            "a-",
            "a___b",
            "a..b",
            "host:x/a",
            "host:123456/a",
            "ho_st.x/a",
            "-h.x/a",
            "[::1/a",
            "[x]/a",
            "nginx:.x",
            "nginx:a/b:c",
            "nginx:-x",
            "é",
            "a:b:c",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(300).parse::<Reference>().is_err());
        assert!(format!("a:{}", "b".repeat(129)).parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_reads_back(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}|\\PC{0,20}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let full = reference.to_string();
                prop_assert!(!full.contains("/..") && !full.contains("../") && full.is_ascii() && !full.contains(char::is_whitespace));
                prop_assert_eq!(full.parse::<Reference>(), Ok(reference));
            }
        }
    }
}
