//! An archive of images (a tar file, perhaps compressed) → an OCI layout in a directory of the store.
//!
//! Read as a stream, since parts may come in any order and from a pipe. Each blob's digest is checked while it is
//! written. What `docker save` and `podman save` write is made into a layout too ([`super::docker_archive`]).

use super::compression::decompress;
use super::docker_archive::{self, Names};
use super::error::{BlobProblem, ImageError};
use super::store::failed;
use super::stream::{CopyError, Hashing, copy, open_tar};
use super::{Digest, layout, manifest};
use crate::sys::tree::{Kind, Tree};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;

/// Most members of an archive.
const MEMBERS_MAX: u32 = 1_000_000;

/// Where a member goes.
enum Part {
    Document(&'static str),
    Blob(Digest),
    /// A configuration or a layer, by a name of its own.
    File(String),
    Link(String),
    Other,
}

fn part(entry: &tar::Entry<'_, impl Read>) -> Part {
    let name = entry.path_bytes();
    let Some(name) = std::str::from_utf8(&name).ok().and_then(docker_archive::clean) else {
        return Part::Other;
    };
    let kind = entry.header().entry_type();
    if kind.is_symlink() || kind.is_hard_link() {
        return Part::Link(name);
    }
    if !kind.is_file() {
        return Part::Other;
    }
    match name.as_str() {
        layout::LAYOUT_FILE => Part::Document(layout::LAYOUT_FILE),
        layout::INDEX_FILE => Part::Document(layout::INDEX_FILE),
        docker_archive::MANIFEST_FILE => Part::Document(docker_archive::MANIFEST_FILE),
        _ => name
            .strip_prefix("blobs/sha256/")
            .and_then(Digest::from_hex)
            .map_or(Part::File(name), Part::Blob),
    }
}

/// Writes what `source` holds as a layout into `into`, an empty directory at `into_path`. `place` is what to call the
/// archive in messages.
///
/// # Errors
/// An archive that cannot be read, is incomplete or damaged; a store that cannot be written.
pub fn extract(
    source: impl Read + Send,
    place: &Path,
    into: &Tree,
    into_path: &Path,
) -> Result<(), ImageError> {
    let unreadable = |error| ImageError::Read {
        path: place.to_owned(),
        error,
    };
    let malformed = |problem: String| ImageError::Malformed {
        place: place.display().to_string(),
        problem,
    };
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed("the archive ends too early: it is incomplete".to_owned()),
        _ => malformed(format!("not a whole tar archive: {error}")),
    };
    let unwritable = |error| failed("write", into_path)(error);

    let source = decompress(source).map_err(unreadable)?;
    let (mut archive, limit) = open_tar(source);
    let blobs = into.make_path(Path::new("blobs/sha256")).map_err(unwritable)?;
    let mut names = Names::default();
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
        let size = entry.size();
        let copied = match part(&entry) {
            Part::Document(name) => {
                if size > manifest::DOCUMENT_MAX {
                    return Err(malformed(format!("its {name} is too long")));
                }
                let name_os = OsStr::new(name);
                if into.look(name_os).map_err(unwritable)?.is_some() {
                    return Err(malformed(format!("it holds two files {name}")));
                }
                {
                    let mut file = into.make_file(name_os).map_err(unwritable)?;
                    copy(&mut entry, |bytes| file.write_all(bytes))
                }
            }
            Part::Blob(digest) => {
                let name = digest.hex();
                if blobs.look(OsStr::new(&name)).map_err(unwritable)? == Some(Kind::Other) {
                    copy(&mut entry, |_| Ok(()))
                } else {
                    let (copied, found) = add(&mut entry, &blobs, &name).map_err(unwritable)?;
                    if copied.as_ref().is_ok_and(|copied| *copied == size) && found != digest {
                        return Err(ImageError::Blob {
                            digest,
                            problem: BlobProblem::Contents { found },
                        });
                    }
                    copied
                }
            }
            Part::File(name) => {
                let (copied, found) = add(&mut entry, &blobs, "new").map_err(unwritable)?;
                blobs
                    .move_to(OsStr::new("new"), &blobs, OsStr::new(&found.hex()))
                    .map_err(unwritable)?;
                names.file(name, found).map_err(malformed)?;
                copied
            }
            Part::Link(name) => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let is_symbolic = entry.header().entry_type().is_symlink();
                names.link(name, &target, is_symbolic).map_err(malformed)?;
                copy(&mut entry, |_| Ok(()))
            }
            Part::Other => copy(&mut entry, |_| Ok(())),
        };
        let copied = copied.map_err(|error| match error {
            CopyError::Read(error) => broken(error),
            CopyError::Write(error) => unwritable(error),
        })?;
        if copied != size {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let has = |name: &str| into.look(OsStr::new(name)).map(|found| found.is_some());
    if has(layout::INDEX_FILE).map_err(unwritable)? || has(layout::LAYOUT_FILE).map_err(unwritable)? {
        return Ok(());
    }
    if !has(docker_archive::MANIFEST_FILE).map_err(unwritable)? {
        return Err(malformed(
            "it holds no image: it has neither an index.json (OCI) nor a manifest.json (docker save). A root file \
             system is loaded with `podunit image import`"
                .to_owned(),
        ));
    }
    docker_archive::into_layout(into, &blobs, &names, (place, into_path))
}

/// Writes a member to the new file `name`. Returns how many bytes it had, and their digest.
fn add(entry: impl Read, blobs: &Tree, name: &str) -> io::Result<(Result<u64, CopyError>, Digest)> {
    let mut file = blobs.make_file(OsStr::new(name))?;
    let mut hashing = Hashing::new(entry);
    let copied = copy(&mut hashing, |bytes| file.write_all(bytes));
    Ok((copied, hashing.finish()))
}
