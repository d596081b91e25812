//! An OCI image layout: which images a directory holds, and their checked blobs.

use super::error::{BlobProblem, ImageError};
use super::manifest::{self, Blob, DOCUMENT_MAX, Documents, Entry, Image, Kind};
use super::stream::Hashing;
use super::{Digest, Reference};
use crate::sys::tree::Tree;
use oci_spec::image::{Descriptor, OciLayout};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

/// The file that says that a directory is a layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// The list of images.
pub const INDEX_FILE: &str = "index.json";

/// A layout in a directory.
pub struct Layout {
    tree: Tree,
    /// What the user named.
    place: PathBuf,
    blobs_are_checked: bool,
}

impl Layout {
    /// Opens a layout. `place` is what to call it in messages. `blobs_are_checked` if the contents of each blob
    /// are known to match its name.
    ///
    /// # Errors
    /// A directory that is no layout.
    pub fn open(tree: Tree, place: &Path, blobs_are_checked: bool) -> Result<Self, ImageError> {
        let layout = Self {
            tree,
            place: place.to_owned(),
            blobs_are_checked,
        };
        let version: OciLayout = layout.parse(LAYOUT_FILE, &layout.document(LAYOUT_FILE)?)?;
        if !version.image_layout_version().starts_with("1.") {
            let problem = "its layout version is unknown: podunit reads OCI layouts of version 1".to_owned();
            return Err(layout.malformed(LAYOUT_FILE, problem));
        }
        Ok(layout)
    }

    /// The images in the layout: the only one under `name` if that is given, else all that have a name of their
    /// own.
    ///
    /// # Errors
    /// Nothing that could be loaded; documents that are missing, damaged or contradict themselves.
    pub fn images(&self, name: Option<&Reference>) -> Result<Vec<Image>, ImageError> {
        let json = self.document(INDEX_FILE)?;
        let malformed = |problem| self.malformed(INDEX_FILE, problem);
        let index = manifest::read_index(&json).map_err(malformed)?;
        let mut by_name: BTreeMap<Option<&str>, Vec<Entry>> = BTreeMap::new();
        for descriptor in index.manifests() {
            if let Some(entry) = manifest::read_entry(descriptor).map_err(malformed)? {
                by_name.entry(own_name(descriptor)).or_default().push(entry);
            }
        }
        let failed = |problem: &str| Err(self.malformed(INDEX_FILE, problem.to_owned()));
        if let Some(name) = name {
            // One image may have several names.
            let mut images: Vec<_> = by_name.into_values().collect();
            images.dedup();
            return match images.as_slice() {
                [] => failed("it lists no image"),
                [only] => Ok(vec![self.image(name.clone(), only)?]),
                _ => failed("it lists several images: --name is for an archive with one"),
            };
        }
        let unnamed = by_name.remove(&None);
        if by_name.is_empty() {
            return match unnamed {
                None => failed("it lists no image"),
                Some(_) => failed("the image in it has no name: give one with --name"),
            };
        }
        let mut images = Vec::new();
        for (name, entries) in by_name {
            let name = name.unwrap_or_default();
            let reference = name.parse().map_err(|error| {
                self.malformed(INDEX_FILE, format!("{error}; give another name with --name"))
            })?;
            images.push(self.image(reference, &entries)?);
        }
        Ok(images)
    }

    /// Opens a blob, its size and contents checked.
    ///
    /// # Errors
    /// A blob that is missing or not what its descriptor says.
    pub fn blob(&self, blob: Blob) -> Result<File, ImageError> {
        let path = format!("blobs/sha256/{}", blob.digest.hex());
        let problem = |problem| ImageError::Blob {
            digest: blob.digest,
            problem,
        };
        let unreadable = |error| ImageError::Read {
            path: self.place.join(&path),
            error,
        };
        let mut file = self.tree.open_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => problem(BlobProblem::Missing),
            _ => unreadable(error),
        })?;
        let found = file.metadata().map_err(unreadable)?.len();
        if found != blob.size {
            return Err(problem(BlobProblem::Size {
                expected: blob.size,
                found,
            }));
        }
        if !self.blobs_are_checked {
            let mut hashing = Hashing::new(&file);
            io::copy(&mut hashing, &mut io::sink()).map_err(unreadable)?;
            let found = hashing.finish();
            if found != blob.digest {
                return Err(problem(BlobProblem::Contents { found }));
            }
            file.rewind().map_err(unreadable)?;
        }
        Ok(file)
    }

    fn image(&self, reference: Reference, entries: &[Entry]) -> Result<Image, ImageError> {
        let entry = manifest::choose(entries, None).map_err(|problem| self.malformed(INDEX_FILE, problem))?;
        manifest::resolve(self, &reference, entry.clone(), None)
    }

    fn document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        self.tree
            .read_file(name, DOCUMENT_MAX)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ImageError::Malformed {
                    place: self.place.display().to_string(),
                    problem: format!("not an OCI archive or image layout: it has no {name}"),
                },
                _ => ImageError::Read {
                    path: self.place.join(name),
                    error,
                },
            })
    }

    fn parse<T: DeserializeOwned>(&self, part: &str, json: &[u8]) -> Result<T, ImageError> {
        serde_json::from_slice(json).map_err(|error| self.malformed(part, format!("cannot be read: {error}")))
    }
}

impl Documents for Layout {
    fn read(&self, _kind: Kind, blob: Blob) -> Result<Vec<u8>, ImageError> {
        let path = format!("blobs/sha256/{}", blob.digest.hex());
        let problem = |problem| ImageError::Blob {
            digest: blob.digest,
            problem,
        };
        let json = self
            .tree
            .read_file(&path, DOCUMENT_MAX)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => problem(BlobProblem::Missing),
                _ => ImageError::Read {
                    path: self.place.join(&path),
                    error,
                },
            })?;
        manifest::check(&json, blob).map_err(problem)?;
        Ok(json)
    }

    fn malformed(&self, part: &str, problem: String) -> ImageError {
        ImageError::Malformed {
            place: format!("{}: {part}", self.place.display()),
            problem,
        }
    }
}

/// The descriptor of a blob of the type `application/vnd.oci.image.KIND`.
pub fn descriptor(kind: &str, digest: Digest, size: u64) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": digest.to_string(),
        "size": size,
    })
}

/// The name that a layout gives an image. containerd's and BuildKit's comes first: beside it, the standard one
/// is only the tag.
fn own_name(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    names
        .into_iter()
        .find_map(|name| annotations.get(name))
        .map(String::as_str)
        .filter(|name| !name.is_empty())
}
