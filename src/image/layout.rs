//! An OCI image layout: which images a directory holds, and their checked blobs.

use super::config::{self, Configuration};
use super::error::{BlobProblem, ImageError};
use super::stream::{Hashing, digest_of};
use super::{Digest, Reference};
use crate::sys::tree::Tree;
use oci_spec::image::{Arch, Descriptor, ImageIndex, ImageManifest, MediaType, OciLayout, Os};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

/// The file that says that a directory is a layout.
pub const LAYOUT_FILE: &str = "oci-layout";
/// The list of images.
pub const INDEX_FILE: &str = "index.json";
/// Longest JSON document, in bytes.
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// Most layers of an image: overlayfs takes 500.
const LAYERS_MAX: usize = 500;
/// Deepest nesting of indexes.
const INDEX_DEPTH: usize = 4;

/// A layout in a directory.
pub struct Layout {
    tree: Tree,
    /// What the user named.
    place: PathBuf,
    blobs_are_checked: bool,
}

/// One image of a layout, its documents read and checked.
#[derive(Debug)]
pub struct Image {
    /// Its name.
    pub reference: Reference,
    /// The manifest as it is.
    pub manifest: Vec<u8>,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Digest of the index that led to the manifest, if one did.
    pub index: Option<Digest>,
    /// The configuration as it is.
    pub config_json: Vec<u8>,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// The configuration, read.
    pub config: Configuration,
    /// Blobs of the layers, the lowest first; as many as the configuration has `diff_ids`.
    pub layers: Vec<Blob>,
}

/// A blob as a descriptor names it.
#[derive(Debug, Clone, Copy)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
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
        refuse_mixed(&json, "layers").map_err(|problem| self.malformed(INDEX_FILE, problem))?;
        let index: ImageIndex = self.parse(INDEX_FILE, &json)?;
        let mut by_name: BTreeMap<Option<&str>, Vec<&Descriptor>> = BTreeMap::new();
        for descriptor in index.manifests().iter().filter(|d| is_image(d)) {
            by_name.entry(own_name(descriptor)).or_default().push(descriptor);
        }
        let failed = |problem: &str| Err(self.malformed(INDEX_FILE, problem.to_owned()));
        if let Some(name) = name {
            return match by_name.into_values().collect::<Vec<_>>().as_slice() {
                [] => failed("it lists no image"),
                [only] => Ok(vec![self.image(name.clone(), self.choose(INDEX_FILE, only)?)?]),
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
        for (name, descriptors) in by_name {
            let name = name.unwrap_or_default();
            let reference = name.parse().map_err(|error| {
                self.malformed(INDEX_FILE, format!("{error}; give another name with --name"))
            })?;
            images.push(self.image(reference, self.choose(INDEX_FILE, &descriptors)?)?);
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

    /// Reads the manifest that a descriptor leads to, by way of indexes, and the configuration.
    fn image(&self, reference: Reference, descriptor: &Descriptor) -> Result<Image, ImageError> {
        let mut descriptor = descriptor.clone();
        let mut index = None;
        for _ in 0..INDEX_DEPTH {
            if !is_index(descriptor.media_type()) {
                break;
            }
            let (digest, json) = self.blob_document(&descriptor)?;
            let place = digest.to_string();
            refuse_mixed(&json, "layers").map_err(|problem| self.malformed(&place, problem))?;
            let nested: ImageIndex = self.parse(&place, &json)?;
            let candidates: Vec<_> = nested.manifests().iter().filter(|d| is_image(d)).collect();
            descriptor = self.choose(&place, &candidates)?.clone();
            index.get_or_insert(digest);
        }
        let (digest, json) = self.blob_document(&descriptor)?;
        let place = digest.to_string();
        let malformed = |problem: String| self.malformed(&place, problem);
        refuse_mixed(&json, "manifests").map_err(malformed)?;
        let manifest: ImageManifest = self.parse(&place, &json)?;
        let config_type = manifest.config().media_type();
        if !matches!(config_type, MediaType::ImageConfig) && config_type.as_ref() != DOCKER_CONFIG {
            let kind = config_type.as_ref().escape_debug();
            return Err(malformed(format!(
                "it is not the image of a container, its type is `{kind}`"
            )));
        }
        let (config_digest, config_json) = self.blob_document(manifest.config())?;
        let mut config = config::parse(&config_json)
            .map_err(|problem| self.malformed(&config_digest.to_string(), problem))?;
        let (layers, diff_ids) = (manifest.layers().len(), config.diff_ids.len());
        if layers != diff_ids {
            return Err(malformed(format!(
                "it has {layers} layers, its configuration {diff_ids}"
            )));
        }
        if layers > LAYERS_MAX {
            return Err(malformed(format!(
                "it has {layers} layers: {LAYERS_MAX} is the most that can be mounted"
            )));
        }
        let wanted = wanted_platform();
        if config.platform != wanted {
            let platform = config.platform.escape_debug();
            config
                .warnings
                .push(format!("it is made for {platform}, and this machine is {wanted}"));
        }
        if let Some(asked) = reference.digest()
            && asked != digest
            && Some(asked) != index
        {
            return Err(malformed(format!(
                "it is not the image that --name asks for, {asked}"
            )));
        }
        let layers = manifest
            .layers()
            .iter()
            .map(|layer| self.described(layer))
            .collect::<Result<_, _>>()?;
        Ok(Image {
            reference,
            manifest: json,
            digest,
            index,
            config_json,
            config_digest,
            config,
            layers,
        })
    }

    /// The one of several descriptors that this machine can run.
    fn choose<'a>(&self, place: &str, descriptors: &[&'a Descriptor]) -> Result<&'a Descriptor, ImageError> {
        if let [only] = descriptors {
            return Ok(only);
        }
        let fits = |d: &&Descriptor| {
            d.platform()
                .as_ref()
                .is_some_and(|p| (p.os(), p.architecture()) == (&Os::default(), &architecture()))
        };
        let fitting: Vec<_> = descriptors.iter().copied().filter(fits).collect();
        let plain = fitting.iter().find(|d| {
            let variant = d.platform().as_ref().and_then(|p| p.variant().as_deref());
            matches!(variant, None | Some("v8"))
        });
        plain.or(fitting.first()).copied().ok_or_else(|| {
            let platforms = descriptors.iter().filter_map(|d| d.platform().as_ref());
            let known: Vec<_> = platforms
                .map(|p| format!("{}/{}", p.os(), p.architecture()))
                .collect();
            let known = known.join(", ").escape_debug().to_string();
            self.malformed(
                place,
                format!("it has no image for {}, only for: {known}", wanted_platform()),
            )
        })
    }

    fn described(&self, descriptor: &Descriptor) -> Result<Blob, ImageError> {
        let digest = descriptor.digest().as_ref().parse();
        let digest = digest.map_err(|error| self.malformed("a descriptor", format!("{error}")))?;
        Ok(Blob {
            digest,
            size: descriptor.size(),
        })
    }

    fn blob_document(&self, descriptor: &Descriptor) -> Result<(Digest, Vec<u8>), ImageError> {
        let blob = self.described(descriptor)?;
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
        if json.len() as u64 != blob.size {
            return Err(problem(BlobProblem::Size {
                expected: blob.size,
                found: json.len() as u64,
            }));
        }
        match digest_of(&json) {
            found if found == blob.digest => Ok((found, json)),
            found => Err(problem(BlobProblem::Contents { found })),
        }
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

    fn malformed(&self, part: &str, problem: String) -> ImageError {
        ImageError::Malformed {
            place: format!("{}: {part}", self.place.display()),
            problem,
        }
    }
}

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn is_index(media_type: &MediaType) -> bool {
    matches!(media_type, MediaType::ImageIndex) || media_type.as_ref() == DOCKER_INDEX
}

/// Whether a descriptor leads to an image. Builders list attestations too, for the platform `unknown`.
fn is_image(descriptor: &Descriptor) -> bool {
    let media_type = descriptor.media_type();
    let is_manifest =
        matches!(media_type, MediaType::ImageManifest) || media_type.as_ref() == DOCKER_MANIFEST;
    let is_attestation = descriptor
        .platform()
        .as_ref()
        .is_some_and(|p| p.os().to_string() == "unknown");
    (is_manifest || is_index(media_type)) && !is_attestation
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

/// A document that is a manifest to one reader and an index to another is refused (CVE-2021-41190).
fn refuse_mixed(json: &[u8], foreign: &str) -> Result<(), String> {
    let keys: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(json).map_err(|error| format!("cannot be read: {error}"))?;
    match keys.contains_key(foreign) {
        true => Err(format!(
            "it is a manifest and an index at once, it has `{foreign}`"
        )),
        false => Ok(()),
    }
}

fn architecture() -> Arch {
    if cfg!(target_arch = "x86") {
        Arch::i386
    } else {
        Arch::default()
    }
}

fn wanted_platform() -> String {
    format!("{}/{}", Os::default(), architecture())
}
