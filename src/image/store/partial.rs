//! `partial/HEX`: blobs that are being downloaded.

use super::{Work, failed};
use crate::image::error::ImageError;
use crate::model::Digest;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A blob that is being downloaded, locked: whoever else wants the same waits for [`Work::partial`].
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// The file, open for reading and writing at its beginning; what an earlier attempt got is in it. Its lock ends
    /// with this.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where the file is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, since it is no longer needed or is good for nothing.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn remove(self) -> Result<(), ImageError> {
        fs::remove_file(&self.path).map_err(failed("remove", self.path))
    }
}

impl Work<'_> {
    /// Opens the blob that is being downloaded under this digest, and waits until nobody else has it open.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn partial(&self, digest: Digest) -> Result<Partial, ImageError> {
        let path = self.store.root.join("partial").join(digest.hex());
        loop {
            let opened = || {
                let file = OpenOptions::new()
                    .create(true)
                    .truncate(false)
                    .read(true)
                    .write(true)
                    .mode(0o600)
                    .open(&path)?;
                file.lock()?;
                // Whoever had it before may have removed it.
                let number = file.metadata()?.ino();
                let is_same = fs::metadata(&path).is_ok_and(|meta| meta.ino() == number);
                Ok(is_same.then_some(file))
            };
            if let Some(file) = opened().map_err(failed("open", &path))? {
                return Ok(Partial { path, file });
            }
        }
    }
}
