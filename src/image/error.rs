//! What can go wrong with images.

use super::registry::RegistryError;
use super::unpack::LayerError;
use crate::model::{Digest, Platform, Reference, ReferenceError};
use std::io;
use std::path::{Path, PathBuf};

/// Why an image cannot be loaded, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A reference that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// No such image in the store.
    #[error(
        "there is no image {reference}{} on this machine: fetch it with `podunit image pull {reference}`, or load it from an \
         archive with `podunit image load FILE`",
        for_platform(platform)
    )]
    NotFound {
        /// What was asked for, in full.
        reference: String,
        /// What it was asked for with, if that is not this machine's.
        platform: Option<Platform>,
    },
    /// No manifest of this digest in the store.
    #[error("there is no image with the digest {digest} on this machine")]
    NoDigest {
        /// What was asked for.
        digest: Digest,
    },
    /// An archive or layout cannot be read at all.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// An archive, layout or document in it is not what it has to be.
    #[error("{place}: {}", printable(problem))]
    Malformed {
        /// The file, and the part of it.
        place: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A blob that is missing or not what its digest says.
    #[error("the blob {digest} {problem}")]
    Blob {
        /// The digest by which it is named.
        digest: Digest,
        /// What is wrong.
        problem: BlobProblem,
    },
    /// A layer that cannot be unpacked.
    #[error("the layer {digest}: {problem}")]
    Layer {
        /// Digest of the blob.
        digest: Digest,
        /// What is wrong.
        problem: LayerError,
    },
    /// A registry does not give what is asked for.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An image cannot be had from its registry.
    #[error("cannot fetch {reference}: {problem}{}", for_short(short, problem))]
    Fetch {
        /// The reference in full.
        reference: String,
        /// The name that was asked for, if it names no registry.
        short: Option<String>,
        /// Why.
        problem: Box<ImageError>,
    },
    /// Given up, since another part of the same work has failed.
    #[error("given up")]
    Cancelled,
    /// The store cannot be read or written.
    #[error("the image store: cannot {doing} {}: {}", path.display(), reason(error))]
    Store {
        /// A verb such as "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store says that it has an image, but parts of it are gone.
    #[error("the image {reference} is damaged, {} is missing or unreadable: `podunit image verify --remove` removes it, then fetch or load it again", path.display())]
    Damaged {
        /// The image.
        reference: String,
        /// The missing part.
        path: PathBuf,
    },
    /// A layer that cannot be saved.
    #[error(
        "the layer in {} is damaged: {problem}: `podunit image verify --remove` removes what is damaged, then fetch or \
         load the image again",
        path.display()
    )]
    DamagedLayer {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An image cannot be written elsewhere.
    #[error("cannot write it: {}", reason(.0))]
    Save(io::Error),
    /// An image that members run.
    #[error("the image {reference} is in use by {}: stop the pod first, or use --force, with which members keep what they run", users.join(", "))]
    InUse {
        /// The image.
        reference: String,
        /// Who uses it, as `POD/MEMBER`.
        users: Vec<String>,
    },
    /// An image that definitions need.
    #[error("the image {reference} is needed by {}, which would not start without it: remove the definition first, or use --force", users.join(", "))]
    Needed {
        /// The image.
        reference: String,
        /// Whose definitions, as `POD/MEMBER`.
        users: Vec<String>,
    },
}

impl ImageError {
    /// Whether a registry says that it has no such image, or none for us: another may have it.
    fn may_be_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Registry(RegistryError::NotFound { .. } | RegistryError::Denied { .. })
        )
    }

    /// That there is no such image.
    pub fn not_found(reference: &Reference, platform: Option<&Platform>) -> Self {
        Self::NotFound {
            reference: reference.to_string(),
            platform: platform.cloned(),
        }
    }
}

/// Where a name without a registry was looked for, if that may be the reason.
fn for_short(short: &Option<String>, problem: &ImageError) -> String {
    match short {
        Some(short) if problem.may_be_elsewhere() => format!(
            "; `{}` names no registry, and short-names= in podunit.conf(5) says where such names are looked for \
             (registries.conf is not read): write the whole name if another is meant",
            printable(short)
        ),
        _ => String::new(),
    }
}

fn for_platform(platform: &Option<Platform>) -> String {
    platform
        .as_ref()
        .map_or_else(String::new, |platform| format!(" for {platform}"))
}

/// What is wrong with a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobProblem {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It is not as long as its descriptor says.
    #[error("has {found} bytes where {expected} are expected: it is incomplete or was changed")]
    Size {
        /// Bytes that the descriptor names.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Its contents have another digest.
    #[error("has contents with the digest {found}: it was damaged or changed")]
    Contents {
        /// The digest of what is there.
        found: Digest,
    },
}

/// The reason of an error of the store, in words where an administrator has to act.
pub fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::StorageFull if error.get_ref().is_some_and(|inner| inner.is::<NoInodes>()) => {
            return error.to_string();
        }
        io::ErrorKind::StorageFull => {
            "its file system is full: make room there, perhaps with `podunit image prune --all`"
        }
        io::ErrorKind::QuotaExceeded => "its disk quota is used up",
        io::ErrorKind::ReadOnlyFilesystem => "its file system is mounted read-only",
        _ => return error.to_string(),
    };
    words.to_owned()
}

/// The other way to be full, which the kernel reports with the same number.
#[derive(Debug, thiserror::Error)]
#[error(
    "its file system has no inode left for another file (`df -i` shows it): remove files there, perhaps with `podunit \
     image prune --all`"
)]
struct NoInodes;

/// Says of an error at `path` whether it is space or inodes that are used up. As long as nothing has been removed.
pub(super) fn what_is_full(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::StorageFull {
        return error;
    }
    // The file itself may not be there.
    let found = path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok());
    match found {
        Some(found) if found.f_files > 0 && found.f_favail == 0 => {
            io::Error::new(io::ErrorKind::StorageFull, NoInodes)
        }
        _ => error,
    }
}

/// A text that may quote an archive, without the characters that a terminal would obey.
pub fn printable(text: impl std::fmt::Display) -> String {
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.to_string().chars().map(escape).collect()
}
