//! One layer, from its tar archive to a directory in the form of overlayfs's lower layers.
//!
//! The layers of an image are unpacked each on its own, so that images can share them: what a layer deletes
//! becomes a whiteout or an opaque directory. Links are kept as they are and never written through where they
//! are absolute or lead out.

mod ahead;
mod attributes;
mod layer;
mod tap;

use super::Digest;
use super::compression::decompress;
use super::error::{printable, reason};
use super::member_path::MemberProblem;
use super::record::Recorder;
use super::stream::{Hashing, open_tar};
use crate::sys::tree::Tree;
use ahead::read_ahead;
use layer::{Failure, Layer};
use std::ffi::OsStr;
use std::io::{self, Read};
use tap::{Recording, Tap};

/// Most bytes behind the end of an archive, or in a member that has no contents: they are in no file.
const IGNORED_MAX: u64 = 16 << 20;

/// Most members of one layer.
const MEMBERS_MAX: u64 = 10_000_000;

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A member that is refused.
    #[error("its member `{member}` is refused: {problem}")]
    Member {
        /// Name of the member, escaped.
        member: String,
        /// What is wrong with it.
        problem: MemberProblem,
    },
    /// Not a tar archive, or not a whole one.
    #[error("it cannot be read as a tar archive, it is damaged or incomplete: {}", printable(.0))]
    Archive(io::Error),
    /// More than `MEMBERS_MAX`.
    #[error("it has more than {MEMBERS_MAX} members")]
    TooMany,
    /// More than `IGNORED_MAX`.
    #[error("it has more than {} MiB that belong to no file", IGNORED_MAX >> 20)]
    Ignored,
    /// The contents are not those that the image's configuration names.
    #[error("its contents have the digest {found}, but the image's configuration names {expected}")]
    Contents {
        /// The configuration's `diff_id`.
        expected: Digest,
        /// The digest of the uncompressed layer.
        found: Digest,
    },
    /// A file cannot be made.
    #[error("cannot unpack its member `{member}`: {}", reason(error))]
    Write {
        /// Name of the member, escaped.
        member: String,
        /// Why.
        error: io::Error,
    },
}

/// A layer that was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Digest of the uncompressed archive, by which the layer is known.
    pub diff_id: Digest,
    /// Bytes of the uncompressed archive.
    pub length: u64,
    /// Bytes of the files in it.
    pub bytes: u64,
}

/// Unpacks a layer, compressed or not, into the empty directory `into`: its files into the folder `tree`, what is needed
/// to make the archive again into the file `record`, and what it has twice into the folder `replaced`. All is on disk
/// when this returns. Whose layer it is, is for the caller to check.
///
/// # Errors
/// Says what is wrong; the directory is then to be thrown away.
pub fn unpack(source: impl Read + Send, into: &Tree) -> Result<Unpacked, LayerError> {
    let record = into.make_file(OsStr::new("record")).map_err(write("/"))?;
    let recording = Recording::new(Recorder::new(record));
    let plain = decompress(source).map_err(LayerError::Archive)?;
    let (read, whole) = read_ahead(plain, |plain| read(plain, into, &recording, true));
    let bytes = read.map_err(|error| recording.failure().map_or(error, write("/")))?;
    let (diff_id, length) = whole.ok_or_else(|| LayerError::Archive(io::ErrorKind::UnexpectedEof.into()))?;
    recording.finish().map_err(write("/"))?;
    rustix::fs::syncfs(into).map_err(|error| write("/")(error.into()))?;
    Ok(Unpacked {
        diff_id,
        length,
        bytes,
    })
}

/// Unpacks a layer as [`unpack`] does, but files get their size only, no contents, and there is no record.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_shape(plain: impl Read, into: &Tree) -> Result<Unpacked, LayerError> {
    let mut plain = Hashing::new(plain);
    let bytes = read(&mut plain, into, &Recording::default(), false)?;
    let length = plain.length();
    Ok(Unpacked {
        diff_id: plain.finish(),
        length,
        bytes,
    })
}

fn write(member: &str) -> impl FnOnce(io::Error) -> LayerError {
    let member = member.to_owned();
    move |error| LayerError::Write { member, error }
}

/// Reads an archive to its end and makes its files. Returns their bytes.
fn read(plain: impl Read, into: &Tree, recording: &Recording, has_contents: bool) -> Result<u64, LayerError> {
    let tap = Tap::new(plain, recording.clone());
    let (mut archive, limit) = open_tar(tap);
    let mut layer = Layer::new(into, recording.clone(), has_contents).map_err(write("/"))?;
    let mut entries = archive.entries().map_err(LayerError::Archive)?;
    let mut count = 0;
    loop {
        limit.headers();
        let Some(entry) = entries.next() else { break };
        limit.contents();
        let mut entry = entry.map_err(LayerError::Archive)?;
        count += 1;
        if count > MEMBERS_MAX {
            return Err(LayerError::TooMany);
        }
        layer.member(&mut entry).map_err(|failure| {
            let member = String::from_utf8_lossy(&entry.path_bytes())
                .escape_debug()
                .to_string();
            match failure {
                Failure::Refused(problem) => LayerError::Member { member, problem },
                Failure::Archive(error) => LayerError::Archive(error),
                Failure::Write(error) => LayerError::Write { member, error },
            }
        })?;
        // Contents of what has none (a directory, say) are not headers of the next member.
        let ignored = io::copy(&mut entry.take(IGNORED_MAX + 1), &mut io::sink());
        if ignored.map_err(LayerError::Archive)? > IGNORED_MAX {
            return Err(LayerError::Ignored);
        }
    }
    limit.contents();
    let mut rest = archive.into_inner().into_inner().take(IGNORED_MAX + 1);
    if io::copy(&mut rest, &mut io::sink()).map_err(LayerError::Archive)? > IGNORED_MAX {
        return Err(LayerError::Ignored);
    }
    drop(rest);
    layer.finish().map_err(write("/"))
}
