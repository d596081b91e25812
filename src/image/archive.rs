//! An OCI archive (an image layout in a tar file, perhaps compressed) → a layout in a directory of the store.
//!
//! Read as a stream, since blobs may come in any order. Each blob's digest is checked while it is written.

use super::compression::decompress;
use super::error::{BlobProblem, ImageError};
use super::stream::{CopyError, Hashing, copy, open_tar};
use super::{Digest, layout, manifest};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::sys::tree::{Kind, Tree};

/// Most members of an archive.
const MEMBERS_MAX: u32 = 1_000_000;

/// Where a member goes.
enum Part {
    Document(&'static str),
    Blob(Digest),
    /// The list of a `docker save` archive.
    DockerManifest,
    Other,
}

fn part(name: &[u8]) -> Part {
    let name = std::str::from_utf8(name).unwrap_or_default();
    let name = name.strip_prefix("./").unwrap_or(name);
    match name {
        layout::LAYOUT_FILE => Part::Document(layout::LAYOUT_FILE),
        layout::INDEX_FILE => Part::Document(layout::INDEX_FILE),
        "manifest.json" => Part::DockerManifest,
        _ => name
            .strip_prefix("blobs/sha256/")
            .and_then(Digest::from_hex)
            .map_or(Part::Other, Part::Blob),
    }
}

/// Writes the parts of the archive at `path` that make a layout into `into`, an empty directory at `into_path`.
///
/// # Errors
/// An archive that cannot be read, is incomplete or damaged; a store that cannot be written.
pub fn extract(path: &Path, into: &Tree, into_path: &Path) -> Result<(), ImageError> {
    let unreadable = |error| ImageError::Read {
        path: path.to_owned(),
        error,
    };
    let malformed = |problem: String| ImageError::Malformed {
        place: path.display().to_string(),
        problem,
    };
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed("the archive ends too early: it is incomplete".to_owned()),
        _ => malformed(format!("not a whole tar archive: {error}")),
    };
    let unwritable = |error| ImageError::Store {
        doing: "write",
        path: into_path.to_owned(),
        error,
    };

    let source = decompress(File::open(path).map_err(unreadable)?).map_err(unreadable)?;
    let (mut archive, limit) = open_tar(source);
    let blobs = into.make_path(Path::new("blobs/sha256")).map_err(unwritable)?;
    let mut is_docker = false;
    let mut count = 0;
    let mut entries = archive.entries().map_err(broken)?;
    loop {
        limit.headers();
        let Some(entry) = entries.next() else { break };
        limit.contents();
        let mut entry = entry.map_err(broken)?;
        count += 1;
        if count > MEMBERS_MAX {
            return Err(malformed(format!(
                "the archive has more than {MEMBERS_MAX} members"
            )));
        }
        let part = if entry.header().entry_type().is_file() {
            part(&entry.path_bytes())
        } else {
            Part::Other
        };
        let size = entry.size();
        let copied = match part {
            Part::Document(name) => {
                if size > manifest::DOCUMENT_MAX {
                    return Err(malformed(format!("its {name} is too long")));
                }
                let name_os = OsStr::new(name);
                if into.look(name_os).map_err(unwritable)?.is_some() {
                    return Err(malformed(format!("it holds two files {name}")));
                }
                copy(&mut entry, into.make_file(name_os).map_err(unwritable)?)
            }
            Part::Blob(digest) => {
                let name = digest.hex();
                if blobs.look(OsStr::new(&name)).map_err(unwritable)? == Some(Kind::Other) {
                    copy(&mut entry, io::sink())
                } else {
                    let file = blobs.make_file(OsStr::new(&name)).map_err(unwritable)?;
                    let mut hashing = Hashing::new(entry.by_ref());
                    let copied = copy(&mut hashing, file);
                    let found = hashing.finish();
                    if copied.as_ref().is_ok_and(|copied| *copied == size) && found != digest {
                        return Err(ImageError::Blob {
                            digest,
                            problem: BlobProblem::Contents { found },
                        });
                    }
                    copied
                }
            }
            Part::DockerManifest => {
                is_docker = true;
                copy(&mut entry, io::sink())
            }
            Part::Other => copy(&mut entry, io::sink()),
        };
        let copied = copied.map_err(|error| match error {
            CopyError::Read(error) => broken(error),
            CopyError::Write(error) => unwritable(error),
        })?;
        if copied != size {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    if is_docker
        && into
            .look(OsStr::new(layout::INDEX_FILE))
            .map_err(unwritable)?
            .is_none()
    {
        return Err(malformed(
            "an archive in Docker's old format: save the image with `podman save --format oci-archive` or \
             `skopeo copy … oci-archive:FILE`"
                .to_owned(),
        ));
    }
    Ok(())
}
