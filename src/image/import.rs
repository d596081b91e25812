//! Importing: the tar archive of a root file system as an image of one layer.

use super::change::Change;
use super::error::ImageError;
use super::load::Loaded;
use super::store::{NewImage, Store};
use super::stream::digest_of;
use super::time;
use crate::model::{Platform, Reference};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

impl Store {
    /// Makes an image of the root file system in `archive`, compressed or not, read once from beginning to end.
    /// `place` is what to call it in messages, `created` when the image is said to be made. An image of that name is
    /// replaced.
    ///
    /// # Errors
    /// What is wrong with the archive or the store; then the store holds what it held before.
    pub fn import(
        &self,
        archive: impl Read + Send,
        place: &Path,
        reference: &Reference,
        changes: &[Change],
        created: SystemTime,
    ) -> Result<Loaded, ImageError> {
        let work = self.work()?;
        let layer = work.add_new_layer(archive, place)?;
        let mut run = Map::new();
        for change in changes {
            change.apply(&mut run);
        }
        let (platform, created) = (Platform::host(), time::rfc3339(created));
        let mut config = json!({
            "created": created,
            "architecture": platform.architecture(),
            "os": platform.os(),
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": [layer.diff_id.to_string()] },
            "history": [{ "created": created, "comment": "podunit image import" }],
        });
        if let Some(variant) = platform.variant() {
            config["variant"] = Value::from(variant);
        }
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest_of(config.as_bytes()).to_string(),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer.diff_id.to_string(),
                "size": layer.length,
            }],
        })
        .to_string();
        work.commit(&[NewImage {
            reference,
            platform: None,
            manifest: manifest.as_bytes(),
            config: config.as_bytes(),
            index: None,
        }])?;
        Ok(Loaded {
            reference: reference.to_string(),
            digest: digest_of(manifest.as_bytes()).to_string(),
            warnings: Vec::new(),
        })
    }
}
