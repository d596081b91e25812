//! What a container sees of the kernel: OCI's `linux` beyond its namespaces.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of the container; nothing is said by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinuxSettings {
    /// `Sysctl=`, names with dots. The reader has checked that each is one of a namespace that is not the host's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// `SeccompProfile=`: the absolute path of a file, or `unconfined`; the default profile if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<String>,
    /// `Mask=`: absolute paths that are hidden too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// `Unmask=`: patterns of paths that are neither hidden nor read-only as they are by default; `ALL` for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmask: Vec<String>,
    /// `AddDevice=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
}

/// A device of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Absolute path on the host, below `/dev`: a device, or a folder of such.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// Whether one that is missing is left out.
    pub optional: bool,
}
