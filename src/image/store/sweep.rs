//! What may go: rubbish of killed processes, and blobs and layers that nothing leads to.

use super::{Store, failed, names};
use crate::image::error::ImageError;
use crate::model::{Digest, PodName};
use crate::sys::file::{self, read_text};
use crate::sys::tree::Tree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long half a download, or what else may be of use to a later attempt, stays when nobody touches it.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// `kept/NAME`: what to keep for [`KEPT_FOR`] although no reference leads to it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) blobs: Vec<Digest>,
    pub(super) layers: Vec<Digest>,
}

impl Store {
    /// The lock of whoever adds (shared) or takes rubbish away (exclusive).
    pub(super) fn work_lock(&self) -> Result<File, ImageError> {
        let path = self.root.join("work");
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", path))
    }

    /// Removes what nothing leads to: neither a reference nor a running member, nor a note of what to keep. Does
    /// nothing while somebody works on the store: whoever ends last sweeps.
    pub(super) fn sweep(&self) -> Result<(), ImageError> {
        let work = self.work_lock()?;
        if work.try_lock().is_err() {
            return Ok(());
        }
        let swept = self.discard().and_then(|()| {
            self.drop_old("partial")?;
            self.drop_old("kept")?;
            self.empty_tmp()
        });
        // See `Work::drop`.
        let _ = work.unlock();
        swept
    }

    /// Removes the rubbish of processes that were killed. Only under the exclusive work lock.
    pub(super) fn empty_tmp(&self) -> Result<(), ImageError> {
        let tmp = self.tmp_path();
        let tree = Tree::open(&tmp).map_err(failed("open", &tmp))?;
        for name in names(&tmp)? {
            tree.remove(OsStr::new(&name))
                .map_err(failed("remove", tmp.join(name)))?;
        }
        Ok(())
    }

    /// Moves blobs and layers that nobody needs out of sight.
    fn discard(&self) -> Result<(), ImageError> {
        let _lock = self.lock()?;
        // First the references, then the members: see `find`.
        let listed: Vec<Digest> = self.entries()?.iter().map(|entry| entry.manifest).collect();
        let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
        for name in names(&self.root.join("kept"))? {
            let path = self.root.join("kept").join(name);
            let json = file::read(&path, 1 << 20).map_err(failed("read", &path))?;
            // What cannot be read keeps nothing.
            let kept: Kept = serde_json::from_slice(&json).unwrap_or_default();
            blobs.extend(kept.blobs.iter().map(Digest::hex));
            layers.extend(kept.layers.iter().map(Digest::hex));
        }
        for manifest in listed.into_iter().chain(self.used()?.into_keys()) {
            let Some(config_digest) = self.config_of(manifest) else {
                continue;
            };
            let Some(config) = self.config(config_digest) else {
                continue;
            };
            blobs.extend([manifest.hex(), config_digest.hex()]);
            layers.extend(config.diff_ids.iter().map(Digest::hex));
        }
        for (folder, kept) in [("blobs/sha256", blobs), ("layers", layers)] {
            let folder = self.root.join(folder);
            for name in names(&folder)?.into_iter().filter(|name| !kept.contains(name)) {
                // Out of sight first: what is half removed must not look like a layer.
                let path = folder.join(&name);
                fs::rename(&path, self.tmp_path().join(&name)).map_err(failed("remove", path))?;
            }
        }
        Ok(())
    }

    /// Removes files of a folder that nobody has touched for long.
    fn drop_old(&self, folder: &str) -> Result<(), ImageError> {
        let folder = self.root.join(folder);
        for name in names(&folder)? {
            let path = folder.join(name);
            if is_old(&path) && !file::is_locked(&path) {
                fs::remove_file(&path).map_err(failed("remove", path))?;
            }
        }
        Ok(())
    }

    /// Digests of the images that running members hold, with the members as `POD/MEMBER`.
    pub(super) fn used(&self) -> Result<BTreeMap<Digest, Vec<String>>, ImageError> {
        let mut used: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for pod in names(&self.paths.run())? {
            let Ok(pod) = PodName::new(pod) else { continue };
            let members = self.paths.pod(&pod).members();
            for member in names(&members)? {
                let path = members.join(&member).join("image");
                let text = match read_text(&path, 4096) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    text => text.map_err(failed("read", path))?,
                };
                if let Some(Ok(digest)) = text.lines().next().map(str::parse) {
                    used.entry(digest).or_default().push(format!("{pod}/{member}"));
                }
            }
        }
        Ok(used)
    }
}

fn is_old(path: &Path) -> bool {
    let modified = path.metadata().and_then(|meta| meta.modified());
    let age = modified.map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
    age.is_ok_and(|age| age > KEPT_FOR)
}
