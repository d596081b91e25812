//! An image as the launcher needs it: directories and the few fields of its configuration that are honoured.

use super::Signal;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An image whose layers are unpacked in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedImage {
    /// The reference under which it was found, completed: `docker.io/library/nginx:latest`.
    pub reference: String,
    /// Digest of its manifest, `sha256:…`.
    pub digest: String,
    /// Directories of its layers, the lowest first, in overlayfs form (whiteouts as character devices 0/0).
    pub layers: Vec<PathBuf>,
    /// What the image says of how it is run.
    pub config: ImageConfig,
}

/// The honoured fields of an image's configuration (OCI image specification, `config`). Everything here comes
/// from the image and is hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `user`, `uid`, `user:group` or `uid:gid`.
    pub user: Option<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Command, or arguments to the entry point.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// Paths that are volumes, sorted (`Volumes`).
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Stop signal; one that does not exist is dropped when the image is loaded, with a warning.
    pub stop_signal: Option<Signal>,
}
