//! Loading: an archive or layout into the store, whole or not at all.

use super::archive;
use super::error::ImageError;
use super::layout::{Image, Layout};
use super::store::{Entry, Store, failed};
use super::unpack::{LayerError, unpack};
use super::{Digest, Reference};
use crate::sys::tree::Tree;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The reference in full.
    pub reference: String,
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// What the image has that is not honoured.
    pub warnings: Vec<String>,
}

impl Store {
    /// Loads the images in `file`, an OCI archive or the directory of a layout: the only one under `name` if that
    /// is given, else all that have a name in it. An image of that name is replaced. Waits for other loads.
    ///
    /// # Errors
    /// What is wrong with the archive or the store; then the store holds what it held before.
    pub fn load(&self, file: &Path, name: Option<&Reference>) -> Result<Vec<Loaded>, ImageError> {
        // Before anything is made: a file name with a typing error leaves no trace.
        let unreadable = |error| ImageError::Read {
            path: file.to_owned(),
            error,
        };
        let is_directory = fs::metadata(file).map_err(unreadable)?.is_dir();
        let _lock = self.lock()?;
        let loaded = self.load_locked(file, is_directory, name);
        match (loaded, self.empty_tmp().and_then(|()| self.sweep())) {
            (Ok(_), Err(error)) => Err(error),
            (loaded, _) => loaded,
        }
    }

    fn load_locked(
        &self,
        file: &Path,
        is_directory: bool,
        name: Option<&Reference>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let layout = if is_directory {
            let tree = Tree::open(file).map_err(|error| ImageError::Read {
                path: file.to_owned(),
                error,
            })?;
            Layout::open(tree, file, false)?
        } else {
            let path = self.work("archive")?;
            archive::extract(file, &Tree::open(&path).map_err(failed("open", &path))?, &path)?;
            Layout::open(Tree::open(&path).map_err(failed("open", &path))?, file, true)?
        };
        let images = layout.images(name)?;
        let mut references = self.references()?;
        let mut loaded = Vec::new();
        for image in images {
            let size = self.add_layers(&layout, &image)?;
            self.write(&self.blob_path(image.config_digest), &image.config_json)?;
            self.write(&self.blob_path(image.digest), &image.manifest)?;
            let reference = image.reference.to_string();
            let entry = Entry {
                manifest: image.digest,
                config: image.config_digest,
                index: image.index,
                size,
            };
            references.images.insert(reference.clone(), entry);
            loaded.push(Loaded {
                reference,
                digest: image.digest.to_string(),
                warnings: image.config.warnings,
            });
        }
        self.write_references(&references)?;
        Ok(loaded)
    }

    /// Unpacks the layers that the store does not have yet. Returns the bytes of all.
    fn add_layers(&self, layout: &Layout, image: &Image) -> Result<u64, ImageError> {
        let mut size: u64 = 0;
        for (blob, diff_id) in image.layers.iter().zip(&image.config.diff_ids) {
            let archive = layout.blob(*blob)?;
            let layer = self.layer_path(*diff_id);
            if !layer.exists() {
                self.add_layer(archive, blob.digest, *diff_id)?;
            }
            let path = layer.join("size");
            let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
            size = size.saturating_add(text.trim().parse().unwrap_or(0));
        }
        Ok(size)
    }

    fn add_layer(&self, archive: File, blob: Digest, diff_id: Digest) -> Result<(), ImageError> {
        let work = self.work("layer")?;
        let path = work.join("tree");
        fs::create_dir(&path).map_err(failed("make", &path))?;
        let tree = Tree::open(&path).map_err(failed("open", &path))?;
        let size = unpack(archive, &tree, diff_id).map_err(|problem| match problem {
            // A full disk is no fault of the layer.
            LayerError::Write { error, .. } if is_of_the_store(&error) => failed("write", &self.root)(error),
            problem => ImageError::Layer {
                digest: blob,
                problem,
            },
        })?;
        self.write(&work.join("size"), format!("{size}\n").as_bytes())?;
        let layer = self.layer_path(diff_id);
        fs::rename(&work, &layer).map_err(failed("make", &layer))?;
        let layers = self.root.join("layers");
        File::open(&layers)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("write", layers))
    }

    /// Makes an empty directory in `tmp`.
    fn work(&self, name: &str) -> Result<PathBuf, ImageError> {
        let path = self.tmp_path().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed("make", &path))?;
        Ok(path)
    }
}

fn is_of_the_store(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}
