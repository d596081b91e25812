//! The host's settings, `podunit.conf`.

mod registry;

pub use registry::{ImageSettings, RegistrySettings};

use super::Subnet;
use std::path::PathBuf;

/// What an administrator sets for all pods of a host (podunit.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[Engine] runtime=`: the OCI runtime, a name searched in the usual places or an absolute path.
    pub runtime: PathBuf,
    /// `[Network] interface=`: name of the default bridge.
    pub bridge: String,
    /// `[Network] subnet=`: addresses of the default bridge; the first is the bridge's own.
    pub subnet: Subnet,
    /// `[Image]` and `[Registry HOST]`: where images come from.
    pub image: ImageSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            runtime: PathBuf::from("crun"),
            bridge: "podunit0".to_owned(),
            subnet: Subnet::DEFAULT,
            image: ImageSettings::default(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file is not an INI file.
    #[error("podunit.conf:{line}:{column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The section or key does not exist.
    #[error("podunit.conf: [{section}] {key}= is not a setting")]
    Unknown {
        /// Section.
        section: String,
        /// Key.
        key: String,
    },
    /// A section of a registry that names none.
    #[error(
        "podunit.conf: [{section}]: write the host of a registry with an optional port, such as [Registry docker.io]"
    )]
    Section {
        /// Section.
        section: String,
    },
    /// The value does not fit the key.
    #[error("podunit.conf: [{section}] {key}={value}: {expected}")]
    Value {
        /// Section.
        section: String,
        /// Key.
        key: &'static str,
        /// Value as written.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl Settings {
    /// Reads the text of `podunit.conf`.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let ini = ini::Ini::load_from_str(text).map_err(|error| SettingsError::Syntax {
            line: error.line,
            column: error.col,
            message: error.msg.into_owned(),
        })?;
        let mut settings = Self::default();
        for (section, properties) in ini.iter() {
            for (key, value) in properties.iter() {
                let section = section.unwrap_or_default();
                let known = match (section, key) {
                    ("Engine", "runtime") => {
                        settings.runtime = runtime(value)?;
                        true
                    }
                    ("Network", "interface") => {
                        settings.bridge = interface(value)?;
                        true
                    }
                    ("Network", "subnet") => {
                        settings.subnet = subnet(value)?;
                        true
                    }
                    ("Image", key) => settings.image.set(key, value)?,
                    (section, key) => match section.strip_prefix("Registry ") {
                        Some(host) => settings.image.set_registry(host.trim(), key, value)?,
                        None => false,
                    },
                };
                if !known {
                    return Err(SettingsError::Unknown {
                        section: section.to_owned(),
                        key: key.to_owned(),
                    });
                }
            }
        }
        Ok(settings)
    }
}

fn runtime(value: &str) -> Result<PathBuf, SettingsError> {
    if value.is_empty() || (value.contains('/') && !value.starts_with('/')) {
        return Err(SettingsError::Value {
            section: "Engine".to_owned(),
            key: "runtime",
            value: value.to_owned(),
            expected: "write the name of a program or an absolute path",
        });
    }
    Ok(PathBuf::from(value))
}

fn interface(value: &str) -> Result<String, SettingsError> {
    let fits = (1..=15).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !value.starts_with('.');
    if !fits {
        return Err(SettingsError::Value {
            section: "Network".to_owned(),
            key: "interface",
            value: value.to_owned(),
            expected: "the name of an interface has 1 to 15 letters, digits, `-`, `_` or `.`",
        });
    }
    Ok(value.to_owned())
}

fn subnet(value: &str) -> Result<Subnet, SettingsError> {
    let subnet = value.parse().ok();
    subnet
        .filter(|subnet: &Subnet| !subnet.is_ipv6() && (8..=29).contains(&subnet.prefix()))
        .ok_or_else(|| SettingsError::Value {
            section: "Network".to_owned(),
            key: "subnet",
            value: value.to_owned(),
            expected: "write a network such as 10.90.0.0/16, with a prefix from 8 to 29 and no host bits",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
    }

    #[test]
    fn settings_are_read_and_checked() {
        let read =
            Settings::parse("[Engine]\nruntime=/usr/bin/runc\n[Network]\nsubnet=10.1.0.0/24\n").unwrap();
        assert_eq!(read.runtime, PathBuf::from("/usr/bin/runc"));
        assert_eq!(read.subnet.to_string(), "10.1.0.0/24");
        let read = Settings::parse(
            "[Image]\nshort-names=quay.io/acme\ntimeout=5\n\
             [Registry docker.io]\nmirror=a:5000 b.example/hub\nmirror=c.example\nlocation=d.example/e\n\
             [Registry a:5000]\ninsecure=yes\n",
        )
        .unwrap()
        .image;
        assert_eq!(read.timeout, std::time::Duration::from_secs(5));
        assert_eq!(
            read.registries["docker.io"].mirrors,
            ["a:5000", "b.example/hub", "c.example"]
        );
        assert_eq!(
            read.registries["docker.io"].location.as_deref(),
            Some("d.example/e")
        );
        assert!(read.registries["a:5000"].insecure);
        for (text, full) in [
            ("nginx", "quay.io/acme/nginx:latest"),
            ("a/b:1", "quay.io/acme/a/b:1"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("localhost/x", "localhost/x:latest"),
        ] {
            assert_eq!(read.complete(text).unwrap().to_string(), full);
            assert!(read.complete("../x").is_err());
        }
        for bad in [
            "[Image]\nshort-names=\n",
            "[Image]\nshort-names=https://quay.io\n",
            "[Image]\nshort-names=quay\n",
            "[Image]\ntimeout=0\n",
            "[Image]\ncolour=red\n",
            "[Registry]\ninsecure=yes\n",
            "[Registry a/b]\ninsecure=yes\n",
            "[Registry docker.io]\ninsecure=perhaps\n",
            "[Registry docker.io]\nmirror=a:5000/../b\n",
            "[Registry docker.io]\nmirror=a.b/c:1@x\n",
            "[Engine]\nrumtime=crun\n",
            "[Engine]\nruntime=bin/crun\n",
            "[Network]\nsubnet=10.1.0.1/24\n",
            "[Network]\nsubnet=10.1.0.0/33\n",
            "[Network]\ninterface=a-name-that-is-too-long\n",
        ] {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
    }
}
