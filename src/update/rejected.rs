//! Images that did not come up: what a registry has under their names is not tried again until it is another.

use super::file;
use crate::model::{Digest, Paths};
use serde::{Deserialize, Serialize};
use std::io;

/// An image that members were started anew with, and from which they went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// Its name, in full.
    pub reference: String,
    /// The digests by which its registry may have it ([`crate::image::Store::digests`]).
    pub digests: Vec<Digest>,
    /// Why it did not come up; empty if that is not known.
    pub why: String,
}

impl Rejected {
    /// For the report of a member that keeps the image before.
    pub fn detail(&self) -> String {
        let why = match self.why.as_str() {
            "" => String::new(),
            why => format!(" ({why})"),
        };
        format!(
            "did not come up before{why}; it is tried again when the registry has another, or after `podunit image pull {}`",
            self.reference
        )
    }
}

/// What was rejected last of the image with this key ([`crate::model::reference_key`]).
///
/// # Errors
/// It cannot be read.
pub fn find(paths: &Paths, key: &str) -> io::Result<Option<Rejected>> {
    file::find(&paths.rejected_images().join(key))
}

/// Remembers an image, in the place of one before.
///
/// # Errors
/// It cannot be written.
pub fn write(paths: &Paths, key: &str, rejected: &Rejected) -> io::Result<()> {
    file::write(&paths.rejected_images(), key, rejected)
}

/// Forgets it.
///
/// # Errors
/// It cannot be removed.
pub fn remove(paths: &Paths, key: &str) -> io::Result<()> {
    file::remove(&paths.rejected_images().join(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        assert_eq!(find(&paths, "k").unwrap(), None);
        remove(&paths, "k").unwrap();
        let rejected = |digest: u8, why: &str| Rejected {
            reference: "docker.io/library/nginx:latest".to_owned(),
            digests: vec![Digest::from_bytes([digest; 32])],
            why: why.to_owned(),
        };
        write(&paths, "k", &rejected(1, "")).unwrap();
        write(&paths, "k", &rejected(2, "exit status 1")).unwrap();
        let found = find(&paths, "k").unwrap().unwrap();
        assert_eq!(found, rejected(2, "exit status 1"));
        assert!(
            found
                .detail()
                .starts_with("did not come up before (exit status 1); ")
        );
        assert!(rejected(1, "").detail().starts_with("did not come up before; "));
        remove(&paths, "k").unwrap();
        assert_eq!(find(&paths, "k").unwrap(), None);
    }
}
