//! The store: unpacked images of this machine, shared by all pods.
//!
//! ```text
//! refs.json                reference → digests; what is not reached from here does not exist
//! blobs/sha256/HEX         manifests and configurations
//! layers/HEX/tree          a layer, unpacked, by the digest of its uncompressed archive
//! layers/HEX/size          the bytes of its files, in decimal
//! tmp/                     work in progress, and what is being removed
//! lock                     held by whoever changes anything (flock(2))
//! ```
//!
//! Everything is finished and on disk before a rename makes it visible, layers before blobs before `refs.json`: a
//! process killed at any point leaves the old state and some rubbish, which the next change removes. Readers take
//! no lock.

use super::config::{self, Configuration};
use super::error::ImageError;
use super::layout::DOCUMENT_MAX;
use super::{Digest, Reference};
use crate::model::{Paths, PodName, UnpackedImage};
use crate::sys::file::read_text;
use crate::sys::tree::Tree;
use oci_spec::image::ImageManifest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const SCHEMA: u32 = 1;

/// The images of this machine.
#[derive(Debug, Clone)]
pub struct Store {
    paths: Paths,
    pub(super) root: PathBuf,
}

/// `refs.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct References {
    schema: u32,
    pub(super) images: BTreeMap<String, Entry>,
}

/// One image of `refs.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) manifest: Digest,
    pub(super) config: Digest,
    /// The index that led to the manifest, by which an image may be pinned too.
    pub(super) index: Option<Digest>,
    /// Bytes of the files of all layers.
    pub(super) size: u64,
}

/// One line of `podunit image ls`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The reference in full.
    pub reference: String,
    /// Digest of the manifest, `sha256:…`.
    pub digest: String,
    /// Bytes of the files of all layers.
    pub size: u64,
    /// When the image was made (RFC 3339), if it says so.
    pub created: Option<String>,
}

/// The lock on the store, released when dropped or when the process ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held open")] File);

pub(super) fn failed(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.into();
    move |error| ImageError::Store { doing, path, error }
}

impl Store {
    /// The store of a system. Touches nothing.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            root: paths.image_store(),
        }
    }

    /// Finds an image by its reference, short or in full. Reads two small files and takes no lock.
    ///
    /// An image that is being removed at the same time is kept if the digest stands in
    /// [`crate::model::paths::MemberPaths::image`] and the image is found once more after it was written there.
    ///
    /// # Errors
    /// [`ImageError::NotFound`], which says how to load it; a reference that is none; a damaged store.
    pub fn find(&self, reference: &str) -> Result<UnpackedImage, ImageError> {
        let wanted: Reference = reference.parse()?;
        let references = self.references()?;
        let not_found = || ImageError::NotFound {
            reference: wanted.to_string(),
        };
        let (name, entry) = lookup(&references, &wanted).ok_or_else(not_found)?;
        let config = self
            .config(entry.config)
            .ok_or_else(|| self.damaged(name, self.blob_path(entry.config)))?;
        let mut layers = Vec::new();
        for diff_id in &config.diff_ids {
            let layer = self.layer_path(*diff_id).join("tree");
            if !layer.is_dir() {
                return Err(self.damaged(name, layer));
            }
            layers.push(layer);
        }
        let digest = entry.manifest.to_string();
        Ok(UnpackedImage {
            reference: wanted.to_string(),
            digest,
            layers,
            config: config.run,
        })
    }

    /// All images, by reference.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, ImageError> {
        let images = self.references()?.images.into_iter();
        Ok(images
            .map(|(reference, entry)| Listed {
                reference,
                digest: entry.manifest.to_string(),
                size: entry.size,
                created: self.config(entry.config).and_then(|config| config.created),
            })
            .collect())
    }

    /// Removes images, all or none, and what only they needed. Returns their references in full.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; [`ImageError::InUse`]; a store that cannot be written.
    pub fn remove(&self, references: &[String]) -> Result<Vec<String>, ImageError> {
        let wanted = references
            .iter()
            .map(|text| text.parse::<Reference>())
            .collect::<Result<Vec<_>, _>>()?;
        // Asked first without the lock, which would have to make the store.
        if let Some(missing) = wanted
            .iter()
            .find(|name| self.references().is_ok_and(|r| lookup(&r, name).is_none()))
        {
            return Err(ImageError::NotFound {
                reference: missing.to_string(),
            });
        }
        let _lock = self.lock()?;
        let mut references = self.references()?;
        let used = self.used()?;
        let mut removed = BTreeSet::new();
        for wanted in wanted {
            let not_found = || ImageError::NotFound {
                reference: wanted.to_string(),
            };
            let (name, entry) = lookup(&references, &wanted).ok_or_else(not_found)?;
            if let Some(users) = used.get(&entry.manifest) {
                return Err(ImageError::InUse {
                    reference: name.to_owned(),
                    users: users.clone(),
                });
            }
            removed.insert(name.to_owned());
        }
        references.images.retain(|name, _| !removed.contains(name));
        self.write_references(&references)?;
        self.sweep()?;
        Ok(removed.into_iter().collect())
    }

    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    pub(super) fn layer_path(&self, diff_id: Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    pub(super) fn tmp_path(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Makes the directories that are missing, waits for the lock, and empties `tmp`.
    pub(super) fn lock(&self) -> Result<Lock, ImageError> {
        for directory in ["blobs/sha256", "layers", "tmp"] {
            let path = self.root.join(directory);
            // Programs with setuid bits lie in here: nobody but root may pass.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(failed("make", path))?;
        }
        let path = self.root.join("lock");
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(failed("open", &path))?;
        let operation = rustix::fs::FlockOperation::LockExclusive;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation))
            .map_err(|error| failed("lock", &path)(error.into()))?;
        self.empty_tmp()?;
        Ok(Lock(file))
    }

    pub(super) fn empty_tmp(&self) -> Result<(), ImageError> {
        let tmp = self.tmp_path();
        let tree = Tree::open(&tmp).map_err(failed("open", &tmp))?;
        for name in names(&tmp)? {
            tree.remove(OsStr::new(&name))
                .map_err(failed("remove", tmp.join(name)))?;
        }
        Ok(())
    }

    /// Reads `refs.json`; there is none before the first load.
    pub(super) fn references(&self) -> Result<References, ImageError> {
        let path = self.root.join("refs.json");
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(References {
                    schema: SCHEMA,
                    images: BTreeMap::new(),
                });
            }
            Err(error) => return Err(failed("read", path)(error)),
        };
        let read: Result<References, _> = serde_json::from_slice(&json);
        let wrong = match read {
            Ok(references) if references.schema == SCHEMA => return Ok(references),
            Ok(references) => format!(
                "its format {} is of another version of podunit",
                references.schema
            ),
            Err(error) => format!("it is damaged ({error}): remove it and load the images again"),
        };
        Err(ImageError::Malformed {
            place: path.display().to_string(),
            problem: wrong,
        })
    }

    pub(super) fn write_references(&self, references: &References) -> Result<(), ImageError> {
        let path = self.root.join("refs.json");
        let json =
            serde_json::to_vec_pretty(references).map_err(|error| failed("write", &path)(error.into()))?;
        self.write(&path, &json)
    }

    /// Writes a file so that it is there whole or not at all, even after a loss of power.
    pub(super) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), ImageError> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let temporary = self.tmp_path().join(name);
        let written = || {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(contents)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(folder)?.sync_all()
        };
        written().map_err(failed("write", path))
    }

    /// Removes the blobs and layers that neither `refs.json` nor a running member needs. Only under the lock.
    pub(super) fn sweep(&self) -> Result<(), ImageError> {
        // First `refs.json`, then the members: see `find`.
        let listed: Vec<Digest> = self
            .references()?
            .images
            .values()
            .map(|entry| entry.manifest)
            .collect();
        let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
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
        self.empty_tmp()
    }

    /// Digests of the images that running members hold, with the members as `POD/MEMBER`.
    fn used(&self) -> Result<BTreeMap<Digest, Vec<String>>, ImageError> {
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

    fn config_of(&self, manifest: Digest) -> Option<Digest> {
        let manifest: ImageManifest = serde_json::from_slice(&self.document(manifest)?).ok()?;
        manifest.config().digest().as_ref().parse().ok()
    }

    fn config(&self, digest: Digest) -> Option<Configuration> {
        config::parse(&self.document(digest)?).ok()
    }

    fn document(&self, digest: Digest) -> Option<Vec<u8>> {
        let mut json = Vec::new();
        File::open(self.blob_path(digest))
            .ok()?
            .take(DOCUMENT_MAX)
            .read_to_end(&mut json)
            .ok()?;
        Some(json)
    }

    fn damaged(&self, reference: &str, path: PathBuf) -> ImageError {
        ImageError::Damaged {
            reference: reference.to_owned(),
            path,
        }
    }
}

/// The image that a reference means: by digest if it has one (the tag then says nothing), else by tag.
fn lookup<'a>(references: &'a References, wanted: &Reference) -> Option<(&'a str, &'a Entry)> {
    let images = references
        .images
        .iter()
        .map(|(name, entry)| (name.as_str(), entry));
    let Some(digest) = wanted.digest() else {
        let name = wanted.to_string();
        return images.into_iter().find(|(known, _)| *known == name);
    };
    images.into_iter().find(|(known, entry)| {
        let pinned = entry.manifest == digest || entry.index == Some(digest);
        pinned
            && known
                .parse::<Reference>()
                .is_ok_and(|known| known.same_repository(wanted))
    })
}

/// Names in a directory of the host; none if there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>, ImageError> {
    let entries = match fs::read_dir(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.map_err(failed("read", directory))?,
    };
    let name =
        |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
    entries
        .map(name)
        .collect::<Result<_, _>>()
        .map_err(failed("read", directory))
}
