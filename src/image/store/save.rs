//! Saving: images out of the store, in forms that other programs read.
//!
//! Layers are made again from their unpacked form and checked while they are written. Compressed they are not the blobs
//! that were loaded, so an OCI image that is saved has a manifest of its own; its configuration, by which Podman and
//! Docker know it, is the same.

use super::{Entry, Store, Work, failed};
use crate::image::docker_archive::MANIFEST_FILE;
use crate::image::error::ImageError;
use crate::image::layer_archive::Damage;
use crate::image::layer_archive::LayerArchive;
use crate::image::layout::{INDEX_FILE, LAYOUT_FILE, descriptor};
use crate::image::stream::{CopyError, Hashing, copy, digest_of};
use crate::model::{Digest, Reference};
use crate::sys::tree::Tree;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

/// How images are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An OCI image layout, its layers compressed with gzip unless `is_plain`.
    Oci {
        /// Layers are not compressed.
        is_plain: bool,
    },
    /// What `docker save` writes; layers are not compressed.
    Docker,
}

/// Where files of a saved image go.
pub trait Sink {
    /// Adds a file of `length` bytes.
    ///
    /// # Errors
    /// Those of reading and writing.
    fn add(&mut self, name: &str, length: u64, contents: &mut dyn Read) -> io::Result<()>;
}

/// A tar archive.
pub struct Archive<W: Write>(tar::Builder<W>);

impl<W: Write> Archive<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self(tar::Builder::new(out))
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner()
    }
}

impl<W: Write> Sink for Archive<W> {
    fn add(&mut self, name: &str, length: u64, contents: &mut dyn Read) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(length);
        header.set_mode(0o644);
        // The same image gives the same archive.
        header.set_mtime(0);
        self.0.append_data(&mut header, name, contents)
    }
}

/// A directory, empty at first.
pub struct Directory<'a>(pub &'a Path);

impl Sink for Directory<'_> {
    fn add(&mut self, name: &str, _length: u64, contents: &mut dyn Read) -> io::Result<()> {
        let path = self.0.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        io::copy(contents, &mut File::create_new(path)?)?;
        Ok(())
    }
}

impl Store {
    /// Saves images, each found by its reference, with all their names.
    ///
    /// # Errors
    /// [`ImageError::NotFound`]; damaged layers; what cannot be written. Half of them may have been written by then.
    pub fn save(
        &self,
        references: &[Reference],
        format: Format,
        sink: &mut dyn Sink,
    ) -> Result<(), ImageError> {
        self.named(references)?;
        let work = self.work()?;
        let mut images = Vec::new();
        for wanted in references {
            let found = self.lookup(wanted, None)?;
            let entry = found.ok_or_else(|| ImageError::not_found(wanted, None))?;
            let damaged = || ImageError::Damaged {
                reference: entry.reference.clone(),
                path: self.blob_path(entry.config),
            };
            let json = self
                .document(entry.config)
                .filter(|json| digest_of(json) == entry.config);
            let config = self.config(entry.config).ok_or_else(damaged)?;
            images.push(Image {
                json: json.ok_or_else(damaged)?,
                layers: config.diff_ids,
                entry,
            });
        }
        let mut saving = Saving {
            store: self,
            work: &work,
            sink,
            layers: BTreeMap::new(),
        };
        match format {
            Format::Oci { is_plain } => saving.oci(&images, is_plain),
            Format::Docker => saving.docker(&images),
        }
    }
}

/// An image to save.
struct Image {
    entry: Entry,
    /// The configuration as it is.
    json: Vec<u8>,
    layers: Vec<Digest>,
}

struct Saving<'a> {
    store: &'a Store,
    work: &'a Work<'a>,
    sink: &'a mut dyn Sink,
    /// Layers that were written, with their descriptors.
    layers: BTreeMap<Digest, Value>,
}

impl Saving<'_> {
    fn oci(&mut self, images: &[Image], is_plain: bool) -> Result<(), ImageError> {
        let mut index = Vec::new();
        let mut written = Vec::new();
        for image in images {
            let mut layers = Vec::new();
            for diff_id in &image.layers {
                if !self.layers.contains_key(diff_id) {
                    let layer = self.oci_layer(*diff_id, is_plain)?;
                    self.layers.insert(*diff_id, layer);
                }
                layers.push(self.layers[diff_id].clone());
            }
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": descriptor("config.v1+json", image.entry.config, image.json.len() as u64),
                "layers": layers,
            })
            .to_string();
            let digest = digest_of(manifest.as_bytes());
            for (digest, contents) in [
                (image.entry.config, &image.json[..]),
                (digest, manifest.as_bytes()),
            ] {
                if !written.contains(&digest) {
                    self.document(&blob(digest), contents)?;
                    written.push(digest);
                }
            }
            let mut named = descriptor("manifest.v1+json", digest, manifest.len() as u64);
            named["annotations"] = json!({ "org.opencontainers.image.ref.name": image.entry.reference });
            index.push(named);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": index,
        });
        self.document(LAYOUT_FILE, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        self.document(INDEX_FILE, index.to_string().as_bytes())
    }

    fn docker(&mut self, images: &[Image]) -> Result<(), ImageError> {
        let name = |diff_id: &Digest| format!("{}.tar", diff_id.hex());
        let mut list: Vec<Value> = Vec::new();
        for image in images {
            for diff_id in &image.layers {
                if self.layers.insert(*diff_id, Value::Null).is_none() {
                    let mut archive = self.archive(*diff_id)?;
                    let length = archive.get_ref().length();
                    self.layer(&name(diff_id), *diff_id, length, &mut archive)?;
                    self.check(*diff_id, archive)?;
                }
            }
            let config = format!("{}.json", image.entry.config.hex());
            let known = list.iter_mut().find(|listed| listed["Config"] == config);
            if let Some(tags) = known.and_then(|listed| listed["RepoTags"].as_array_mut()) {
                tags.push(json!(image.entry.reference));
                continue;
            }
            self.document(&config, &image.json)?;
            list.push(json!({
                "Config": config,
                "RepoTags": [image.entry.reference],
                "Layers": image.layers.iter().map(name).collect::<Vec<_>>(),
            }));
        }
        self.document(MANIFEST_FILE, Value::Array(list).to_string().as_bytes())
    }

    /// Writes a layer's blob. Returns its descriptor.
    fn oci_layer(&mut self, diff_id: Digest, is_plain: bool) -> Result<Value, ImageError> {
        let mut archive = self.archive(diff_id)?;
        if is_plain {
            let length = archive.get_ref().length();
            self.layer(&blob(diff_id), diff_id, length, &mut archive)?;
            self.check(diff_id, archive)?;
            return Ok(descriptor("layer.v1.tar", diff_id, length));
        }
        // Its name is its digest, and its length stands before it: it has to be there whole first.
        let path = self.work.new_path();
        let unwritable = |error| failed("write", &path)(error);
        let file = File::create_new(&path).map_err(unwritable)?;
        let mut encoder = GzEncoder::new(BufWriter::new(file), Compression::default());
        let copied = copy(&mut archive, |bytes| encoder.write_all(bytes));
        copied.map_err(|error| match error {
            CopyError::Read(error) => self.failed(diff_id, error),
            CopyError::Write(error) => unwritable(error),
        })?;
        let flushed = encoder.finish().and_then(|mut out| out.flush());
        flushed.map_err(unwritable)?;
        self.check(diff_id, archive)?;

        let mut file = File::open(&path).map_err(unwritable)?;
        let mut hashing = Hashing::new(&file);
        io::copy(&mut hashing, &mut io::sink()).map_err(unwritable)?;
        let (length, digest) = (hashing.length(), hashing.finish());
        file.rewind().map_err(unwritable)?;
        self.layer(&blob(digest), diff_id, length, &mut file)?;
        fs::remove_file(&path).map_err(unwritable)?;
        Ok(descriptor("layer.v1.tar+gzip", digest, length))
    }

    fn archive(&self, diff_id: Digest) -> Result<Hashing<LayerArchive>, ImageError> {
        let path = self.store.layer_path(diff_id);
        let opened = Tree::open(&path).and_then(LayerArchive::open);
        Ok(Hashing::new(opened.map_err(failed("read", path))?))
    }

    fn check(&self, diff_id: Digest, archive: Hashing<LayerArchive>) -> Result<(), ImageError> {
        if archive.finish() == diff_id {
            return Ok(());
        }
        Err(ImageError::DamagedLayer {
            path: self.store.layer_path(diff_id),
            problem: "its record has other contents".to_owned(),
        })
    }

    fn layer(
        &mut self,
        name: &str,
        diff_id: Digest,
        length: u64,
        contents: &mut dyn Read,
    ) -> Result<(), ImageError> {
        self.sink
            .add(name, length, contents)
            .map_err(|error| self.failed(diff_id, error))
    }

    fn document(&mut self, name: &str, contents: &[u8]) -> Result<(), ImageError> {
        let mut reader = contents;
        self.sink
            .add(name, contents.len() as u64, &mut reader)
            .map_err(ImageError::Save)
    }

    /// An error of reading a layer or of writing it elsewhere.
    fn failed(&self, diff_id: Digest, error: io::Error) -> ImageError {
        let damage = error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>());
        match damage {
            Some(damage) => ImageError::DamagedLayer {
                path: self.store.layer_path(diff_id),
                problem: damage.to_string(),
            },
            None => ImageError::Save(error),
        }
    }
}

fn blob(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
