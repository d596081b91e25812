//! Named volumes: folders of this machine that outlive the containers which use them.

use super::{Owner, Passthrough, ResourceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What `x.volume` defines: the compiled volume, `volume-x.json`.
///
/// Strings that a user wrote are kept with their `%` specifiers, which are expanded by the step of the volume's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// [`super::SCHEMA_VERSION`].
    pub version: u32,
    /// Name of the definition.
    pub name: ResourceName,
    /// The definition, under the root of the running system.
    pub source: PathBuf,
    /// `VolumeName=`: what the volume is called, `systemd-x` if absent.
    pub volume: String,
    /// `Copy=`: whether the first container that uses the volume copies into it what its image has there.
    pub copy: bool,
    /// `User=` or `UID=`: who owns the folder, a name or number of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `Group=` or `GID=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What is mounted there; a plain folder if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<VolumeSource>,
    /// `Label=`.
    pub labels: BTreeMap<String, String>,
    /// `[Unit]`, `[Service]` and `[Install]`.
    pub units: Passthrough,
}

impl Volume {
    /// Its unit, `x-volume.service`.
    pub fn unit(&self) -> String {
        Owner::Volume(self.name.clone()).unit()
    }
}

/// What is mounted as a volume (mount(8)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeSource {
    /// `Type=`: a file system, or `bind`.
    pub kind: String,
    /// `Device=`
    pub device: String,
    /// `Options=`, as written.
    pub options: Option<String>,
}

/// A volume in a container (`Volume=[NAME:]TARGET[:OPTIONS]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeMount {
    /// Name of the volume. Absent for one without a name, which has the container's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Absolute path in the container.
    pub target: String,
    /// Options as in [`super::Bind::options`], and `nocopy`.
    pub options: Vec<String>,
}

/// Why a volume cannot have a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a volume's name has letters, digits, `_`, `.` and `-`, begins with a letter or digit, and ends within {MOST} bytes"
)]
pub struct VolumeNameError;

const MOST: usize = 200;

/// Whether a volume can have this name: podman-volume-create(1), and `@` of instances.
///
/// # Errors
/// It cannot.
pub fn check_name(name: &str) -> Result<(), VolumeNameError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte);
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    match begins && name.len() <= MOST && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(VolumeNameError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths_nor_options() {
        for good in ["a", "systemd-data", "9.x_y-z", "a@b"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".x",
            "-x",
            "a/b",
            "a:b",
            "a b",
            "a%n",
            "ä",
            &"x".repeat(201),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
