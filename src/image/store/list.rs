//! What the store holds, for people and programs to see.

use super::{Entry, Needs, Store};
use crate::image::error::ImageError;
use crate::model::{Platform, Reference};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// One line of `podunit image ls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The reference in full.
    pub reference: String,
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// The platform, where the image was asked for with one that is not this machine's.
    pub platform: Option<Platform>,
    /// Bytes of the files of all layers.
    pub size: u64,
    /// When the image was made (RFC 3339), if it says so.
    pub created: Option<String>,
    /// Running members that hold it, as `POD/MEMBER`.
    pub used_by: Vec<String>,
    /// Members of loaded definitions that name it.
    pub needed_by: Vec<String>,
}

/// One image with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspected {
    /// What `ls` shows.
    #[serde(flatten)]
    pub listed: Listed,
    /// Digest of the index that led to the manifest.
    pub index: Option<String>,
    /// Other names of the image in the store.
    pub also: Vec<String>,
    /// Its layers, the lowest first.
    pub layers: Vec<InspectedLayer>,
    /// The manifest, as it came.
    pub manifest: Value,
    /// The configuration, as it came.
    pub config: Value,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectedLayer {
    /// Digest of its uncompressed archive, `sha256:…`.
    pub diff_id: String,
    /// Where it is unpacked.
    pub path: PathBuf,
    /// Bytes of its files.
    pub size: Option<u64>,
}

impl Store {
    /// All images, by reference.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn list(&self, needs: &Needs) -> Result<Vec<Listed>, ImageError> {
        let users = self.users(needs)?;
        let listed = |entry: Entry| Listed {
            used_by: users.running(&entry),
            needed_by: users.needing(&entry),
            created: self.config(entry.config).and_then(|config| config.created),
            digest: entry.manifest.to_string(),
            platform: entry.platform,
            size: entry.size,
            reference: entry.reference,
        };
        Ok(self.entries()?.into_iter().map(listed).collect())
    }

    /// Some images, for whatever platform, with all that is known of them.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; a store that cannot be read, or is damaged.
    pub fn inspect(&self, references: &[Reference], needs: &Needs) -> Result<Vec<Inspected>, ImageError> {
        let all = self.entries()?;
        let listed = self.list(needs)?;
        let named = self.named(references)?;
        let inspect = |entry: &Entry| {
            let json = |digest| {
                let parsed = self
                    .document(digest)
                    .and_then(|json| serde_json::from_slice(&json).ok());
                parsed.ok_or_else(|| ImageError::Damaged {
                    reference: entry.reference.clone(),
                    path: self.blob_path(digest),
                })
            };
            let diff_ids = self.config(entry.config).map(|config| config.diff_ids);
            let layers = diff_ids
                .unwrap_or_default()
                .into_iter()
                .map(|diff_id| InspectedLayer {
                    diff_id: diff_id.to_string(),
                    path: self.layer_path(diff_id).join("tree"),
                    size: self.layer_size(diff_id).ok(),
                });
            let is_it = |listed: &&Listed| {
                (&listed.reference, &listed.platform) == (&entry.reference, &entry.platform)
            };
            let not_found = || ImageError::NotFound {
                reference: entry.reference.clone(),
                platform: entry.platform.clone(),
            };
            let is_other =
                |other: &&Entry| other.manifest == entry.manifest && other.reference != entry.reference;
            Ok(Inspected {
                listed: listed.iter().find(is_it).cloned().ok_or_else(not_found)?,
                index: entry.index.map(|digest| digest.to_string()),
                also: all
                    .iter()
                    .filter(is_other)
                    .map(|other| other.reference.clone())
                    .collect(),
                layers: layers.collect(),
                manifest: json(entry.manifest)?,
                config: json(entry.config)?,
            })
        };
        named.iter().map(inspect).collect()
    }

    /// The images that some references mean, for whatever platform, each once, by reference.
    pub(super) fn named(&self, wanted: &[Reference]) -> Result<Vec<Entry>, ImageError> {
        let entries = self.entries()?;
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| !entries.iter().any(|entry| entry.is_named(wanted)))
        {
            return Err(ImageError::not_found(missing, None));
        }
        let is_named = |entry: &Entry| wanted.iter().any(|wanted| entry.is_named(wanted));
        Ok(entries.into_iter().filter(is_named).collect())
    }
}
