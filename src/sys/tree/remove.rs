//! Removing a directory with all that is in it, however deep and however hostile.

use super::{DIRECTORY, Tree, single};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, fstat, openat, openat2, unlinkat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes a file, or a directory with all that is in it, by its path, as [`Tree::remove`] does. Nothing there is no
/// error.
///
/// # Errors
/// Those of [`Tree::remove`] and of opening the directory above.
pub fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match Tree::open(parent) {
        Ok(parent) => parent.remove(name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

impl Tree {
    /// Removes the directory `name` if nothing is in it. Returns whether it is gone.
    ///
    /// # Errors
    /// Those of rmdir(2).
    pub fn remove_empty(&self, name: &OsStr) -> io::Result<bool> {
        match unlinkat(self, single(name)?, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes `name` and, if it is a directory, everything in it. Follows no link, enters no other file system,
    /// and nothing there is no error.
    ///
    /// # Errors
    /// Those of unlink(2); `CrossesDevices` where something is mounted.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        let name = CString::new(single(name)?.as_bytes())?;
        if unlink(self, &name)? {
            return Ok(());
        }
        // One descriptor whatever the depth: a hostile tree can be deeper than the limit of open files. The way
        // back is by `..`, and each directory is known again by its numbers, should anybody have moved it.
        let mut names = vec![name];
        let mut numbers = vec![number(self.as_fd())?];
        let mut here = enter(self.as_fd(), &names[0])?;
        loop {
            match first_full_directory(&here)? {
                Some(full) => {
                    numbers.push(number(here.as_fd())?);
                    here = enter(here.as_fd(), &full)?;
                    names.push(full);
                }
                None => {
                    let (Some(empty), Some(parent)) = (names.pop(), numbers.pop()) else {
                        return Ok(());
                    };
                    here = openat(&here, "..", DIRECTORY, Mode::empty())?;
                    if number(here.as_fd())? != parent {
                        return Err(io::Error::other("the directory was moved while it was removed"));
                    }
                    unlinkat(&here, &empty, AtFlags::REMOVEDIR)?;
                    if names.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Removes a file or an empty directory. Returns false for a directory that is not empty.
fn unlink(at: impl AsFd, name: &CString) -> io::Result<bool> {
    match unlinkat(&at, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    match unlinkat(&at, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes the contents up to the first directory that is not empty.
fn first_full_directory(directory: &OwnedFd) -> io::Result<Option<CString>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") && !unlink(directory, &name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn enter(at: BorrowedFd<'_>, name: &CString) -> io::Result<OwnedFd> {
    let how = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(openat2(
        at,
        name,
        DIRECTORY | OFlags::NOFOLLOW,
        Mode::empty(),
        how,
    )?)
}

fn number(directory: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let stat = fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::symlinkat;
    use std::fs;

    #[test]
    fn removing_follows_nothing_and_has_no_limit_of_depth() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("keep"), "").unwrap();
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        let mut deep = tree.make_directory(OsStr::new("d")).unwrap();
        for _ in 0..3000 {
            symlinkat(outside.path(), &deep, "link").unwrap();
            deep.make_directory(OsStr::new("e")).unwrap();
            deep = deep.make_directory(OsStr::new("d")).unwrap();
        }
        drop(deep);
        tree.remove(OsStr::new("d")).unwrap();
        tree.remove(OsStr::new("d")).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(outside.path().join("keep").exists());
    }
}
