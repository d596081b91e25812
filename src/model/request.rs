//! What is asked of a registry: an image, and how to get it.

use super::{Platform, duration};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An image that is wanted on this machine. Two members that want the same have equal requests, and share the unit
/// `podunit-image@ID.service`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The image: `docker.io/library/nginx:latest`, or short.
    pub reference: String,
    /// `Pull=`: when the registry is asked.
    #[serde(default)]
    pub policy: PullPolicy,
    /// `Arch=`, `OS=`, `Variant=`; `None` for what this machine runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// `AuthFile=`: absolute path of the only file in which credentials are looked for (containers-auth.json(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_file: Option<PathBuf>,
    /// `CertDir=`: absolute path of the only folder with certificates of the registry (containers-certs.d(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_dir: Option<PathBuf>,
    /// `TLSVerify=`: false takes any certificate, and plain HTTP where there is no TLS; the settings' if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    /// `Retry=`: how often something that may pass is tried again; 3 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<u32>,
    /// `RetryDelay=`: how long to wait before that; doubled each time from a second if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub retry_delay: Option<Duration>,
}

/// When a registry is asked for an image (podman-run(1), `--pull`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    /// At every start; the image of this machine serves if that fails.
    Always,
    /// If this machine does not have the image.
    #[default]
    Missing,
    /// Never: an image that is not there is an error.
    Never,
    /// At every start, but only an image that differs is fetched; as with `Always`, a failure is none if there is one.
    Newer,
}

impl Request {
    /// A request for `reference` with defaults for all else.
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            policy: PullPolicy::default(),
            platform: None,
            auth_file: None,
            cert_dir: None,
            tls_verify: None,
            retry: None,
            retry_delay: None,
        }
    }

    /// The instance name of the unit that fetches the image: 32 hexadecimal digits, equal for equal requests on
    /// every machine and in every run.
    pub fn id(&self) -> String {
        // Fields stand in the order of the struct, absent ones not at all: one text for one request.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut id = String::with_capacity(32);
        for byte in &Sha256::digest(json)[..16] {
            // Writing to a String cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }

    /// The unit that fetches the image, for all pods that ask for it.
    pub fn unit(&self) -> String {
        unit_of(&self.id())
    }
}

/// The unit that fetches the image of the request with this ID.
pub fn unit_of(id: &str) -> String {
    format!("podunit-image@{id}.service")
}

impl PullPolicy {
    /// All of them, as they are written.
    pub const NAMES: [&str; 4] = ["always", "missing", "never", "newer"];
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Missing => "missing",
            Self::Never => "never",
            Self::Newer => "newer",
        })
    }
}

/// The text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of always, missing, never and newer", .0.escape_debug())]
pub struct PullPolicyError(String);

impl FromStr for PullPolicy {
    type Err = PullPolicyError;
    fn from_str(text: &str) -> Result<Self, PullPolicyError> {
        Ok(match text {
            "always" => Self::Always,
            "missing" => Self::Missing,
            "never" => Self::Never,
            "newer" => Self::Newer,
            _ => return Err(PullPolicyError(text.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_of_the_request_and_stays() {
        let plain = Request::new("docker.io/library/nginx:latest");
        // Units of packages carry it: another version of podunit must find the same.
        assert_eq!(plain.id(), "f13549252bc40b926f8e60662af85ca3");
        let other = Request {
            retry_delay: Some(Duration::from_secs(2)),
            ..plain.clone()
        };
        assert_ne!(plain.id(), other.id());
        let json = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), other);
        assert_eq!(
            serde_json::from_str::<Request>(r#"{"reference":"docker.io/library/nginx:latest"}"#).unwrap(),
            plain
        );
    }

    #[test]
    fn policies_read_back() {
        for name in PullPolicy::NAMES {
            assert_eq!(name.parse::<PullPolicy>().unwrap().to_string(), name);
            assert_eq!(
                serde_json::to_string(&name.parse::<PullPolicy>().unwrap()).unwrap(),
                format!("{name:?}")
            );
        }
        assert!("Always".parse::<PullPolicy>().is_err());
    }
}
