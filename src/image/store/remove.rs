//! Names of images: given to one that is there, and taken away.

use super::{Entry, Needs, NewImage, Store};
use crate::image::error::ImageError;
use crate::model::{Digest, Platform, Reference};

impl Store {
    /// Removes images, all or none, for whatever platform, and what only they needed. By force also those that somebody
    /// uses: members keep what they run until they end. Returns their references in full.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; [`ImageError::InUse`]; [`ImageError::Needed`]; a store that cannot be written.
    pub fn remove(
        &self,
        references: &[Reference],
        needs: &Needs,
        is_forced: bool,
    ) -> Result<Vec<String>, ImageError> {
        // Asked first without the lock, which would have to make the store.
        self.named(references)?;
        let lock = self.lock()?;
        let entries = self.named(references)?;
        if !is_forced {
            let users = self.users(needs)?;
            entries.iter().try_for_each(|entry| users.refuse(entry))?;
        }
        self.forget(&entries)?;
        drop(lock);
        self.sweep()?;
        let mut removed: Vec<String> = entries.into_iter().map(|entry| entry.reference).collect();
        removed.dedup();
        Ok(removed)
    }

    /// Gives the image that `source` means further names; `platform` if it was asked for with one that is not this
    /// machine's. Images of these names are replaced.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; a name with a digest that is not the image's; a store that cannot be written.
    pub fn tag(
        &self,
        source: &Reference,
        platform: Option<&Platform>,
        names: &[Reference],
    ) -> Result<(), ImageError> {
        let find = || {
            let found = self.lookup(source, platform)?;
            found.ok_or_else(|| ImageError::not_found(source, platform))
        };
        // Asked first without making the store.
        find()?;
        let work = self.work()?;
        let entry = find()?;
        self.name(&work, &entry, names)
    }

    /// Makes `reference` mean the image whose manifest has this digest, whatever it means now; the image is there, since
    /// a member runs it or it is kept ([`super::Work::keep_image`]).
    ///
    /// # Errors
    /// [`ImageError::NoDigest`]; a store that cannot be written.
    pub fn point(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        manifest: Digest,
    ) -> Result<(), ImageError> {
        let not_found = || ImageError::NoDigest { digest: manifest };
        let work = self.work()?;
        let config = self.config_of(manifest).ok_or_else(not_found)?;
        let known = self
            .entries()?
            .into_iter()
            .find(|entry| entry.manifest == manifest);
        work.commit(&[NewImage {
            reference,
            platform,
            manifest: &self.document(manifest).ok_or_else(not_found)?,
            config: &self.document(config).ok_or_else(not_found)?,
            index: known.and_then(|entry| entry.index),
        }])
    }

    fn name(&self, work: &super::Work<'_>, entry: &Entry, names: &[Reference]) -> Result<(), ImageError> {
        let damaged = |digest| ImageError::Damaged {
            reference: entry.reference.clone(),
            path: self.blob_path(digest),
        };
        for name in names {
            if let Some(digest) = name.digest()
                && digest != entry.manifest
                && Some(digest) != entry.index
            {
                return Err(ImageError::Malformed {
                    place: name.to_string(),
                    problem: format!("the image {} has the digest {}", entry.reference, entry.manifest),
                });
            }
        }
        let read = |digest| self.document(digest).ok_or_else(|| damaged(digest));
        let (manifest, config) = (read(entry.manifest)?, read(entry.config)?);
        let image = |reference| NewImage {
            reference,
            platform: entry.platform.as_ref(),
            manifest: &manifest,
            config: &config,
            index: entry.index,
        };
        let images: Vec<NewImage<'_>> = names.iter().map(image).collect();
        work.commit(&images)
    }
}
