//! The store: unpacked images of this machine, shared by all pods.
//!
//! ```text
//! refs/KEY                 one image: its reference and digests; what is not reached from here does not exist
//! blobs/sha256/HEX         manifests and configurations
//! layers/HEX/tree          a layer, unpacked, by the digest of its uncompressed archive
//! layers/HEX/size          the bytes of its files, in decimal
//! layers/HEX/record        what its archive has beside them ([`super::record`])
//! layers/HEX/replaced/N    contents that its archive has and a later member of it hides
//! partial/HEX              a blob that is being downloaded, by its digest; kept for the next attempt
//! kept/NAME                layers and blobs to keep although no reference leads to them (yet)
//! tmp/                     work in progress, and what is being removed
//! work                     shared lock of whoever adds something, exclusive of whoever takes rubbish away
//! lock                     exclusive lock of whoever changes references
//! ```
//!
//! KEY is [`crate::model::reference_key`]. Everything is finished and on disk before a rename makes it visible,
//! layers before blobs before the reference, and a reference goes first: a process killed at any point leaves a whole
//! store and some rubbish, which a later one removes. Locks are flock(2)'s and end with their process. Long work
//! (downloading, unpacking) is done under the shared lock ([`Store::work`]), by any number of processes at once; rubbish
//! is removed when nobody works. Readers take no lock.

mod durable;
mod entry;
mod keep;
mod list;
mod needs;
mod partial;
mod prune;
mod remove;
mod save;
mod sweep;
mod verify;
mod work;

pub use list::{Inspected, InspectedLayer, Listed};
pub use needs::{Need, Needs};
pub use partial::Partial;
pub use prune::{Prune, Pruned};
pub use save::{Archive, Directory, Format};
pub use verify::Verified;
pub use work::{NewImage, Work};

use super::config::{self, Configuration};
use super::error::{ImageError, what_is_full};
use super::manifest::DOCUMENT_MAX;
use crate::model::{Digest, Paths, Platform, Reference, UnpackedImage};
use crate::sys::file;
use entry::Entry;
use oci_spec::image::ImageManifest;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The images of this machine.
#[derive(Debug, Clone)]
pub struct Store {
    paths: Paths,
    root: PathBuf,
}

pub(super) fn failed(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.into();
    move |error| ImageError::Store {
        doing,
        error: what_is_full(&path, error),
        path,
    }
}

impl Store {
    /// The store of a system. Touches nothing.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            root: paths.image_store(),
        }
    }

    /// Finds an image by its reference, short or in full; `platform` if it was asked for with one that is not this
    /// machine's. Reads two small files (all references for one with a digest) and takes no lock.
    ///
    /// An image that is being removed at the same time is kept if the digest stands in
    /// [`crate::model::paths::MemberPaths::image`] and the image is found once more after it was written there.
    ///
    /// # Errors
    /// [`ImageError::NotFound`], which says how to load it; a reference that is none; a damaged store.
    pub fn find(&self, reference: &str, platform: Option<&Platform>) -> Result<UnpackedImage, ImageError> {
        let wanted: Reference = reference.parse()?;
        let entry = self
            .lookup(&wanted, platform)?
            .ok_or_else(|| ImageError::not_found(&wanted, platform))?;
        let damaged = |path| ImageError::Damaged {
            reference: entry.reference.clone(),
            path,
        };
        let config = self
            .config(entry.config)
            .ok_or_else(|| damaged(self.blob_path(entry.config)))?;
        let mut layers = Vec::new();
        for diff_id in &config.diff_ids {
            let layer = self.layer_path(*diff_id).join("tree");
            if !layer.is_dir() {
                return Err(damaged(layer));
            }
            // overlayfs refuses a folder that it is given twice. What a layer has, it has when it comes last.
            layers.retain(|known| *known != layer);
            layers.push(layer);
        }
        Ok(UnpackedImage {
            reference: wanted.to_string(),
            digest: entry.manifest.to_string(),
            layers,
            config: config.run,
        })
    }

    /// The digests by which a registry may have the image of that name: its manifest's, and that of the index that led to
    /// it.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn digests(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Vec<Digest>, ImageError> {
        let found = self.lookup(reference, platform)?;
        let digests = found.map(|entry| [Some(entry.manifest), entry.index]);
        Ok(digests.into_iter().flatten().flatten().collect())
    }

    /// Whether the image of that name is the one that a registry has under `digest`, which may be that of an index.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn is_digest(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        digest: Digest,
    ) -> Result<bool, ImageError> {
        Ok(self.digests(reference, platform)?.contains(&digest))
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// The system whose store it is.
    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    fn layer_path(&self, diff_id: Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    /// Bytes of the files of a layer.
    fn layer_size(&self, diff_id: Digest) -> Result<u64, ImageError> {
        let path = self.layer_path(diff_id).join("size");
        let text = file::read_text(&path, 64).map_err(failed("read", &path))?;
        Ok(text.trim().parse().unwrap_or(0))
    }

    fn tmp_path(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Makes the directories that are missing. Programs with setuid bits lie in there: nobody but root may pass.
    fn make_directories(&self) -> Result<(), ImageError> {
        for directory in ["refs", "blobs/sha256", "layers", "partial", "kept", "tmp"] {
            let path = self.root.join(directory);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(failed("make", path))?;
        }
        Ok(())
    }

    /// Waits for the right to change references.
    fn lock(&self) -> Result<File, ImageError> {
        self.make_directories()?;
        let path = self.root.join("lock");
        file::lock(&path).map_err(failed("lock", path))
    }

    fn config_of(&self, manifest: Digest) -> Option<Digest> {
        let manifest: ImageManifest = serde_json::from_slice(&self.document(manifest)?).ok()?;
        manifest.config().digest().as_ref().parse().ok()
    }

    fn config(&self, digest: Digest) -> Option<Configuration> {
        config::parse(&self.document(digest)?).ok()
    }

    /// A manifest or a configuration, as it was stored.
    pub(super) fn document(&self, digest: Digest) -> Option<Vec<u8>> {
        file::read(&self.blob_path(digest), DOCUMENT_MAX).ok()
    }
}

/// Names in a directory of the host; none if there is no such directory.
fn names(directory: &std::path::Path) -> Result<Vec<String>, ImageError> {
    let entries = match fs::read_dir(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.map_err(failed("read", directory))?,
    };
    let name =
        |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
    entries
        .map(name)
        .collect::<Result<_, _>>()
        .map_err(failed("read", directory))
}
