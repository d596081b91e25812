//! One layer, from its tar archive to a directory in the form of overlayfs's lower layers.
//!
//! The layers of an image are unpacked each on its own, so that images can share them: what a layer deletes
//! becomes a whiteout or an opaque directory. Links are kept as they are and never written through where they
//! are absolute or lead out.

use super::Digest;
use super::compression::decompress;
use super::error::{printable, reason};
use super::member_path::{Meaning, MemberPath, MemberProblem, link_target, meaning};
use super::stream::{CopyError, Hashing, copy, open_tar};
use crate::sys::tree::{Attributes, Kind, Tree, describe};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Entry, EntryType};

/// Most members of one layer.
const MEMBERS_MAX: u64 = 10_000_000;

/// Most bytes that the names of a layer's directories may have together: they are kept until its end.
const DIRECTORY_NAMES_MAX: usize = 256 << 20;

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

/// One member: refused, or not made. The name is added above.
enum Failure {
    Refused(MemberProblem),
    Archive(io::Error),
    Write(io::Error),
}

impl From<MemberProblem> for Failure {
    fn from(problem: MemberProblem) -> Self {
        Self::Refused(problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
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

/// Unpacks a layer, compressed or not, into the empty directory `tree`. Whose it is, is for the caller to check.
///
/// # Errors
/// Says what is wrong; the directory is then to be thrown away.
pub fn unpack(source: impl Read, tree: &Tree) -> Result<Unpacked, LayerError> {
    let plain = Hashing::new(decompress(source).map_err(LayerError::Archive)?);
    let (mut archive, limit) = open_tar(plain);
    let mut layer = Layer {
        tree,
        times: BTreeMap::new(),
        names: 0,
        bytes: 0,
    };
    let as_root = Attributes {
        uid: 0,
        gid: 0,
        mode: 0o755,
        modified: (0, 0),
        xattrs: Vec::new(),
    };
    layer.root(&as_root).map_err(|error| LayerError::Write {
        member: "/".to_owned(),
        error,
    })?;
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
        io::copy(&mut entry, &mut io::sink()).map_err(LayerError::Archive)?;
    }
    limit.contents();
    let mut rest = archive.into_inner().into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(LayerError::Archive)?;
    let length = rest.length();
    let diff_id = rest.finish();
    let bytes = layer.finish().map_err(|error| LayerError::Write {
        member: "/".to_owned(),
        error,
    })?;
    Ok(Unpacked {
        diff_id,
        length,
        bytes,
    })
}

struct Layer<'a> {
    tree: &'a Tree,
    /// Times of directories, set when nothing is made in them any more.
    times: BTreeMap<PathBuf, (i64, u32)>,
    /// Bytes of the names in `times`, those of repeated members too.
    names: usize,
    bytes: u64,
}

impl Layer<'_> {
    fn member<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), Failure> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let full_name = entry.path_bytes().into_owned();
        match meaning(&full_name)? {
            Meaning::Nothing => Ok(()),
            Meaning::Opaque(folder) => Ok(self.folder(&folder)?.make_opaque()?),
            Meaning::Deleted(path) => self.delete(&path),
            Meaning::Root if kind.is_dir() => Ok(self.root(&attributes(entry)?)?),
            Meaning::Root => Err(MemberProblem::Name.into()),
            Meaning::File(path) => {
                let attributes = attributes(entry)?;
                // Before POSIX, a directory was a file with a slash at the end of its name.
                if kind.is_dir() || (kind.is_file() && full_name.ends_with(b"/")) {
                    self.directory(path, &attributes)
                } else {
                    self.file(&path, &attributes, kind, entry)
                }
            }
        }
    }

    fn root(&mut self, attributes: &Attributes) -> io::Result<()> {
        self.times.insert(PathBuf::new(), attributes.modified);
        describe(self.tree, attributes)
    }

    fn folder(&self, path: &Path) -> Result<Tree, Failure> {
        self.tree
            .make_path(path)
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOTDIR) => MemberProblem::NotInDirectory.into(),
                // EEXIST: a link that leads nowhere.
                Some(Errno::XDEV | Errno::LOOP | Errno::EXIST) => MemberProblem::ThroughLink.into(),
                _ => Failure::Write(error),
            })
    }

    /// A deletion is about the layers below: what this layer has itself stays.
    fn delete(&self, path: &MemberPath) -> Result<(), Failure> {
        let folder = self.folder(&path.folder)?;
        match folder.look(&path.name)? {
            None => folder.make_whiteout(&path.name)?,
            Some(Kind::Directory) => folder.child(&path.name)?.make_opaque()?,
            Some(Kind::Whiteout | Kind::Other) => {}
        }
        Ok(())
    }

    fn directory(&mut self, path: MemberPath, attributes: &Attributes) -> Result<(), Failure> {
        let folder = self.folder(&path.folder)?;
        let standing = folder.look(&path.name)?;
        let directory = if standing == Some(Kind::Directory) {
            folder.child(&path.name)?
        } else {
            folder.remove(&path.name)?;
            folder.make_directory(&path.name)?
        };
        if standing == Some(Kind::Whiteout) {
            directory.make_opaque()?;
        }
        describe(&directory, attributes)?;
        let name = path.folder.join(path.name);
        self.names += name.as_os_str().len();
        if self.names > DIRECTORY_NAMES_MAX {
            return Err(MemberProblem::Directories.into());
        }
        self.times.insert(name, attributes.modified);
        Ok(())
    }

    /// Anything but a directory. It takes the place of whatever had its name.
    fn file<R: Read>(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        kind: EntryType,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), Failure> {
        let folder = self.folder(&path.folder)?;
        folder.remove(&path.name)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = folder.make_file(&path.name)?;
                let size = entry.size();
                let copied = copy(entry, &file).map_err(|error| match error {
                    CopyError::Read(error) => Failure::Archive(error),
                    CopyError::Write(error) => Failure::Write(error),
                })?;
                if copied != size {
                    return Err(MemberProblem::Truncated.into());
                }
                self.bytes += copied;
                Ok(describe(&file, attributes)?)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().ok_or(MemberProblem::Name)?;
                if target.is_empty() || target.contains(&0) {
                    return Err(MemberProblem::Name.into());
                }
                folder.make_symlink(OsStr::from_bytes(&target), &path.name)?;
                Ok(folder.describe_node(&path.name, attributes, false)?)
            }
            EntryType::Link => {
                let target = link_target(&entry.link_name_bytes().ok_or(MemberProblem::Name)?)?;
                let missing = |_| MemberProblem::LinkMissing;
                let other = self.tree.directory_beneath(&target.folder).map_err(missing)?;
                match other.look(&target.name)? {
                    Some(Kind::Other) => Ok(folder.make_hard_link(&other, &target.name, &path.name)?),
                    _ => Err(MemberProblem::LinkMissing.into()),
                }
            }
            EntryType::Fifo => {
                folder.make_fifo(&path.name)?;
                Ok(folder.describe_node(&path.name, attributes, true)?)
            }
            // A container's `/dev` is the runtime's own: what a root file system has there is never seen.
            EntryType::Char | EntryType::Block if path.folder.starts_with("dev") => Ok(()),
            EntryType::Char | EntryType::Block => Err(MemberProblem::Device.into()),
            _ => Err(MemberProblem::Kind.into()),
        }
    }

    fn finish(self) -> io::Result<u64> {
        for (path, modified) in self.times {
            // A directory may have given way to something else since.
            if let Ok(directory) = self.tree.directory_beneath(&path) {
                directory.set_modified(modified)?;
            }
        }
        rustix::fs::syncfs(self.tree)?;
        Ok(self.bytes)
    }
}

/// Owner, mode, time and the extended attributes that are kept: file capabilities and `user.`.
fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> Result<Attributes, Failure> {
    let header = entry.header();
    // The highest number means "leave as it is" to chown(2).
    let id = |id: io::Result<u64>| {
        id.ok()
            .and_then(|id| u32::try_from(id).ok())
            .filter(|id| *id != u32::MAX)
            .ok_or(MemberProblem::Name)
    };
    let mut attributes = Attributes {
        uid: id(header.uid())?,
        gid: id(header.gid())?,
        mode: header.mode().map_err(|_| MemberProblem::Name)? & 0o7777,
        modified: (i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0), 0),
        xattrs: Vec::new(),
    };
    for record in entry
        .pax_extensions()
        .map_err(Failure::Archive)?
        .into_iter()
        .flatten()
    {
        let record = record.map_err(|_| MemberProblem::Name)?;
        let key = record.key().map_err(|_| MemberProblem::Name)?;
        if key == "mtime" {
            attributes.modified = record.value().ok().and_then(time).ok_or(MemberProblem::Name)?;
        } else if key.starts_with("GNU.sparse.") {
            return Err(MemberProblem::Kind.into());
        } else if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
            let kept = name == "security.capability"
                || (name.starts_with("user.") && !name.starts_with("user.overlay."));
            if kept && !name.contains('\0') {
                attributes
                    .xattrs
                    .push((name.to_owned(), record.value_bytes().to_owned()));
            }
        }
    }
    Ok(attributes)
}

/// Reads a time of a PAX record: seconds since 1970, which may be negative and have a fraction.
fn time(text: &str) -> Option<(i64, u32)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = seconds.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if seconds.starts_with('-') && nanoseconds > 0 {
        return Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((whole, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_pax_records() {
        assert_eq!(time("1700000000"), Some((1_700_000_000, 0)));
        assert_eq!(time("1.5"), Some((1, 500_000_000)));
        assert_eq!(time("1.1234567899"), Some((1, 123_456_789)));
        assert_eq!(time("-0.25"), Some((-1, 750_000_000)));
        for bad in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
