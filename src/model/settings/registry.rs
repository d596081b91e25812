//! `[Image]` and `[Registry HOST]` of `podunit.conf`: how images are named and where they come from.

use super::SettingsError;
use crate::model::Reference;
use crate::model::reference::{DOCKER, ReferenceError};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is set for fetching images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// `[Image] short-names=`: what stands before names that name no registry, `HOST[:PORT][/PATH]`.
    pub short_names: String,
    /// `[Image] timeout=`: how long a registry may be silent.
    pub timeout: Duration,
    /// `[Registry HOST[:PORT]]`, by the host that references name.
    pub registries: BTreeMap<String, RegistrySettings>,
}

/// What is set for one registry. Places are `HOST[:PORT][/PATH]`: the path comes before the repository's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// `mirror=`: places that are asked first, in order.
    pub mirrors: Vec<String>,
    /// `location=`: the place that is asked in its stead.
    pub location: Option<String>,
    /// `insecure=`: certificates are not checked, and plain HTTP will do.
    pub insecure: bool,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            short_names: DOCKER.to_owned(),
            timeout: Duration::from_secs(30),
            registries: BTreeMap::new(),
        }
    }
}

impl ImageSettings {
    /// The image that a text names, completed by `short-names=`.
    ///
    /// # Errors
    /// A text that names none.
    pub fn complete(&self, text: &str) -> Result<Reference, ReferenceError> {
        Reference::complete(text, &self.short_names)
    }

    /// Takes a line of `[Image]`. `false` if there is no such key.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<bool, SettingsError> {
        match key {
            "short-names" => self.short_names = place("Image", "short-names", value)?,
            "timeout" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                let wrong = || SettingsError::Value {
                    section: "Image".to_owned(),
                    key: "timeout",
                    value: value.to_owned(),
                    expected: "write a number of seconds from 1 to 3600",
                };
                self.timeout = Duration::from_secs(seconds.ok_or_else(wrong)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes a line of `[Registry HOST]`. `false` if there is no such key.
    pub(super) fn set_registry(&mut self, host: &str, key: &str, value: &str) -> Result<bool, SettingsError> {
        let section = format!("Registry {host}");
        let wrong = |key, expected| SettingsError::Value {
            section: section.clone(),
            key,
            value: value.to_owned(),
            expected,
        };
        if host.contains('/') || place(&section, "", host).is_err() {
            return Err(SettingsError::Section { section });
        }
        let settings = self.registries.entry(host.to_owned()).or_default();
        match key {
            "mirror" => {
                for word in value.split_ascii_whitespace() {
                    settings.mirrors.push(place(&section, "mirror", word)?);
                }
            }
            "location" => settings.location = Some(place(&section, "location", value)?),
            "insecure" => {
                settings.insecure = match value {
                    "yes" | "true" | "on" | "1" => true,
                    "no" | "false" | "off" | "0" => false,
                    _ => return Err(wrong("insecure", "write yes or no")),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `HOST[:PORT][/PATH]`: what an image can stand in.
fn place(section: &str, key: &'static str, value: &str) -> Result<String, SettingsError> {
    let host = value.split('/').next().unwrap_or_default();
    let image: Result<Reference, _> = format!("{value}/x").parse();
    let fits = image.is_ok_and(|image| image.registry() == host && !value.contains('@'));
    fits.then(|| value.to_owned())
        .ok_or_else(|| SettingsError::Value {
            section: section.to_owned(),
            key,
            value: value.to_owned(),
            expected: "write a host with an optional port and path, such as registry.example.com:5000/mirror",
        })
}
