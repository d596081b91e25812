//! The parts of an OCI runtime specification's `config.json` that are written here. Nothing of it comes from an image
//! but what stands in `process`; there are no hooks and no annotations, which runtimes take orders from.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Version of the specification; runtimes refuse only another major one.
pub const VERSION: &str = "1.0.2";

/// `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// [`VERSION`].
    pub oci_version: &'static str,
    /// What runs.
    pub process: Process,
    /// What it sees as `/`.
    pub root: Root,
    /// Host name, where the UTS namespace is the container's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// The rest.
    pub linux: Linux,
}

/// What runs: at the start, or later by `podunit exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// The size that the terminal has at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// As whom.
    pub user: ProcessUser,
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Absolute path in the container.
    pub cwd: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Limits that are not those of the unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    /// Whether execve(2) gives no rights (set-user-ID bits, file capabilities).
    pub no_new_privileges: bool,
    /// Profile of AppArmor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
}

/// A limit of setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds; the greatest number is no limit.
    pub soft: u64,
    /// Up to where it can be raised.
    pub hard: u64,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Lines.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// Identity of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessUser {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
    /// File mode creation mask.
    pub umask: u32,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// The five sets of capabilities(7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The most that can ever be had.
    pub bounding: Vec<String>,
    /// In force.
    pub effective: Vec<String>,
    /// Kept over execve(2) by files that say so.
    pub inheritable: Vec<String>,
    /// Can be put in force.
    pub permitted: Vec<String>,
    /// Kept over execve(2).
    pub ambient: Vec<String>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Root {
    /// Absolute path.
    pub path: String,
    /// Whether it cannot be written.
    pub readonly: bool,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub destination: String,
    /// File system type, or `bind`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Path on the host for a bind mount, else a name.
    pub source: String,
    /// Options.
    pub options: Vec<String>,
}

/// `linux`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// A kind that is not listed is the launcher's own, which is the host's.
    pub namespaces: Vec<Namespace>,
    /// Propagation of all mounts, where a volume's is not private.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rootfs_propagation: Option<&'static str>,
    /// Hidden.
    pub masked_paths: Vec<String>,
    /// Made read-only.
    pub readonly_paths: Vec<String>,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// Devices beside those that every container has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Which system calls are allowed; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
}

/// A device node to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Absolute path in the container.
    pub path: String,
    /// `c` or `b`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub file_mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A namespace: joined if it has a path, else new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// `mount`, `pid`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A filter of system calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What happens to a call that no rule names.
    pub default_action: Cow<'static, str>,
    /// What the call then returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Beside the native one.
    pub architectures: Vec<Cow<'static, str>>,
    /// Rules.
    pub syscalls: Vec<Rule>,
}

/// A rule of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// System calls.
    pub names: Vec<Cow<'static, str>>,
    /// `SCMP_ACT_ALLOW` or `SCMP_ACT_ERRNO`.
    pub action: Cow<'static, str>,
    /// What a refused call returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// All must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
}

/// A condition on an argument of a system call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Argument {
    /// Which, from 0.
    pub index: u32,
    /// What it is compared with.
    pub value: u64,
    /// What the argument, masked with `value`, is compared with (`SCMP_CMP_MASKED_EQ`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_two: Option<u64>,
    /// `SCMP_CMP_EQ` or `SCMP_CMP_NE`.
    pub op: Cow<'static, str>,
}
