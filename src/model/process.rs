//! What a container's process is given: OCI's `process` beyond its program, environment and user.

use super::is_default;
use serde::{Deserialize, Serialize};

/// Settings of the process; nothing is said by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessSettings {
    /// `GroupAdd=`: names or numbers, looked up in the container's `/etc/group`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// `Ulimit=`, each resource once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<Ulimit>,
    /// `NoNewPrivileges=false`: set-user-ID programs and file capabilities have their effect.
    #[serde(skip_serializing_if = "is_default")]
    pub new_privileges: bool,
    /// `AppArmor=`: a profile of the host. `unconfined` is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<String>,
    /// A key `SecurityLabel…=` asks for an SELinux label of its own.
    #[serde(skip_serializing_if = "is_default")]
    pub selinux: bool,
    /// `EnvironmentHost=`: everything in the environment of the unit.
    #[serde(skip_serializing_if = "is_default")]
    pub environment_host: bool,
    /// `HttpProxy=`: the proxy variables of the environment of the unit.
    #[serde(skip_serializing_if = "is_default")]
    pub http_proxy: bool,
    /// `Timezone=`: `local`, or the name of a time zone of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// `RunInit=`: the process is not PID 1 of its namespace; what is reaps.
    #[serde(skip_serializing_if = "is_default")]
    pub run_init: bool,
    /// `LogDriver=none`: nobody reads what it writes.
    #[serde(skip_serializing_if = "is_default")]
    pub is_silent: bool,
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    /// As in bash(1), such as `nofile`.
    pub name: String,
    /// What holds; `None` is no limit.
    pub soft: Option<u64>,
    /// Up to where the process itself can raise it; `None` is no limit.
    pub hard: Option<u64>,
}
