//! From a name to an image: the documents on the way, read and checked.
//!
//! ```text
//! index ── the entry for a platform ──▶ manifest ──▶ configuration
//! ```
//!
//! The same for a layout and for a registry, which differ in where documents come from ([`Documents`]).

use super::config::{self, Configuration};
use super::error::{BlobProblem, ImageError};
use super::platform::{self, Offered};
use super::stream::digest_of;
use super::{Digest, Reference};
use crate::model::Platform;
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;

/// Longest JSON document, in bytes.
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// Most layers of an image: overlayfs takes 500.
const LAYERS_MAX: usize = 500;
/// Deepest nesting of indexes.
const INDEX_DEPTH: usize = 4;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";

/// Media types of the documents that can be read, as a registry is told.
pub const ACCEPTED: [&str; 4] = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];

/// Where documents come from.
pub trait Documents {
    /// Reads a document of at most [`DOCUMENT_MAX`] bytes, its size and digest checked.
    ///
    /// # Errors
    /// A document that is missing or not what its descriptor says.
    fn read(&self, kind: Kind, blob: Blob) -> Result<Vec<u8>, ImageError>;

    /// An error that says where the documents are.
    fn malformed(&self, part: &str, problem: String) -> ImageError;
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list of manifests, each for a platform.
    Index,
    /// One image: its configuration and layers.
    Manifest,
    /// How an image is run.
    Configuration,
}

/// A blob as a descriptor names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A descriptor of an index or a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which of both.
    pub kind: Kind,
    /// The document.
    pub blob: Blob,
    /// What it is for, if it says so.
    pub platform: Option<Offered>,
}

/// An image, its documents read and checked.
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

/// Reads what `entry` leads to, by way of indexes, for `platform`; `None` is this machine's where there is a choice.
///
/// # Errors
/// Documents that are missing, damaged or contradict themselves; no image for the platform.
pub fn resolve(
    documents: &impl Documents,
    reference: &Reference,
    mut entry: Entry,
    platform: Option<&Platform>,
) -> Result<Image, ImageError> {
    let mut index = None;
    let mut depth = 0;
    while entry.kind == Kind::Index {
        let digest = entry.blob.digest;
        let malformed = |problem| documents.malformed(&digest.to_string(), problem);
        depth += 1;
        if depth > INDEX_DEPTH {
            return Err(malformed(format!(
                "indexes lie in one another more than {INDEX_DEPTH} deep"
            )));
        }
        let json = documents.read(Kind::Index, entry.blob)?;
        let listed = read_index(&json).map_err(malformed)?;
        let entries = listed
            .manifests()
            .iter()
            .filter_map(|descriptor| read_entry(descriptor).transpose());
        let entries: Vec<Entry> = entries.collect::<Result<_, _>>().map_err(malformed)?;
        entry = choose(&entries, platform).map_err(malformed)?.clone();
        index.get_or_insert(digest);
    }
    let digest = entry.blob.digest;
    let malformed = |problem| documents.malformed(&digest.to_string(), problem);
    let manifest = documents.read(Kind::Manifest, entry.blob)?;
    let (config_blob, layers) = read_manifest(&manifest).map_err(malformed)?;
    let config_json = documents.read(Kind::Configuration, config_blob)?;
    let mut config = config::parse(&config_json)
        .map_err(|problem| documents.malformed(&config_blob.digest.to_string(), problem))?;
    if layers.len() != config.diff_ids.len() {
        let (layers, diff_ids) = (layers.len(), config.diff_ids.len());
        return Err(malformed(format!(
            "it has {layers} layers, its configuration {diff_ids}"
        )));
    }
    if let Some(asked) = reference.digest()
        && asked != digest
        && Some(asked) != index
    {
        return Err(malformed(format!(
            "it is not the image that was asked for, {asked}"
        )));
    }
    // A variant that the processor has anyway is seldom written down here.
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let wanted = format!("{}/{}", wanted.os(), wanted.architecture());
    if config.platform != wanted {
        let made_for = config.platform.escape_debug();
        let warning = format!("it is made for {made_for}, and {wanted} is wanted");
        config.warnings.push(warning);
    }
    Ok(Image {
        reference: reference.clone(),
        manifest,
        digest,
        index,
        config_json,
        config_digest: config_blob.digest,
        config,
        layers,
    })
}

/// Reads an index.
///
/// # Errors
/// Says what is wrong with it.
pub fn read_index(json: &[u8]) -> Result<ImageIndex, String> {
    require_kind(json, Kind::Index)?;
    parse(json)
}

/// Checks contents against what a descriptor says of them.
///
/// # Errors
/// Says what differs.
pub fn check(contents: &[u8], blob: Blob) -> Result<(), BlobProblem> {
    let size = contents.len() as u64;
    if size != blob.size {
        return Err(BlobProblem::Size {
            expected: blob.size,
            found: size,
        });
    }
    match digest_of(contents) {
        found if found == blob.digest => Ok(()),
        found => Err(BlobProblem::Contents { found }),
    }
}

/// An index's descriptor as an entry; `None` for what is no image.
///
/// # Errors
/// A digest that is none.
pub fn read_entry(descriptor: &Descriptor) -> Result<Option<Entry>, String> {
    let Some(kind) = kind_of_type(descriptor.media_type().as_ref()) else {
        return Ok(None);
    };
    let platform = descriptor.platform().as_ref().map(|platform| Offered {
        os: platform.os().to_string(),
        architecture: platform.architecture().to_string(),
        variant: platform.variant().clone().filter(|variant| !variant.is_empty()),
    });
    // Builders list attestations too, for the platform `unknown`.
    if platform.as_ref().is_some_and(|platform| platform.os == "unknown") {
        return Ok(None);
    }
    Ok(Some(Entry {
        kind,
        blob: blob(descriptor)?,
        platform,
    }))
}

/// The entry for a platform; `None` is this machine's where there is a choice. One that stands alone and names no
/// platform is for any.
///
/// # Errors
/// Says which platforms there are.
pub fn choose<'a>(entries: &'a [Entry], platform: Option<&Platform>) -> Result<&'a Entry, String> {
    if let [only] = entries
        && (only.platform.is_none() || platform.is_none())
    {
        return Ok(only);
    }
    let host = Platform::host();
    let offered = |entry: &'a Entry| Some((entry.platform.as_ref()?, entry));
    platform::choose(entries.iter().filter_map(offered), platform.unwrap_or(&host))
}

/// The configuration and the layers of a manifest.
fn read_manifest(json: &[u8]) -> Result<(Blob, Vec<Blob>), String> {
    require_kind(json, Kind::Manifest)?;
    let manifest: ImageManifest = parse(json)?;
    let config_type = manifest.config().media_type().as_ref();
    if !matches!(config_type, OCI_CONFIG | DOCKER_CONFIG) {
        let kind = config_type.escape_debug();
        return Err(format!(
            "it is not the image of a container, its type is `{kind}`"
        ));
    }
    let count = manifest.layers().len();
    if count > LAYERS_MAX {
        return Err(format!(
            "it has {count} layers: {LAYERS_MAX} is the most that can be mounted"
        ));
    }
    let foreign = manifest.layers().iter().map(|layer| layer.media_type().as_ref());
    if let Some(foreign) = foreign.into_iter().find(|kind| kind.contains(".foreign.")) {
        let kind = foreign.escape_debug();
        return Err(format!(
            "a layer of it is kept elsewhere (`{kind}`): such images are not supported"
        ));
    }
    let layers = manifest.layers().iter().map(blob).collect::<Result<_, _>>()?;
    Ok((blob(manifest.config())?, layers))
}

fn blob(descriptor: &Descriptor) -> Result<Blob, String> {
    let digest = descriptor.digest().as_ref().parse();
    Ok(Blob {
        digest: digest.map_err(|error| format!("a descriptor: {error}"))?,
        size: descriptor.size(),
    })
}

/// What a document is by what it says of itself, with what a registry called it. One that says nothing of its type
/// is known by its contents.
///
/// # Errors
/// Neither an index nor a manifest, or of another type than it was called.
pub fn kind(json: &[u8], called: Option<&str>) -> Result<Kind, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default)]
        schema_version: Option<u64>,
    }
    let typed: Typed = parse(json)?;
    let schema_1 = |text: Option<&str>| text.is_some_and(|text| text.starts_with(DOCKER_SCHEMA_1));
    if typed.schema_version == Some(1) || schema_1(typed.media_type.as_deref()) || schema_1(called) {
        let problem = "it is in Docker's schema 1, which is obsolete and cannot be verified: build or push the image anew";
        return Err(problem.to_owned());
    }
    let called = called.and_then(kind_of_type);
    let own = match &typed.media_type {
        Some(own) => Some(kind_of_type(own).ok_or_else(|| {
            let own = own.escape_debug();
            format!("it is neither a manifest nor an index, its type is `{own}`")
        })?),
        None => None,
    };
    let kind = match (own, called) {
        (Some(own), Some(called)) if own != called => {
            return Err("it says that it is of another type than the registry says".to_owned());
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) if keys(json)?.contains_key("manifests") => Kind::Index,
        (None, None) => Kind::Manifest,
    };
    require_kind(json, kind)?;
    Ok(kind)
}

/// A document that is a manifest to one reader and an index to another is refused (CVE-2021-41190).
fn require_kind(json: &[u8], kind: Kind) -> Result<(), String> {
    let keys = keys(json)?;
    let foreign: &[&str] = match kind {
        Kind::Index => &["layers", "config", "fsLayers"],
        _ => &["manifests", "fsLayers"],
    };
    match foreign.iter().find(|key| keys.contains_key(**key)) {
        Some(key) => Err(format!("it is a manifest and an index at once, it has `{key}`")),
        None => Ok(()),
    }
}

fn keys(json: &[u8]) -> Result<BTreeMap<String, IgnoredAny>, String> {
    parse(json)
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| format!("cannot be read: {error}"))
}

fn kind_of_type(media_type: &str) -> Option<Kind> {
    // Parameters of a Content-Type, such as a charset, say nothing here.
    match media_type.split(';').next().unwrap_or_default().trim() {
        OCI_INDEX | DOCKER_INDEX => Some(Kind::Index),
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Manifest),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
