//! Tiny images, made in memory.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use tar::{Builder, EntryType, Header};

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A layer's tar archive. Names and targets are written as they are, however bad.
pub(crate) struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, header: (EntryType, u64, u64, u64), name: &str, target: &str, data: &[u8]) -> Self {
        let (kind, mode, uid, gid) = header;
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(u32::try_from(mode).unwrap());
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(1_600_000_000);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub(crate) fn special(self, kind: EntryType, name: &str, target: &str) -> Self {
        self.entry((kind, 0o644, 0, 0), name, target, b"")
    }

    pub(crate) fn owned(self, name: &str, mode: u64, uid: u64, gid: u64, data: &[u8]) -> Self {
        self.entry((EntryType::Regular, mode, uid, gid), name, "", data)
    }

    pub(crate) fn owned_directory(self, name: &str, mode: u64, uid: u64, gid: u64) -> Self {
        self.entry((EntryType::Directory, mode, uid, gid), name, "", b"")
    }

    /// A member with contents, of whatever kind.
    pub(crate) fn contents(self, kind: EntryType, name: &str, data: &[u8]) -> Self {
        self.entry((kind, 0o644, 0, 0), name, "", data)
    }

    /// A file of `size` bytes with `data` at `offset` and holes elsewhere, in GNU's old form.
    pub(crate) fn sparse(mut self, name: &str, offset: u64, data: &[u8], size: u64) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::GNUSparse);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        let octal = |field: &mut [u8], value: u64| {
            field.copy_from_slice(format!("{value:0width$o}\0", width = field.len() - 1).as_bytes());
        };
        let gnu = header.as_gnu_mut().unwrap();
        octal(&mut gnu.sparse[0].offset, offset);
        octal(&mut gnu.sparse[0].numbytes, data.len() as u64);
        octal(&mut gnu.sparse[1].offset, size);
        octal(&mut gnu.sparse[1].numbytes, 0);
        octal(&mut gnu.realsize, size);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.owned(name, 0o644, 0, 0, data)
    }

    pub(crate) fn directory(self, name: &str, mode: u64) -> Self {
        self.owned_directory(name, mode, 0, 0)
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.special(EntryType::Symlink, name, target)
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.special(EntryType::Link, name, target)
    }

    pub(crate) fn fifo(self, name: &str) -> Self {
        self.special(EntryType::Fifo, name, "")
    }

    /// PAX records for the next member.
    pub(crate) fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// An image, and how to spoil it.
#[derive(Clone)]
pub(crate) struct Image {
    name: String,
    platform: String,
    config: String,
    /// Layers: the blob, and the digest of its uncompressed form.
    layers: Vec<(Vec<u8>, String)>,
    /// Added to the manifest's JSON object.
    pub(crate) extra: String,
    /// Replaces the size of the first layer in its descriptor.
    pub(crate) wrong_size: Option<usize>,
}

impl Image {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            platform: oci_spec::image::Arch::default().to_string(),
            config: "{}".to_owned(),
            layers: Vec::new(),
            extra: String::new(),
            wrong_size: None,
        }
    }

    pub(crate) fn layer(self, layer: Layer) -> Self {
        self.compressed_layer(layer, gzip)
    }

    pub(crate) fn compressed_layer(self, layer: Layer, compress: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let plain = layer.finish();
        self.raw_layer(compress(&plain), sha256(&plain))
    }

    pub(crate) fn raw_layer(mut self, blob: Vec<u8>, diff_id: String) -> Self {
        self.layers.push((blob, diff_id));
        self
    }

    pub(crate) fn platform(mut self, architecture: &str) -> Self {
        self.platform = architecture.to_owned();
        self
    }

    pub(crate) fn config(mut self, config: &str) -> Self {
        self.config = config.to_owned();
        self
    }

    pub(crate) fn layer_digests(&self) -> Vec<String> {
        self.layers.iter().map(|(blob, _)| sha256(blob)).collect()
    }

    fn config_json(&self) -> String {
        let diff_ids: Vec<_> = self
            .layers
            .iter()
            .map(|(_, id)| format!("\"sha256:{id}\""))
            .collect();
        format!(
            r#"{{"architecture":"{}","os":"linux","created":"2024-05-01T12:00:00Z","config":{},
            "rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            self.platform,
            self.config,
            diff_ids.join(",")
        )
    }

    fn manifest_json(&self) -> String {
        let layers = self.layers.iter().enumerate().map(|(at, (blob, _))| {
            let size = self.wrong_size.filter(|_| at == 0).unwrap_or(blob.len());
            let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
            format!(
                r#"{{"mediaType":"{kind}","digest":"sha256:{}","size":{size}}}"#,
                sha256(blob)
            )
        });
        let config = self.config_json();
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:{}","size":{}}},
            "layers":[{}]{}}}"#,
            sha256(config.as_bytes()),
            config.len(),
            layers.collect::<Vec<_>>().join(","),
            self.extra
        )
    }

    /// Digest of the manifest, without `sha256:`.
    pub(crate) fn digest(&self) -> String {
        sha256(self.manifest_json().as_bytes())
    }

    fn blobs(&self) -> Vec<Vec<u8>> {
        let layers = self.layers.iter().map(|(blob, _)| blob.clone());
        layers
            .chain([self.config_json().into_bytes(), self.manifest_json().into_bytes()])
            .collect()
    }

    fn descriptor(&self) -> String {
        let name = match self.name.as_str() {
            "" => String::new(),
            name => format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#),
        };
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":{},
            "platform":{{"os":"linux","architecture":"{}"}}{name}}}"#,
            self.digest(),
            self.manifest_json().len(),
            self.platform
        )
    }

    /// The files of a layout.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        layout(&index(std::slice::from_ref(self)), self.blobs())
    }

    pub(crate) fn layout(&self, folder: &Path) {
        for (name, contents) in self.files() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
    }

    pub(crate) fn archive(&self) -> Vec<u8> {
        pack(&self.files())
    }

    pub(crate) fn archive_backwards(&self) -> Vec<u8> {
        pack(self.files().iter().rev())
    }

    /// An archive of several images.
    pub(crate) fn several(images: &[Self]) -> Vec<u8> {
        pack(&layout(&index(images), images.iter().flat_map(Self::blobs)))
    }

    /// An archive whose index leads to a nested one that lists the images.
    pub(crate) fn nested(name: &str, images: &[Self]) -> Vec<u8> {
        let inner = index(images);
        let outer = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json",
            "digest":"sha256:{}","size":{},"annotations":{{"io.containerd.image.name":"{name}"}}}}]}}"#,
            sha256(inner.as_bytes()),
            inner.len()
        );
        pack(&layout(
            &outer,
            images.iter().flat_map(Self::blobs).chain([inner.into_bytes()]),
        ))
    }
}

fn index(images: &[Image]) -> String {
    let manifests: Vec<_> = images.iter().map(Image::descriptor).collect();
    format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, manifests.join(","))
}

fn layout(index: &str, blobs: impl IntoIterator<Item = Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let blobs = blobs
        .into_iter()
        .map(|blob| (format!("blobs/sha256/{}", sha256(&blob)), blob));
    let marker = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
    blobs
        .chain([
            ("oci-layout".to_owned(), marker),
            ("index.json".to_owned(), index.into()),
        ])
        .collect()
}

/// A tar archive of files.
pub(crate) fn pack<'a>(files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> Vec<u8> {
    let mut layer = Layer::new().directory("blobs/", 0o755);
    for (name, contents) in files {
        layer = layer.file(name, contents);
    }
    layer.finish()
}
