//! Verifying: whether what the store has is what its digests say.
//!
//! The archive of each layer is made again from the unpacked layer, and its digest taken; what its headers say (owners,
//! permissions, links) is compared by unpacking it once more without contents.

use super::{Entry, Needs, Store, Work, failed};
use crate::image::error::{ImageError, printable};
use crate::image::layer_archive::LayerArchive;
use crate::image::stream::digest_of;
use crate::image::unpack::{LayerError, unpack_shape};
use crate::model::{Digest, Platform, Reference};
use crate::sys::tree::{Difference, Tree, differences, remove};
use serde::Serialize;
use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

/// Most differences of one layer that are told.
const DIFFERENCES_MAX: usize = 100;

/// One image that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The reference in full.
    pub reference: String,
    /// The platform, where it is not this machine's.
    pub platform: Option<Platform>,
    /// Digest of the manifest.
    pub digest: String,
    /// What is damaged, in words; nothing if all is well.
    pub damages: Vec<String>,
    #[serde(skip)]
    damaged_layers: Vec<Digest>,
}

impl Store {
    /// Verifies the images that `references` mean, all if there are none: blobs, layers, and every file in them.
    /// Calls `done` after each image.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; a store that cannot be read or written. Damage is none.
    pub fn verify(
        &self,
        references: &[Reference],
        mut done: impl FnMut(&Verified),
    ) -> Result<Vec<Verified>, ImageError> {
        let named = || match references {
            [] => self.entries(),
            references => self.named(references),
        };
        // Asked first without making the store.
        if named()?.is_empty() {
            return Ok(Vec::new());
        }
        let work = self.work()?;
        // Layers that images share are verified once.
        let mut layers: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        let mut all = Vec::new();
        for entry in named()? {
            let mut verified = Verified {
                reference: entry.reference.clone(),
                platform: entry.platform.clone(),
                digest: entry.manifest.to_string(),
                damages: self.blob_damages(&entry),
                damaged_layers: Vec::new(),
            };
            let config = self.config(entry.config);
            for diff_id in config.map(|config| config.diff_ids).unwrap_or_default() {
                let damages = match layers.entry(diff_id) {
                    Slot::Occupied(known) => known.into_mut(),
                    Slot::Vacant(slot) => slot.insert(self.layer_damages(diff_id, &work)?),
                };
                if !damages.is_empty() {
                    verified.damages.extend(damages.iter().cloned());
                    verified.damaged_layers.push(diff_id);
                }
            }
            done(&verified);
            all.push(verified);
        }
        Ok(all)
    }

    /// Removes what is damaged, and the images that it belongs to, so that they can be fetched or loaded again. Returns
    /// their references.
    ///
    /// # Errors
    /// [`ImageError::InUse`]; a store that cannot be written.
    pub fn remove_damaged(&self, verified: &[Verified]) -> Result<Vec<String>, ImageError> {
        let damaged: Vec<&Verified> = verified
            .iter()
            .filter(|image| !image.damages.is_empty())
            .collect();
        if damaged.is_empty() {
            return Ok(Vec::new());
        }
        let layers: BTreeSet<Digest> = damaged
            .iter()
            .flat_map(|image| image.damaged_layers.iter().copied())
            .collect();
        let is_affected = |entry: &Entry| {
            let is_known = |image: &&Verified| {
                (&image.reference, &image.platform) == (&entry.reference, &entry.platform)
            };
            let has_layer = || {
                self.config(entry.config)
                    .is_some_and(|config| config.diff_ids.iter().any(|id| layers.contains(id)))
            };
            damaged.iter().any(is_known) || has_layer()
        };
        let work = self.work()?;
        let lock = self.lock()?;
        let entries: Vec<Entry> = self.entries()?.into_iter().filter(is_affected).collect();
        let needs = Needs::default();
        let users = self.users(&needs)?;
        entries.iter().try_for_each(|entry| users.refuse(entry))?;
        self.forget(&entries)?;
        for layer in layers {
            let path = self.layer_path(layer);
            let out_of_sight = fs::rename(&path, work.new_path());
            match out_of_sight {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(failed("remove", path))?,
            }
        }
        drop(lock);
        Ok(entries.into_iter().map(|entry| entry.reference).collect())
    }

    fn blob_damages(&self, entry: &Entry) -> Vec<String> {
        let mut damages = Vec::new();
        for (what, digest) in [("manifest", entry.manifest), ("configuration", entry.config)] {
            match self.document(digest) {
                None => damages.push(format!("its {what} {digest} is missing or unreadable")),
                Some(contents) if digest_of(&contents) != digest => {
                    damages.push(format!("its {what} {digest} has other contents"));
                }
                Some(_) => {}
            }
        }
        let is_whole =
            || self.config_of(entry.manifest) == Some(entry.config) && self.config(entry.config).is_some();
        if damages.is_empty() && !is_whole() {
            damages.push("its manifest does not lead to its configuration".to_owned());
        }
        damages
    }

    fn layer_damages(&self, diff_id: Digest, work: &Work<'_>) -> Result<Vec<String>, ImageError> {
        let of = |text: String| format!("{text} (layer {})", self.layer_path(diff_id).display());
        let folder = match Tree::open(self.layer_path(diff_id)) {
            Ok(folder) => folder,
            Err(error) => return Ok(vec![of(format!("a layer is missing: {error}"))]),
        };
        let open = || folder.directory_without_links(Path::new("tree"));
        let (archive, tree) = match open().and_then(|tree| Ok((LayerArchive::open(folder)?, tree))) {
            Ok(opened) => opened,
            Err(error) => return Ok(vec![of(format!("a layer's record cannot be read: {error}"))]),
        };
        let mut archive = archive.lenient();
        let path = work.folder()?;
        let scratch = Tree::open(&path).map_err(failed("open", &path))?;
        let unpacked = unpack_shape(&mut archive, &scratch);
        let mut damages: Vec<String> = archive.into_damages().iter().map(ToString::to_string).collect();
        match unpacked {
            Err(LayerError::Write { error, .. }) => return Err(failed("write", path)(error)),
            Err(error) => damages.push(format!("a layer's record is damaged: {}", printable(error))),
            Ok(unpacked) => {
                if unpacked.diff_id != diff_id && damages.is_empty() {
                    damages.push("a layer's record is damaged".to_owned());
                }
                let shape = scratch
                    .directory_without_links(Path::new("tree"))
                    .map_err(failed("open", &path))?;
                let found = differences(&shape, &tree, DIFFERENCES_MAX);
                for (path, difference) in found.map_err(failed("read", self.layer_path(diff_id)))? {
                    let text = format!(
                        "`{}` {}",
                        path.display().to_string().escape_debug(),
                        words(difference)
                    );
                    if !damages.iter().any(|known| known.starts_with(&quoted(&path))) {
                        damages.push(text);
                    }
                }
            }
        }
        remove(&path).map_err(failed("remove", &path))?;
        Ok(damages.into_iter().map(of).collect())
    }
}

fn quoted(path: &Path) -> String {
    format!("`{}` ", path.display().to_string().escape_debug())
}

fn words(difference: Difference) -> &'static str {
    match difference {
        Difference::Missing => "is missing",
        Difference::Added => "is not of the image",
        Difference::Kind => "is something else",
        Difference::Attributes => "has another owner, mode, time or number of links",
        Difference::Extended => "has other extended attributes",
    }
}
