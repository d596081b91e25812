//! One container of a pod, from its compiled form until its process runs and is systemd's.
//!
//! ```text
//! Container + image ── arguments, environment, user, capability, mounts ──▶ spec (config.json)
//!                      rootfs: the overlay     runtime: crun     start, clean, stop, reload: the steps
//! ```
//!
//! Deciding is pure (`arguments` to `spec`, and `stop_plan`); the kernel, files and crun are met in `kernel`, `rootfs`,
//! `runtime`, `command`, `main_process` and the steps.

pub mod arguments;
pub mod attached;
pub mod capability;
pub mod clean;
pub mod command;
pub mod environment;
pub mod executable;
pub mod inside;
pub mod kernel;
pub mod main_process;
pub mod masks;
pub mod mounts;
pub mod oci;
pub mod output;
pub mod probe;
pub mod process;
pub mod profile;
pub mod reload;
pub mod rlimit;
pub mod rootfs;
pub mod runtime;
pub mod seccomp;
pub mod spec;
pub mod start;
pub mod stop;
pub mod stop_plan;
pub mod surroundings;
pub mod user;
pub mod volumes;

use crate::model::paths::{MemberPaths, PodPaths};
use crate::model::{Container, Paths, Pod};
use crate::systemd::specifiers::Specifiers;
use crate::unitfile::specifier;
use crate::volume::VolumeError;
use std::io;
use std::path::{Path, PathBuf};

/// A member of a pod and the system it is on.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Where things are.
    pub paths: &'a Paths,
    /// The pod as it was started.
    pub pod: &'a Pod,
    /// The member.
    pub container: &'a Container,
}

impl Member<'_> {
    /// The running pod's files.
    pub fn pod_paths(&self) -> PodPaths {
        self.paths.pod(&self.pod.name)
    }

    /// The running member's files.
    pub fn member_paths(&self) -> MemberPaths {
        self.pod_paths().member(&self.container.name)
    }

    /// Where the root file system is mounted, for whoever is in the launcher's mount namespace.
    pub fn root(&self) -> PathBuf {
        self.pod_paths().root().join(self.container.name.as_str())
    }

    /// The signal that asks an image's process to stop, written at the start (one line).
    pub fn stop_signal_file(&self) -> PathBuf {
        self.member_paths().bundle().join("stop-signal")
    }

    /// What the `%` specifiers of the member's unit stand for.
    pub fn specifiers(&self) -> Specifiers {
        Specifiers::new(self.pod.name.member_unit(&self.container.name), self.paths)
    }
}

/// Why a step of a member could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting of the definition cannot be honoured.
    #[error("{key}={value}: {reason}")]
    Setting {
        /// Its key.
        key: &'static str,
        /// Its value as written.
        value: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The image says something that cannot be honoured.
    #[error("the image: {0}")]
    Image(String),
    /// One of its volumes.
    #[error(transparent)]
    Volume(VolumeError),
    /// A file or a mount.
    #[error("cannot {action} {path}")]
    File {
        /// What was to be done, an infinitive.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The namespaces that the member would join are not there, or nobody lives in them any more.
    #[error(
        "the namespaces of the pod are gone: its infra unit is not running; systemd starts this member again \
         with it"
    )]
    InfraGone,
    /// Infra could not connect the pod, or was killed while it did.
    #[error("the pod is not connected to its network: its infra unit failed, and its journal says why")]
    NotConnected,
    /// The OCI runtime cannot be used at all.
    #[error("podunit.conf: [Engine] runtime={program}: {reason}")]
    RuntimeProgram {
        /// The program.
        program: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// The OCI runtime failed.
    #[error("{program} {step}: {message}")]
    Runtime {
        /// The program.
        program: String,
        /// Its command, such as `create`.
        step: &'static str,
        /// What it said.
        message: String,
    },
    /// The container's process is nobody's that systemd could wait for.
    #[error(
        "process {pid} of the container is a child of process {parent}, not of systemd, which could not wait for \
         it; a process between them takes in orphans (PR_SET_CHILD_SUBREAPER)"
    )]
    Alien {
        /// The container's process.
        pid: i32,
        /// Its parent.
        parent: i32,
    },
    /// There is no process to signal.
    #[error("the member does not run: {0}")]
    NotRunning(String),
    /// systemd did not take a notification.
    #[error("cannot tell systemd how the start goes")]
    Notify(#[source] io::Error),
}

impl Error {
    /// For `map_err`: a file that something could not be done with.
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// A setting that cannot be honoured.
    fn setting(key: &'static str, value: impl Into<String>, reason: impl ToString) -> Self {
        Self::Setting {
            key,
            value: value.into(),
            reason: reason.to_string(),
        }
    }
}

/// Expands the `%` specifiers in the value of `key`.
fn expand(specifiers: &Specifiers, key: &'static str, text: &str) -> Result<String, Error> {
    let expanded = specifier::expand(text, &|c| specifiers.value(c));
    expanded.map_err(|error| Error::setting(key, text, error))
}

/// The value of `key` as an absolute path, specifiers expanded.
fn absolute(specifiers: &Specifiers, key: &'static str, text: &str) -> Result<String, Error> {
    let path = expand(specifiers, key, text)?;
    let climbs = Path::new(&path)
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if !path.starts_with('/') || climbs || path.contains('\0') {
        return Err(Error::setting(
            key,
            text,
            format!("`{path}` is not an absolute path without `..`"),
        ));
    }
    Ok(path)
}
