//! Loading: an archive or layout into the store, whole or not at all.

use super::archive;
use super::error::ImageError;
use super::layout::Layout;
use super::store::{NewImage, Store, Work, failed};
use crate::model::Reference;
use crate::sys::tree::Tree;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

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
    /// Loads the images in `file`, an archive ([`super::archive`]) or the directory of a layout: the only one under
    /// `name` if that is given, else all that have a name in it. An image of that name is replaced.
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
        if is_directory {
            let layout = Layout::open(Tree::open(file).map_err(unreadable)?, file, false)?;
            return add_images(&self.work()?, &layout, name);
        }
        self.load_archive(File::open(file).map_err(unreadable)?, file, name)
    }

    /// Loads the images in an archive that is read once from beginning to end, such as standard input. `place` is
    /// what to call it in messages.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_archive(
        &self,
        source: impl Read + Send,
        place: &Path,
        name: Option<&Reference>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let work = self.work()?;
        let path = work.folder()?;
        let open = || Tree::open(&path).map_err(failed("open", &path));
        archive::extract(source, place, &open()?, &path)?;
        add_images(&work, &Layout::open(open()?, place, true)?, name)
    }
}

fn add_images(work: &Work<'_>, layout: &Layout, name: Option<&Reference>) -> Result<Vec<Loaded>, ImageError> {
    let images = layout.images(name)?;
    for image in &images {
        for (blob, diff_id) in image.layers.iter().zip(&image.config.diff_ids) {
            work.add_layer(layout.blob(*blob)?, blob.digest, *diff_id)?;
        }
    }
    let new: Vec<NewImage<'_>> = images
        .iter()
        .map(|image| NewImage {
            reference: &image.reference,
            platform: None,
            manifest: &image.manifest,
            config: &image.config_json,
            index: image.index,
        })
        .collect();
    work.commit(&new)?;
    Ok(images
        .into_iter()
        .map(|image| Loaded {
            reference: image.reference.to_string(),
            digest: image.digest.to_string(),
            warnings: image.config.warnings,
        })
        .collect())
}
