//! Images: from an archive or a registry to unpacked layers that overlayfs can mount.
//!
//! ```text
//! FILE (tar) ── archive (docker_archive) ──▶ a layout in tmp/ ─┐
//! DIRECTORY ────────────────────────────────▶ layout ──────────┴─▶ load ─┬─ unpack ──▶ store ──▶ model::UnpackedImage
//! model::Request ── registry ──▶ blobs in partial/ ──────────────▶ pull ─┤
//! FILE (tar of a root file system) ──────────────────────────────▶ import ┘
//! ```
//!
//! Everything in an archive or a registry is hostile: JSON and headers are read with a limit, each blob is checked
//! against its digest, each unpacked layer against the configuration's, and files are made with [`crate::sys::tree`]
//! only.

pub mod archive;
pub mod change;
pub mod compression;
pub mod config;
pub mod docker_archive;
pub mod error;
pub mod import;
pub mod layer_archive;
pub mod layout;
pub mod load;
pub mod manifest;
pub mod member_path;
pub mod platform;
pub mod progress;
pub mod pull;
pub mod record;
pub mod registry;
pub mod store;
pub mod stream;
pub mod time;
pub mod unpack;

pub use crate::model::{Digest, Reference};
pub use change::Change;
pub use error::ImageError;
pub use load::Loaded;
pub use progress::{LayerState, Progress};
pub use pull::{Pulled, pull};
pub use store::{Listed, Need, Needs, NewImage, Partial, Store, Verified, Work};
