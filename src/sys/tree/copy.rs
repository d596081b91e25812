//! Copying what a directory holds, however hostile, into another.

use super::attributes::{Attributes, describe};
use super::{DIRECTORY, Tree};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, openat, readlinkat, statat,
};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Most directories on top of each other: each is open while what is in it is copied.
const DEEPEST: usize = 128;

/// Copies everything in the directory `from` into `into`: directories, files, links and FIFOs with their owners, modes,
/// times, file capabilities and `user.` attributes. Devices and sockets are left out. A file that is there already is
/// replaced, a directory is filled. Follows no link.
///
/// # Errors
/// Those of the system calls; `QuotaExceeded` beyond 128 levels.
pub fn copy(from: &Tree, into: &Tree) -> io::Result<()> {
    copy_below(from, into, DEEPEST)
}

/// Gives the directory `to` what the directory `model` has: owner, mode, attributes, time.
///
/// # Errors
/// Those of the system calls.
pub fn describe_like(model: &Tree, to: &Tree) -> io::Result<()> {
    describe(to, &attributes(model, &fstat(model)?)?)
}

/// Whether a directory has nothing in it.
///
/// # Errors
/// Those of getdents64(2).
pub fn is_empty(tree: &Tree) -> io::Result<bool> {
    Ok(names(tree)?.is_empty())
}

fn names(tree: &Tree) -> io::Result<Vec<Vec<u8>>> {
    let own: OwnedFd = openat(tree, ".", DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(own)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_bytes().to_owned());
        }
    }
    Ok(names)
}

fn copy_below(from: &Tree, into: &Tree, depth: usize) -> io::Result<()> {
    let Some(depth) = depth.checked_sub(1) else {
        let message = format!("folders more than {DEEPEST} levels deep");
        return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
    };
    for name in names(from)? {
        let name = OsStr::from_bytes(&name);
        let stat = match statat(from, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            stat => stat?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory {
            into.remove(name)?;
        }
        match kind {
            FileType::Directory => {
                let below = from.child(name)?;
                let made = match into.make_directory(name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => into.child(name),
                    made => made,
                }?;
                copy_below(&below, &made, depth)?;
                // Last: the time is that of the last change in it.
                describe(&made, &attributes(&below, &stat)?)?;
            }
            FileType::RegularFile => copy_file(from, into, name)?,
            FileType::Symlink => {
                let target = readlinkat(from, name, Vec::new())?;
                into.make_symlink(OsStr::from_bytes(target.to_bytes()), name)?;
                into.describe_node(name, &plain(&stat), false)?;
            }
            FileType::Fifo => {
                into.make_fifo(name)?;
                into.describe_node(name, &plain(&stat), true)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(from: &Tree, into: &Tree, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = File::from(openat(from, name, flags, Mode::empty())?);
    let stat = fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other(
            "a file became something else while it was copied",
        ));
    }
    let mut copy = into.make_file(name)?;
    io::copy(&mut source, &mut copy)?;
    describe(&copy, &attributes(&source, &stat)?)
}

fn plain(stat: &Stat) -> Attributes {
    Attributes {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
        modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        xattrs: Vec::new(),
    }
}

/// What a file or directory has, its extended attributes as far as an image can give them.
fn attributes(file: impl AsFd, stat: &Stat) -> io::Result<Attributes> {
    let mut list = vec![0; 64 << 10];
    let length = match flistxattr(&file, &mut list) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    list.truncate(length);
    let kept = |name: &&str| *name == "security.capability" || name.starts_with("user.");
    let mut xattrs = Vec::new();
    for name in list
        .split(|byte| *byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(kept)
    {
        let mut value = vec![0; 64 << 10];
        let length = fgetxattr(&file, name, &mut value)?;
        value.truncate(length);
        xattrs.push((name.to_owned(), value));
    }
    Ok(Attributes {
        xattrs,
        ..plain(stat)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    fn tree(path: &Path) -> Tree {
        Tree::open(path).unwrap()
    }

    #[test]
    fn everything_is_copied_and_nothing_followed() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| from.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/file"), "text").unwrap();
        fs::set_permissions(at("d/file"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(at("d"), fs::Permissions::from_mode(0o1750)).unwrap();
        symlink("/etc/passwd", at("link")).unwrap();
        symlink("/etc", into.path().join("d2")).unwrap();
        fs::write(at("d2"), "new").unwrap();
        tree(from.path()).make_fifo(OsStr::new("fifo")).unwrap();
        assert!(is_empty(&tree(&at("d"))).is_ok_and(|empty| !empty));
        for _ in 0..2 {
            copy(&tree(from.path()), &tree(into.path())).unwrap();
        }
        let made = |name: &str| fs::symlink_metadata(into.path().join(name)).unwrap();
        assert_eq!(fs::read_to_string(into.path().join("d/file")).unwrap(), "text");
        assert_eq!(made("d/file").mode() & 0o7777, 0o640);
        assert_eq!(made("d").mode() & 0o7777, 0o1750);
        assert_eq!(
            made("d/file").mtime(),
            fs::metadata(at("d/file")).unwrap().mtime()
        );
        assert!(made("link").is_symlink());
        assert_eq!(fs::read_to_string(into.path().join("d2")).unwrap(), "new");
        assert!(made("d2").is_file());
        use std::os::unix::fs::FileTypeExt;
        assert!(made("fifo").file_type().is_fifo());
    }

    #[test]
    fn depth_has_an_end() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut path = from.path().to_owned();
        for _ in 0..DEEPEST {
            path.push("d");
            fs::create_dir(&path).unwrap();
        }
        let error = copy(&tree(from.path()), &tree(into.path())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    }
}
