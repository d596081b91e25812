//! What updates remember: small files of JSON, each by the key of its image ([`crate::model::reference_key`]).

use crate::sys::file::{read, replace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a file says, if it is there.
pub(super) fn find<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match read(path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => Ok(Some(serde_json::from_slice(&text?)?)),
    }
}

/// Writes a file, so that it is there even after a loss of power; or it is as it was.
pub(super) fn write(folder: &Path, key: &str, content: &impl Serialize) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(key);
    replace(&path, &serde_json::to_vec(content)?, 0o600)?;
    File::open(&path)?.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Removes a file. None is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
