//! An image as a registry has it, and how it answers when it is a good one.

use crate::archives::{Layer, gzip, sha256};
use crate::server::{Asked, Line};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Documents and blobs by their path below `/v2/`.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    /// Path → media type and contents.
    pub(crate) parts: BTreeMap<String, (String, Vec<u8>)>,
    /// The blobs of the layers.
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: String,
    pub(crate) manifest: String,
}

impl Sample {
    /// The image `app`, tagged `latest`, with two layers, each of a file of so many bytes that cannot be compressed.
    pub(crate) fn new(bytes: usize) -> Self {
        let layers = ["a", "b"].map(|name| Layer::new().file(name, &noise(name, bytes)).finish());
        Self::of(&layers)
    }

    /// The image of layers, given as tar archives.
    pub(crate) fn of(layers: &[Vec<u8>]) -> Self {
        let diff_ids: Vec<String> = layers
            .iter()
            .map(|tar| format!("\"sha256:{}\"", sha256(tar)))
            .collect();
        let blobs: Vec<Vec<u8>> = layers.iter().map(|tar| gzip(tar)).collect();
        let config = format!(
            r#"{{"architecture":"{}","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            podunit::model::Platform::host().architecture(),
            diff_ids.join(",")
        );
        let mut sample = Self {
            layers: blobs.clone(),
            config: config.clone(),
            ..Self::default()
        };
        let descriptors: Vec<String> = blobs
            .iter()
            .map(|blob| descriptor("layer.v1.tar+gzip", blob))
            .collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor("config.v1+json", config.as_bytes()),
            descriptors.join(",")
        );
        for blob in blobs.into_iter().chain([config.into_bytes()]) {
            sample.blob(blob);
        }
        sample.tag(MANIFEST, manifest);
        sample
    }

    /// Adds a blob.
    pub(crate) fn blob(&mut self, contents: Vec<u8>) {
        let path = format!("app/blobs/sha256:{}", sha256(&contents));
        self.parts
            .insert(path, ("application/octet-stream".to_owned(), contents));
    }

    /// Adds a manifest or an index, which is the image from now on. Returns its digest.
    pub(crate) fn tag(&mut self, media_type: &str, json: String) -> String {
        let digest = format!("sha256:{}", sha256(json.as_bytes()));
        let part = (media_type.to_owned(), json.clone().into_bytes());
        self.parts.insert("app/manifests/latest".to_owned(), part.clone());
        self.parts.insert(format!("app/manifests/{digest}"), part);
        self.manifest = json;
        digest
    }

    /// Writes all of it as an OCI image layout.
    pub(crate) fn layout(&self, folder: &Path) {
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for (_, contents) in self.parts.values() {
            fs::write(blobs.join(sha256(contents)), contents).unwrap();
        }
        let kind = match self.manifest.contains("\"manifests\"") {
            true => "index.v1+json",
            false => "manifest.v1+json",
        };
        let entry = descriptor(kind, self.manifest.as_bytes());
        fs::write(
            folder.join("index.json"),
            format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#),
        )
        .unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    /// The path of a layer's blob.
    pub(crate) fn layer_path(&self, number: usize) -> String {
        format!("/v2/app/blobs/sha256:{}", sha256(&self.layers[number]))
    }

    /// Answers as a registry does, parts of blobs included.
    pub(crate) fn answer(&self, asked: &Asked, line: &mut Line<'_>) {
        let path = asked.path.strip_prefix("/v2/").unwrap_or_default();
        let Some((media_type, contents)) = self.parts.get(path) else {
            return line.answer(
                404,
                &[],
                br#"{"errors":[{"code":"UNKNOWN","message":"not known here"}]}"#,
            );
        };
        let digest = format!("sha256:{}", sha256(contents));
        let headers = [
            ("Content-Type", media_type.as_str()),
            ("Docker-Content-Digest", &digest),
        ];
        if asked.method == "HEAD" {
            let length = contents.len().to_string();
            return line.answer(200, &[headers[0], headers[1], ("Content-Length", &length)], b"");
        }
        match asked.range().filter(|_| path.contains("/blobs/")) {
            None => line.answer(200, &headers, contents),
            Some(first) => {
                let range = format!("bytes {first}-{}/{}", contents.len() - 1, contents.len());
                line.answer(206, &[headers[0], ("Content-Range", &range)], &contents[first..]);
            }
        }
    }
}

pub(crate) fn descriptor(kind: &str, contents: &[u8]) -> String {
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{}","size":{}}}"#,
        sha256(contents),
        contents.len()
    )
}

/// Bytes that cannot be compressed, always the same for one seed.
pub(crate) fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut block = sha256(seed.as_bytes()).into_bytes();
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        use sha2::Digest;
        block = sha2::Sha256::digest(&block).to_vec();
        bytes.extend_from_slice(&block);
    }
    bytes.truncate(length);
    bytes
}
