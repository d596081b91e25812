//! `refs/KEY`: one image of the store, found by what is asked for.

use super::{Store, durable, failed, names};
use crate::image::error::ImageError;
use crate::model::{Digest, Platform, Reference, reference_key};
use crate::sys::file;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

const SCHEMA: u32 = 1;

/// Longest file, in bytes.
const ENTRY_MAX: u64 = 16 << 10;

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    schema: u32,
    /// In full.
    pub(super) reference: String,
    /// What the image was asked for with, if that is not this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    pub(super) manifest: Digest,
    pub(super) config: Digest,
    /// The index that led to the manifest, by which an image may be pinned too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<Digest>,
    /// Bytes of the files of all layers.
    pub(super) size: u64,
}

impl Entry {
    pub(super) fn new(
        reference: &Reference,
        platform: Option<&Platform>,
        (manifest, config, index): (Digest, Digest, Option<Digest>),
        size: u64,
    ) -> Self {
        Self {
            schema: SCHEMA,
            reference: reference.to_string(),
            platform: platform.cloned(),
            manifest,
            config,
            index,
            size,
        }
    }

    /// Whether a reference means this image: by digest if it has one (the tag then says nothing), else by tag.
    pub(super) fn is_named(&self, wanted: &Reference) -> bool {
        let Some(digest) = wanted.digest() else {
            return self.reference == wanted.to_string();
        };
        (self.manifest == digest || self.index == Some(digest))
            && self
                .reference
                .parse::<Reference>()
                .is_ok_and(|known| known.same_repository(wanted))
    }

    pub(super) fn key(&self) -> Option<String> {
        let reference = self.reference.parse().ok()?;
        Some(reference_key(&reference, self.platform.as_ref()))
    }

    /// The file's name and contents.
    pub(super) fn file(&self) -> Result<(String, Vec<u8>), ImageError> {
        let reference: Reference = self.reference.parse()?;
        let key = reference_key(&reference, self.platform.as_ref());
        let json =
            serde_json::to_vec_pretty(self).map_err(|error| failed("write", key.clone())(error.into()))?;
        Ok((key, json))
    }
}

impl Store {
    pub(super) fn entry_path(&self, key: &str) -> PathBuf {
        self.paths.image_reference(key)
    }

    /// The image that is meant. One that was asked for by its digest may have been loaded by its tag.
    pub(super) fn lookup(
        &self,
        wanted: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Option<Entry>, ImageError> {
        let found = self.entry(&reference_key(wanted, platform))?;
        if found.is_some() || wanted.digest().is_none() {
            return Ok(found);
        }
        let fits = |entry: &Entry| {
            let is_exact = wanted.digest() == Some(entry.manifest);
            entry.is_named(wanted) && (is_exact || entry.platform.as_ref() == platform)
        };
        Ok(self.entries()?.into_iter().find(fits))
    }

    /// All images, by reference and platform.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, ImageError> {
        let mut entries = Vec::new();
        for key in names(&self.root.join("refs"))? {
            entries.extend(self.entry(&key)?);
        }
        entries.sort_by(|a, b| (&a.reference, &a.platform).cmp(&(&b.reference, &b.platform)));
        Ok(entries)
    }

    /// Takes images out of sight. Only under the lock.
    pub(super) fn forget(&self, entries: &[Entry]) -> Result<(), ImageError> {
        for key in entries.iter().filter_map(Entry::key) {
            durable::remove(&self.entry_path(&key))?;
        }
        Ok(())
    }

    fn entry(&self, key: &str) -> Result<Option<Entry>, ImageError> {
        let path = self.entry_path(key);
        let json = match file::read(&path, ENTRY_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed("read", &path))?,
        };
        let problem = match serde_json::from_slice::<Entry>(&json) {
            Ok(entry) if entry.schema != SCHEMA => {
                format!("its format {} is of another version of podunit", entry.schema)
            }
            Ok(entry) if entry.key().as_deref() == Some(key) => return Ok(Some(entry)),
            Ok(entry) => format!(
                "it is damaged (it is about {}, which belongs elsewhere): remove it and load the image again",
                entry.reference.escape_debug()
            ),
            Err(error) => format!("it is damaged ({error}): remove it and load the image again"),
        };
        Err(ImageError::Malformed {
            place: path.display().to_string(),
            problem,
        })
    }
}
