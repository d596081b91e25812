//! What `docker save` and `podman save` write: `manifest.json` lists images, each a configuration and layers by their
//! file names. It becomes an OCI layout, so that there is one way on from here.

use super::config;
use super::error::ImageError;
use super::layout::{INDEX_FILE, LAYOUT_FILE, descriptor};
use super::manifest::DOCUMENT_MAX;
use super::store::failed;
use super::stream::digest_of;
use crate::model::Digest;
use crate::sys::tree::Tree;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;

/// The list of images.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Most files of an archive beside blobs and documents. An image has three for each layer at most.
const FILES_MAX: usize = 20_000;
/// Longest name.
const NAME_MAX: usize = 512;
/// Most links from one name to the file.
const LINKS_MAX: usize = 8;
/// Most images of an archive.
const IMAGES_MAX: usize = 1_000;

/// Names of the files of an archive.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, Target>);

#[derive(Debug, PartialEq, Eq)]
enum Target {
    File(Digest),
    /// Another name. Layers that images share are written once.
    Link(String),
}

impl Names {
    /// Notes that the file `name` has these contents.
    ///
    /// # Errors
    /// Another file of that name; too many.
    pub fn file(&mut self, name: String, digest: Digest) -> Result<(), String> {
        self.add(name, Target::File(digest))
    }

    /// Notes that `name` is a link. One that leads out of the archive leads nowhere.
    ///
    /// # Errors
    /// Another file of that name; too many.
    pub fn link(&mut self, name: String, target: &[u8], is_symbolic: bool) -> Result<(), String> {
        let Ok(target) = std::str::from_utf8(target) else {
            return Ok(());
        };
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = match is_symbolic {
            true if target.starts_with('/') => return Ok(()),
            true => clean(&format!("{folder}/{target}")),
            false => clean(target),
        };
        match target {
            Some(target) => self.add(name, Target::Link(target)),
            None => Ok(()),
        }
    }

    fn add(&mut self, name: String, target: Target) -> Result<(), String> {
        if self.0.len() == FILES_MAX {
            return Err(format!(
                "it has more than {FILES_MAX} files that belong to no image. A root file system is loaded with \
                 `podunit image import`"
            ));
        }
        match self.0.get(&name) {
            Some(known) if *known != target => Err(format!("it holds two files {}", name.escape_debug())),
            Some(_) => Ok(()),
            None => {
                self.0.insert(name, target);
                Ok(())
            }
        }
    }

    fn find(&self, name: &str) -> Option<Digest> {
        let mut name = clean(name)?;
        for _ in 0..LINKS_MAX {
            if let Some(digest) = name.strip_prefix("blobs/sha256/").and_then(Digest::from_hex) {
                return Some(digest);
            }
            match self.0.get(&name)? {
                Target::File(digest) => return Some(*digest),
                Target::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

/// A name without `.` and `..`; `None` for one that leads out, or is too long.
pub fn clean(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (name.len() <= NAME_MAX).then(|| parts.join("/"))
}

/// One image of the list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Makes a layout of an archive whose files are in `blobs`, called by their digests, and whose list is in `tree`. Of
/// both paths, the first is what to call the archive in messages, the other is that of `tree`.
///
/// # Errors
/// A list that cannot be read or does not fit the files; a store that cannot be written.
pub fn into_layout(
    tree: &Tree,
    blobs: &Tree,
    names: &Names,
    (place, into_path): (&Path, &Path),
) -> Result<(), ImageError> {
    let malformed = |problem: String| ImageError::Malformed {
        place: format!("{}: {MANIFEST_FILE}", place.display()),
        problem,
    };
    let unreadable = |error| ImageError::Read {
        path: place.join(MANIFEST_FILE),
        error,
    };
    let unwritable = |error| failed("write", into_path)(error);
    let json = tree.read_file(MANIFEST_FILE, DOCUMENT_MAX).map_err(unreadable)?;
    let list: Vec<Listed> =
        serde_json::from_slice(&json).map_err(|error| malformed(format!("cannot be read: {error}")))?;
    if list.len() > IMAGES_MAX {
        return Err(malformed(format!("it lists more than {IMAGES_MAX} images")));
    }
    let mut entries = Vec::new();
    for image in &list {
        let manifest = manifest(image, blobs, names).map_err(|problem| match problem {
            Problem::Malformed(problem) => malformed(problem),
            Problem::Unreadable(error) => unreadable(error),
        })?;
        let digest = digest_of(&manifest);
        let name = digest.hex();
        blobs.remove(OsStr::new(&name)).map_err(unwritable)?;
        write(blobs, &name, &manifest).map_err(unwritable)?;
        let descriptor = descriptor("manifest.v1+json", digest, manifest.len() as u64);
        let tags = image.repo_tags.as_deref().unwrap_or_default();
        for tag in tags {
            let mut named = descriptor.clone();
            named["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            entries.push(named);
        }
        if tags.is_empty() {
            entries.push(descriptor);
        }
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    write(tree, INDEX_FILE, index.as_bytes()).map_err(unwritable)?;
    write(tree, LAYOUT_FILE, br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(unwritable)
}

enum Problem {
    Malformed(String),
    Unreadable(io::Error),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Malformed(problem)
    }
}

/// The manifest that the image would have in a layout. The same image gives the same.
fn manifest(image: &Listed, blobs: &Tree, names: &Names) -> Result<Vec<u8>, Problem> {
    let open = |name: &str| {
        let missing = || {
            format!(
                "it names the file `{}`, which the archive does not have",
                name.escape_debug()
            )
        };
        let digest = names.find(name).ok_or_else(missing)?;
        let file = blobs
            .open_file(digest.hex())
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Problem::Malformed(missing()),
                _ => Problem::Unreadable(error),
            })?;
        let size = file.metadata().map_err(Problem::Unreadable)?.len();
        Ok::<_, Problem>((digest, file, size))
    };
    let (config_digest, config, config_size) = open(&image.config)?;
    let mut json = Vec::new();
    config
        .take(DOCUMENT_MAX)
        .read_to_end(&mut json)
        .map_err(Problem::Unreadable)?;
    config::parse(&json).map_err(|problem| format!("{}: {problem}", image.config.escape_debug()))?;
    let mut layers = Vec::new();
    for name in image.layers.as_deref().unwrap_or_default() {
        let (digest, file, size) = open(name)?;
        let mut magic = Vec::new();
        file.take(4)
            .read_to_end(&mut magic)
            .map_err(Problem::Unreadable)?;
        let kind = match magic.as_slice() {
            [0x1f, 0x8b, ..] => "layer.v1.tar+gzip",
            [0x28, 0xb5, 0x2f, 0xfd] => "layer.v1.tar+zstd",
            _ => "layer.v1.tar",
        };
        layers.push(descriptor(kind, digest, size));
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config_digest, config_size),
        "layers": layers,
    });
    Ok(manifest.to_string().into_bytes())
}

fn write(tree: &Tree, name: &str, contents: &[u8]) -> io::Result<()> {
    tree.make_file(OsStr::new(name))?.write_all(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_files_and_never_out() {
        let digest = digest_of(b"");
        let mut names = Names::default();
        names.file("a.tar".to_owned(), digest).unwrap();
        names.link("id/layer.tar".to_owned(), b"../a.tar", true).unwrap();
        names.link("hard".to_owned(), b"./id/layer.tar", false).unwrap();
        names.link("loop".to_owned(), b"loop", true).unwrap();
        names.link("out".to_owned(), b"/etc/passwd", true).unwrap();
        names.link("up".to_owned(), b"../x", true).unwrap();
        for good in ["a.tar", "./a.tar", "id/layer.tar", "id/../hard"] {
            assert_eq!(names.find(good), Some(digest), "{good}");
        }
        for bad in ["b", "loop", "out", "up", "../a.tar", "blobs/sha256/../a.tar/x"] {
            assert_eq!(names.find(bad), None, "{bad}");
        }
        names.file("a.tar".to_owned(), digest).unwrap();
        assert!(names.file("a.tar".to_owned(), digest_of(b"x")).is_err());
    }
}
