//! Files that are there whole or not at all, even after a loss of power.

use super::failed;
use crate::image::error::ImageError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file and waits until it is on disk. Its folder is private: nobody sees it half written.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), ImageError> {
    let written = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    written().map_err(failed("write", path))
}

/// Moves what is finished to where it is seen, and waits until that is on disk.
pub(super) fn show(finished: &Path, path: &Path) -> Result<(), ImageError> {
    let shown = || {
        fs::rename(finished, path)?;
        sync_folder(path)
    };
    shown().map_err(failed("make", path))
}

/// Removes a file, and waits until that is on disk. Nothing there is no error.
pub(super) fn remove(path: &Path) -> Result<(), ImageError> {
    let removed = || match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    };
    removed().map_err(failed("remove", path))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
