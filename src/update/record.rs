//! Updates under way, on disk: whoever comes after one that was killed finishes it, or takes it back.

use super::file;
use crate::model::{Paths, Platform};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;

/// An update of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The image, in full.
    pub reference: String,
    /// What it is asked for with, if that is not this machine's.
    pub platform: Option<Platform>,
    /// Digest of the image that the name stood for before.
    pub before: String,
    /// Units of the members that are tried with another.
    pub units: Vec<String>,
    /// How far it is.
    pub stage: Stage,
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The name may stand for another image, and members may run it.
    Updating,
    /// The name is to stand for the image before, and members are to run that.
    RollingBack,
}

/// The record of the image with this key ([`crate::model::reference_key`]), if there is one.
///
/// # Errors
/// It cannot be read.
pub fn find(paths: &Paths, key: &str) -> io::Result<Option<Record>> {
    file::find(&paths.updates().join(key))
}

/// Keys of all records.
pub fn keys(paths: &Paths) -> Vec<String> {
    let entries = fs::read_dir(paths.updates()).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut keys: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    keys.sort();
    keys
}

/// Writes a record, so that it is there even after a loss of power.
///
/// # Errors
/// It cannot be written; then there is none, or the one before.
pub fn write(paths: &Paths, key: &str, record: &Record) -> io::Result<()> {
    file::write(&paths.updates(), key, record)
}

/// Removes a record: the update is over.
///
/// # Errors
/// It cannot be removed.
pub fn remove(paths: &Paths, key: &str) -> io::Result<()> {
    file::remove(&paths.updates().join(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_there_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        assert_eq!((find(&paths, "k").unwrap(), keys(&paths)), (None, Vec::new()));
        remove(&paths, "k").unwrap();
        let record = Record {
            reference: "docker.io/library/nginx:latest".to_owned(),
            platform: None,
            before: "sha256:0".to_owned(),
            units: vec!["pod-x-a.service".to_owned()],
            stage: Stage::Updating,
        };
        write(&paths, "k", &record).unwrap();
        fs::write(paths.updates().join(".k.new"), "half").unwrap();
        assert_eq!(find(&paths, "k").unwrap(), Some(record));
        assert_eq!(keys(&paths), ["k"]);
        remove(&paths, "k").unwrap();
        assert_eq!(find(&paths, "k").unwrap(), None);
    }
}
