//! Making room: images that nobody needs, and what broken downloads have left.

use super::{Entry, Needs, Store, failed, names};
use crate::image::error::ImageError;
use crate::model::Digest;
use crate::sys::file;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prune {
    /// Images too that no definition needs and no member runs, not only what is left of others.
    pub all: bool,
    /// Only what has been here so long, or has not been touched for so long.
    pub until: Duration,
    /// Nothing goes; it is only said what would.
    pub is_dry: bool,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// References of images.
    pub images: Vec<String>,
    /// Downloads that were broken off, by their digests.
    pub downloads: Vec<String>,
    /// Bytes on disk that are free now: of layers that no image has any more, and of downloads.
    pub bytes: u64,
}

impl Store {
    /// Removes what nobody needs.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn prune(&self, prune: Prune, needs: &Needs) -> Result<Pruned, ImageError> {
        let mut pruned = Pruned::default();
        if !self.root.exists() {
            return Ok(pruned);
        }
        let lock = self.lock()?;
        let users = self.users(needs)?;
        let is_old = |path: &Path| age(path).is_some_and(|age| age >= prune.until);
        let goes = |entry: &Entry| {
            prune.all && users.has_none(entry) && entry.path(self).is_some_and(|path| is_old(&path))
        };
        let (go, stay): (Vec<Entry>, Vec<Entry>) = self.entries()?.into_iter().partition(goes);
        for name in names(&self.root.join("partial"))? {
            let path = self.root.join("partial").join(&name);
            if is_old(&path) && !file::is_locked(&path) {
                pruned.bytes += path.metadata().map_or(0, |meta| meta.len());
                pruned.downloads.push(format!("sha256:{name}"));
            }
        }
        let kept: BTreeSet<Digest> = stay.iter().flat_map(|entry| self.layers_of(entry)).collect();
        let free: BTreeSet<Digest> = go.iter().flat_map(|entry| self.layers_of(entry)).collect();
        for layer in free.difference(&kept) {
            pruned.bytes += self.layer_size(*layer).unwrap_or(0);
        }
        pruned.images = go.iter().map(|entry| entry.reference.clone()).collect();
        if prune.is_dry {
            return Ok(pruned);
        }
        self.forget(&go)?;
        drop(lock);
        for download in &pruned.downloads {
            self.remove_download(download)?;
        }
        self.sweep()?;
        Ok(pruned)
    }

    /// Removes a broken download, unless somebody has taken it up by now.
    fn remove_download(&self, download: &str) -> Result<(), ImageError> {
        let path = self
            .root
            .join("partial")
            .join(download.trim_start_matches("sha256:"));
        match fs::File::open(&path) {
            Ok(file) if file.try_lock().is_ok() => fs::remove_file(&path).map_err(failed("remove", path)),
            _ => Ok(()),
        }
    }

    fn layers_of(&self, entry: &Entry) -> Vec<Digest> {
        self.config(entry.config)
            .map(|config| config.diff_ids)
            .unwrap_or_default()
    }
}

impl Entry {
    fn path(&self, store: &Store) -> Option<PathBuf> {
        self.key().map(|key| store.entry_path(&key))
    }
}

fn age(path: &Path) -> Option<Duration> {
    let modified = path.metadata().and_then(|meta| meta.modified()).ok()?;
    // What is of the future is new.
    Some(SystemTime::now().duration_since(modified).unwrap_or_default())
}
