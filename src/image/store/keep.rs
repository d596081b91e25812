//! `kept/NAME`: what is to stay although no reference leads to it.

use super::sweep::Kept;
use super::{Work, durable, failed};
use crate::image::error::ImageError;
use crate::model::Digest;

impl Work<'_> {
    /// Keeps layers for some days, finished ones and those to come, although no image has them yet: those of an image
    /// that is being pulled, say, so that the next attempt finds them. `name` is a file name; [`Self::commit`]
    /// releases [`crate::model::reference_key`] of the images.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn keep_layers(&self, name: &str, layers: &[Digest]) -> Result<(), ImageError> {
        self.keep(
            name,
            &Kept {
                blobs: Vec::new(),
                layers: layers.to_owned(),
            },
        )
    }

    /// Keeps an image of the store for some days, by the digest of its manifest, whatever becomes of its reference.
    /// `name` is a file name.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; a store that cannot be written.
    pub fn keep_image(&self, name: &str, manifest: Digest) -> Result<(), ImageError> {
        let not_found = || ImageError::NoDigest { digest: manifest };
        let config_digest = self.store.config_of(manifest).ok_or_else(not_found)?;
        let config = self.store.config(config_digest).ok_or_else(not_found)?;
        self.keep(
            name,
            &Kept {
                blobs: vec![manifest, config_digest],
                layers: config.diff_ids,
            },
        )
    }

    /// Ends what [`Self::keep_layers`] and [`Self::keep_image`] began.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn release(&self, name: &str) -> Result<(), ImageError> {
        durable::remove(&self.store.root.join("kept").join(name))
    }

    fn keep(&self, name: &str, kept: &Kept) -> Result<(), ImageError> {
        let path = self.store.root.join("kept").join(name);
        let json = serde_json::to_vec(kept).map_err(|error| failed("write", &path)(error.into()))?;
        let finished = self.new_path();
        durable::write(&finished, &json)?;
        durable::show(&finished, &path)
    }
}
