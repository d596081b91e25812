//! The operating system and processor that an image is made for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A platform in the words of the OCI image specification (Go's `GOOS` and `GOARCH`), checked: each part has
/// lower-case letters, digits, `_`, `.` and `-` only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// How a platform is written in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    os: String,
    architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

/// A part of a platform is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the name of an operating system, a processor or its variant, such as linux, arm and v7", .0.escape_debug())]
pub struct PlatformError(String);

impl Platform {
    /// What this machine runs without being asked for another. The variant is `None` except on 32-bit ARM, where it
    /// is the least that the program was built for: `v7`, `v6` or `v5`.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "mips64" if cfg!(target_endian = "little") => "mips64le",
            other => canonical(other),
        };
        let variant = match architecture {
            "arm" if cfg!(target_feature = "v7") => Some("v7"),
            "arm" if cfg!(target_feature = "v6") => Some("v6"),
            "arm" => Some("v5"),
            _ => None,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// The platform of `OS=`, `Arch=` and `Variant=`, each of them this machine's where it is not given. `None` if
    /// it is this machine's altogether.
    ///
    /// # Errors
    /// The part that is no name.
    pub fn other_than_host(
        os: Option<&str>,
        architecture: Option<&str>,
        variant: Option<&str>,
    ) -> Result<Option<Self>, PlatformError> {
        let host = Self::host();
        let other = Self::new(
            os.unwrap_or(&host.os),
            architecture.unwrap_or(&host.architecture),
            variant,
        )?;
        let is_host = (&other.os, &other.architecture) == (&host.os, &host.architecture)
            && (variant.is_none() || other.variant == host.variant);
        Ok((!is_host).then_some(other))
    }

    /// A platform by its parts. Names that uname(1) has are understood (`aarch64` is `arm64`), and so is the variant
    /// that says nothing (`v8` of `arm64`, `v1` of `amd64`).
    ///
    /// # Errors
    /// The part that is no name.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Result<Self, PlatformError> {
        let checked = |text: &str| {
            let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b);
            let good = (1..=32).contains(&text.len()) && text.bytes().all(is_word);
            good.then(|| text.to_owned())
                .ok_or_else(|| PlatformError(text.to_owned()))
        };
        let architecture = checked(canonical(architecture))?;
        let variant = variant
            .filter(|variant| !variant.is_empty())
            .map(checked)
            .transpose()?;
        let variant = variant.filter(|variant| {
            !matches!(
                (architecture.as_str(), variant.as_str()),
                ("arm64", "v8" | "8") | ("amd64", "v1")
            )
        });
        Ok(Self {
            os: checked(os)?,
            architecture,
            variant,
        })
    }

    /// `linux`.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// `amd64`, `arm64`, `arm`, …
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// `v7` of `arm`, `v3` of `amd64`: what the processor must have beyond the least.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

/// The specification's name of a processor for one that other programs use.
fn canonical(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i386" | "i686" => "386",
        "armhf" | "armv7" | "armv7l" => "arm",
        "powerpc64le" => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

impl TryFrom<Parts> for Platform {
    type Error = PlatformError;
    fn try_from(parts: Parts) -> Result<Self, PlatformError> {
        Self::new(&parts.os, &parts.architecture, parts.variant.as_deref())
    }
}

impl From<Platform> for Parts {
    fn from(platform: Platform) -> Self {
        Self {
            os: platform.os,
            architecture: platform.architecture,
            variant: platform.variant,
        }
    }
}

/// `linux/arm/v7`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_platform_is_no_other() {
        let host = Platform::host();
        let other = |os, arch, variant| Platform::other_than_host(os, arch, variant).unwrap();
        assert_eq!(other(None, None, None), None);
        assert_eq!(other(Some(host.os()), Some(std::env::consts::ARCH), None), None);
        assert_eq!(
            other(None, Some("s390x"), None).unwrap().to_string(),
            "linux/s390x"
        );
        assert_eq!(
            other(None, Some("arm"), Some("v6")).unwrap().to_string(),
            "linux/arm/v6"
        );
        assert_eq!(
            other(Some("windows"), None, None).unwrap().architecture(),
            host.architecture()
        );
    }

    #[test]
    fn names_are_checked_and_made_one() {
        let named =
            |arch, variant| Platform::new("linux", arch, variant).map(|platform| platform.to_string());
        assert_eq!(named("aarch64", Some("v8")), Ok("linux/arm64".to_owned()));
        assert_eq!(named("x86_64", Some("")), Ok("linux/amd64".to_owned()));
        for bad in ["", "../x", "a b", "ARM", "a|b", &"x".repeat(33)] {
            assert!(
                named(bad, None).is_err() && named("arm", Some(bad)).is_err() != bad.is_empty(),
                "{bad}"
            );
            let json = format!(r#"{{"os":"linux","architecture":{bad:?}}}"#);
            assert!(serde_json::from_str::<Platform>(&json).is_err());
        }
    }
}
