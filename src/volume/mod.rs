//! Named volumes on this machine.
//!
//! ```text
//! /var/lib/podunit/volumes/NAME/      0700, locked (flock(2)) by whoever changes something of it
//!   _data/                            what containers see
//!   volume.json                       what its `.volume` says; absent for one that was made by its first use
//!   fresh                             there until the first container has used it
//!   copying                           there while that copies what its image has
//! ```
//!
//! [`Volumes`] makes, finds and removes them; [`first_use`] fills a new one; [`mount`] mounts what a definition asks for.

pub mod first_use;
pub mod mount;
mod store;

pub use store::{Held, Volumes};

use std::io;
use std::path::PathBuf;

/// Why something cannot be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// Not the name of one.
    #[error("`{0}` cannot be the name of a volume: {1}")]
    Name(String, crate::model::volume::VolumeNameError),
    /// There is none of this name.
    #[error("there is no volume `{0}`; `podunit volume ls` shows those that there are")]
    Missing(String),
    /// Pods that run use it.
    #[error("the volume `{0}` is in use by {1}: stop that first")]
    InUse(String, String),
    /// Something is mounted there.
    #[error("something is mounted as the volume `{0}`: stop {1} first")]
    Mounted(String, String),
    /// A definition's user or group that this machine does not have.
    #[error("{key}={value}: this machine has no such {what}")]
    Account {
        /// `User` or `Group`.
        key: &'static str,
        /// As written.
        value: String,
        /// `user` or `group`.
        what: &'static str,
    },
    /// mount(8) or umount(8) failed.
    #[error("{program} {}: {said}", path.display())]
    Mount {
        /// Which.
        program: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// A file or folder.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was to be done, an infinitive.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl VolumeError {
    /// For `map_err`.
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
