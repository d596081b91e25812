//! The namespaces of a pod: made, kept, and taken away again. They belong to `pod-X-infra.service`, and everything
//! of a running pod is under `/run/podunit/X` (`docs/architecture.md` has who makes and removes what).

mod connecting;
mod folder;
mod hostname;
mod namespaces;

pub use connecting::{Connecting, begin_connecting};
pub use folder::{prepare, release, remove, remove_if_dead};
pub use hostname::hostname;
pub use namespaces::make;

use crate::compiled::CompiledError;
use crate::model::PodName;
use std::io;
use std::path::PathBuf;

/// Why the ground of a pod cannot be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum InfraError {
    /// The pod itself cannot be read.
    #[error(transparent)]
    Compiled(#[from] CompiledError),
    /// Something under `/run/podunit` cannot be made.
    #[error("{path}: cannot make {what} of the pod")]
    Make {
        /// What it would have been.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kernel does not give the namespaces.
    #[error(
        "cannot make the namespaces that the pod shares (if there is no space: /proc/sys/user/max_*_namespaces)"
    )]
    Namespaces(#[source] io::Error),
    /// The pod whose network this one has does not have one of its own.
    #[error("the pod `{pod}` has no network namespace that another could join; write another Network=")]
    NoNetworkOf {
        /// That pod.
        pod: PodName,
        /// Why not.
        source: io::Error,
    },
    /// PID 1 of the pod does not start.
    #[error("{program}: cannot start it as PID 1 of the pod, which shares process IDs")]
    Pause {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The host name cannot be one.
    #[error("HostName={written}: {problem}")]
    HostName {
        /// As the definition has it.
        written: String,
        /// What is wrong.
        problem: String,
    },
    /// Something of the pod stays behind.
    #[error("{path}: cannot be removed; what is left of the pod stays there")]
    Remove {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
