//! Whether two directories hold the same, contents of files aside.

use super::{DIRECTORY, Tree, resolve};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, getxattr, listxattr, openat2, readlinkat,
    statat,
};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The first has it, the second not.
    Missing,
    /// The second has it, the first not.
    Added,
    /// A file here, a directory there, say; or links to different places, or different sizes.
    Kind,
    /// Owner, group, permissions, time or hard links.
    Attributes,
    /// Extended attributes: file capabilities, `user.` and overlayfs's own.
    Extended,
}

/// Where `other` differs from `tree`, whose directories are searched in the order of their names; at most `max`
/// differences, by their paths. Follows no link.
///
/// # Errors
/// Those of reading the directories.
pub fn differences(tree: &Tree, other: &Tree, max: usize) -> io::Result<Vec<(PathBuf, Difference)>> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::new()];
    if let Some(difference) = compare_nodes(tree, other, OsStr::new("."))? {
        found.push((PathBuf::new(), difference));
    }
    while let Some(folder) = left.pop() {
        let (here, there) = (open(tree, &folder)?, open(other, &folder)?);
        let (names, others) = (names(&here)?, names(&there)?);
        for name in names.union(&others) {
            let path = folder.join(name);
            let difference = match (names.contains(name), others.contains(name)) {
                (true, false) => Some(Difference::Missing),
                (false, _) => Some(Difference::Added),
                (true, true) => compare_nodes(&here, &there, name)?,
            };
            if let Some(difference) = difference {
                found.push((path, difference));
                if found.len() >= max {
                    return Ok(found);
                }
                if difference != Difference::Attributes && difference != Difference::Extended {
                    continue;
                }
            }
            let path = folder.join(name);
            if kind(&stat(&here, name)?) == FileType::Directory {
                left.push(path);
            }
        }
    }
    Ok(found)
}

fn open(tree: &Tree, path: &Path) -> io::Result<Tree> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    Ok(Tree {
        directory: resolve(tree, path, DIRECTORY, how)?,
    })
}

fn names(directory: &Tree) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_owned();
        if name != b"." && name != b".." {
            names.insert(OsString::from_vec(name));
        }
    }
    Ok(names)
}

fn stat(directory: &Tree, name: &OsStr) -> io::Result<Stat> {
    Ok(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn compare_nodes(here: &Tree, there: &Tree, name: &OsStr) -> io::Result<Option<Difference>> {
    let (a, b) = (stat(here, name)?, stat(there, name)?);
    let size = |stat: &Stat| match kind(stat) {
        // That of a directory is the file system's business.
        FileType::Directory => 0,
        _ => stat.st_size,
    };
    if (kind(&a), a.st_rdev, size(&a)) != (kind(&b), b.st_rdev, size(&b)) {
        return Ok(Some(Difference::Kind));
    }
    if kind(&a) == FileType::Symlink
        && readlinkat(here, name, Vec::new())? != readlinkat(there, name, Vec::new())?
    {
        return Ok(Some(Difference::Kind));
    }
    let links = |stat: &Stat| match kind(stat) {
        FileType::Directory => 0,
        _ => stat.st_nlink,
    };
    let time = |stat: &Stat| match kind(stat) {
        // A whiteout has none of its own.
        FileType::CharacterDevice => (0, 0),
        _ => (i128::from(stat.st_mtime), i128::from(stat.st_mtime_nsec)),
    };
    let attributes = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, links(stat), time(stat));
    if attributes(&a) != attributes(&b) {
        return Ok(Some(Difference::Attributes));
    }
    let is_plain = matches!(kind(&a), FileType::RegularFile | FileType::Directory);
    if is_plain && extended(here, name)? != extended(there, name)? {
        return Ok(Some(Difference::Extended));
    }
    Ok(None)
}

/// The extended attributes that a layer can have. Others, such as labels, are the host's.
fn extended(directory: &Tree, name: &OsStr) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let file = handle(directory, name)?;
    // The very file: its path may be longer than what a system call takes.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut names = vec![0; 1 << 16];
    let length = match listxattr(&path, &mut names) {
        Err(Errno::OPNOTSUPP) => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut attributes = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0) {
        let is_a_layers =
            name.starts_with(b"user.") || name == b"security.capability" || name == b"trusted.overlay.opaque";
        if is_a_layers {
            let mut value = vec![0; 1 << 16];
            // The kernel takes file capabilities that it then cannot give back.
            let length = match getxattr(&path, OsStr::from_bytes(name), &mut value) {
                Err(Errno::INVAL) => 0,
                other => other?,
            };
            value.truncate(length);
            attributes.insert(name.to_owned(), value);
        }
    }
    Ok(attributes)
}

fn handle(directory: &Tree, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(directory.as_fd(), name, flags, Mode::empty(), how)?)
}
