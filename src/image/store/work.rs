//! Adding to the store: layers, then the images that consist of them.

use super::{Entry, Store, durable, failed};
use crate::image::config;
use crate::image::error::ImageError;
use crate::image::stream::digest_of;
use crate::image::unpack::{LayerError, Unpacked, unpack};
use crate::model::{Digest, Platform, Reference, reference_key};
use crate::sys::file;
use crate::sys::tree::{self, Tree};
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Work on the store that adds something: while it lives, nothing is taken away that it or another has made or found.
/// Any number of processes and threads work at once.
#[derive(Debug)]
pub struct Work<'a> {
    pub(super) store: &'a Store,
    /// Below `tmp`, this work's own.
    folder: PathBuf,
    /// For the names of folders and files below it.
    count: AtomicU32,
    lock: File,
}

/// An image whose layers are in the store.
#[derive(Debug, Clone, Copy)]
pub struct NewImage<'a> {
    /// The name to give it.
    pub reference: &'a Reference,
    /// What it was asked for with, if that is not this machine's ([`Platform::other_than_host`]).
    pub platform: Option<&'a Platform>,
    /// The manifest as it is.
    pub manifest: &'a [u8],
    /// The configuration as it is.
    pub config: &'a [u8],
    /// Digest of the index that led to the manifest, if one did.
    pub index: Option<Digest>,
}

impl Store {
    /// Begins work that adds something. Waits while rubbish is taken away, and takes some away itself if nobody else
    /// works.
    ///
    /// # Errors
    /// A store that cannot be made or written.
    pub fn work(&self) -> Result<Work<'_>, ImageError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.make_directories()?;
        let lock = self.work_lock()?;
        if lock.try_lock().is_ok() {
            self.empty_tmp()?;
        }
        lock.lock_shared()
            .map_err(failed("lock", self.root.join("work")))?;
        loop {
            // Process IDs come again, in containers even at the same time.
            let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let folder = self.tmp_path().join(name);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other.map_err(failed("make", &folder))?;
                    return Ok(Work {
                        store: self,
                        folder,
                        count: AtomicU32::new(0),
                        lock,
                    });
                }
            }
        }
    }
}

impl Work<'_> {
    /// Makes an empty directory for whatever the work needs. It goes with the work.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn folder(&self) -> Result<PathBuf, ImageError> {
        let path = self.new_path();
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed("make", &path))?;
        Ok(path)
    }

    /// Whether the store has a layer, by the digest of its uncompressed archive. It stays while the work lives.
    pub fn has_layer(&self, diff_id: Digest) -> bool {
        self.store.layer_path(diff_id).exists()
    }

    /// Unpacks a layer, unless the store has it. If another does so at the same time, waits for that one. `blob` is
    /// the digest of `archive`, for messages; the contents are checked against `diff_id`. Returns the bytes of its
    /// files.
    ///
    /// # Errors
    /// A layer that is refused; a store that cannot be written. Then nothing of it stays.
    pub fn add_layer(
        &self,
        archive: impl Read + Send,
        blob: Digest,
        diff_id: Digest,
    ) -> Result<u64, ImageError> {
        let store = self.store;
        let _one_at_a_time = self.lock_layer(diff_id)?;
        if !self.has_layer(diff_id) {
            let problem = |problem| ImageError::Layer {
                digest: blob,
                problem,
            };
            let new = self.unpack(archive).map_err(|broken| broken.or(problem))?;
            let found = new.layer.diff_id;
            if found != diff_id {
                let expected = diff_id;
                return Err(problem(LayerError::Contents { expected, found }));
            }
            new.show(store)?;
        }
        self.store.layer_size(diff_id)
    }

    /// Unpacks a layer that has no digest yet. `place` is what to call the archive in messages.
    ///
    /// # Errors
    /// As [`Self::add_layer`].
    pub fn add_new_layer(&self, archive: impl Read + Send, place: &Path) -> Result<Unpacked, ImageError> {
        let malformed = |problem: LayerError| ImageError::Malformed {
            place: place.display().to_string(),
            problem: problem.to_string(),
        };
        let new = self.unpack(archive).map_err(|broken| broken.or(malformed))?;
        let layer = new.layer;
        let _one_at_a_time = self.lock_layer(layer.diff_id)?;
        if !self.has_layer(layer.diff_id) {
            new.show(self.store)?;
        }
        Ok(layer)
    }

    /// Gives images their names: all of them, or none if one cannot be written. Images of these names are replaced;
    /// members that run them keep them.
    ///
    /// # Errors
    /// A layer that is not there; a configuration that cannot be read or is not the manifest's; a store that cannot
    /// be written.
    pub fn commit(&self, images: &[NewImage<'_>]) -> Result<(), ImageError> {
        let mut finished = Vec::new();
        for image in images {
            let (manifest, config) = (self.add_blob(image.manifest)?, self.add_blob(image.config)?);
            let malformed = |problem: String| ImageError::Malformed {
                place: image.reference.to_string(),
                problem,
            };
            let parsed = config::parse(image.config).map_err(malformed)?;
            if self.store.config_of(manifest) != Some(config) {
                let problem = format!("its manifest does not lead to its configuration {config}");
                return Err(malformed(problem));
            }
            let mut size: u64 = 0;
            for diff_id in parsed.diff_ids {
                size = size.saturating_add(self.store.layer_size(diff_id)?);
            }
            let digests = (manifest, config, image.index);
            let (key, json) = Entry::new(image.reference, image.platform, digests, size).file()?;
            let path = self.new_path();
            durable::write(&path, &json)?;
            finished.push((path, key));
        }
        let _lock = self.store.lock()?;
        for (path, key) in &finished {
            durable::show(path, &self.store.entry_path(key))?;
        }
        for image in images {
            self.release(&reference_key(image.reference, image.platform))?;
        }
        Ok(())
    }

    fn add_blob(&self, contents: &[u8]) -> Result<Digest, ImageError> {
        let digest = digest_of(contents);
        let finished = self.new_path();
        durable::write(&finished, contents)?;
        durable::show(&finished, &self.store.blob_path(digest))?;
        Ok(digest)
    }

    fn unpack(&self, archive: impl Read + Send) -> Result<New, Broken> {
        let folder = Scratch(self.folder()?);
        let tree = Tree::open(&folder.0).map_err(failed("open", &folder.0))?;
        let layer = unpack(archive, &tree).map_err(|problem| match problem {
            // A full disk is no fault of the layer.
            LayerError::Write { error, .. } if is_of_the_store(&error) => {
                Broken::Store(failed("write", &self.store.root)(error))
            }
            problem => Broken::Layer(problem),
        })?;
        let size = format!("{}\n", layer.bytes);
        durable::write(&folder.0.join("size"), size.as_bytes())?;
        Ok(New { folder, layer })
    }

    /// Waits until nobody else makes this layer.
    fn lock_layer(&self, diff_id: Digest) -> Result<File, ImageError> {
        // Goes when `tmp` is emptied, which nobody does while somebody works.
        let path = self.store.tmp_path().join(format!("{}.lock", diff_id.hex()));
        file::lock(&path).map_err(failed("lock", path))
    }

    /// A name in this work's folder that nothing has yet.
    pub(super) fn new_path(&self) -> PathBuf {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.folder.join(count.to_string())
    }
}

/// A layer that nobody sees yet.
struct New {
    folder: Scratch,
    layer: Unpacked,
}

impl New {
    fn show(self, store: &Store) -> Result<(), ImageError> {
        durable::show(&self.folder.0, &store.layer_path(self.layer.diff_id))
    }
}

/// A folder that makes room, at once, if it was not moved elsewhere; what cannot be removed goes with `tmp`.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = tree::remove(&self.0);
    }
}

enum Broken {
    Layer(LayerError),
    Store(ImageError),
}

impl Broken {
    fn or(self, layer: impl FnOnce(LayerError) -> ImageError) -> ImageError {
        match self {
            Self::Layer(problem) => layer(problem),
            Self::Store(error) => error,
        }
    }
}

impl From<ImageError> for Broken {
    fn from(error: ImageError) -> Self {
        Self::Store(error)
    }
}

/// What was made and not committed goes, if nobody else works.
impl Drop for Work<'_> {
    fn drop(&mut self) {
        // Whoever works next does what fails here.
        let _ = tree::remove(&self.folder);
        // Not by closing the file: a process that is being started (by another thread) may still have it open.
        let _ = self.lock.unlock();
        let _ = self.store.sweep();
    }
}

fn is_of_the_store(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}
