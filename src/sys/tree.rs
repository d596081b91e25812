//! A directory that others filled (an image's layer, a root file system, a volume), worked on without ever
//! leaving it.
//!
//! Everything goes through the directory's descriptor with openat2(2). Paths of several components are resolved
//! in one of two ways:
//!
//! * *in the root* (reading): as a process chrooted there would, so that `/etc/passwd -> ../usr/passwd` finds
//!   what the image means and never a file of the host;
//! * *beneath* (writing): relative links are followed as long as they stay inside, an absolute one is refused.
//!
//! What changes a directory takes a *name*, a single component, and never follows a link there.

mod attributes;
mod copy;
mod differ;
mod remove;

pub use attributes::{Attributes, describe};
pub use copy::{copy, describe_like, is_empty};
pub use differ::{Difference, differences};
pub use remove::remove;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, XattrFlags, fchmod, fsetxattr, fstat, linkat, mkdirat,
    mknodat, open, openat, openat2, renameat, statat, symlinkat,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// An open directory that is the root of what may be touched.
#[derive(Debug)]
pub struct Tree {
    directory: OwnedFd,
}

/// What stands at a name, as far as it matters to whoever fills a layer of an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Overlayfs's mark for "deleted": a character device 0/0.
    Whiteout,
    /// Anything else.
    Other,
}

impl Tree {
    /// Opens the directory at `path`, which is trusted: links in it are followed.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self {
            directory: open(path.as_ref(), DIRECTORY, Mode::empty())?,
        })
    }

    /// Opens a directory inside the tree as a tree of its own, resolved in the root.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn directory(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self {
            directory: resolve(self, path.as_ref(), DIRECTORY, IN_ROOT)?,
        })
    }

    /// Opens a regular file inside the tree for reading, resolved in the root. Anything else is refused without
    /// being opened, so that a FIFO or a device in the tree can neither block nor be set off.
    ///
    /// # Errors
    /// Those of openat2(2); `InvalidInput` for what is not a regular file.
    pub fn open_file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_regular(path.as_ref(), IN_ROOT)
    }

    /// Opens a regular file inside the tree for reading, by a path on which no link is; anything else is refused as
    /// by [`Self::open_file`].
    ///
    /// # Errors
    /// `ELOOP` for a path with a link; those of [`Self::open_file`].
    pub fn open_file_without_links(&self, path: &Path) -> io::Result<File> {
        self.open_regular(path, BENEATH | ResolveFlags::NO_SYMLINKS)
    }

    fn open_regular(&self, path: &Path, how: ResolveFlags) -> io::Result<File> {
        let found = resolve(self, path, OFlags::PATH | OFlags::CLOEXEC, how)?;
        if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // Opens the very file that was looked at, whatever stands at the path by now.
        let same = format!("/proc/self/fd/{}", found.as_raw_fd());
        Ok(File::from(open(
            same,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?))
    }

    /// Reads a regular file of at most `max` bytes inside the tree, resolved in the root. Never blocks.
    ///
    /// # Errors
    /// Those of [`Self::open_file`]; `FileTooLarge` for a file of more than `max` bytes.
    pub fn read_file(&self, path: impl AsRef<Path>, max: u64) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        let length = self
            .open_file(path)?
            .take(max.saturating_add(1))
            .read_to_end(&mut contents)?;
        if u64::try_from(length).is_ok_and(|length| length > max) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {max} bytes"),
            ));
        }
        Ok(contents)
    }

    /// Finds a socket inside the tree, resolved in the root, without opening it (`O_PATH`).
    ///
    /// # Errors
    /// Those of openat2(2); `InvalidInput` for what is not a socket.
    pub fn find_socket(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        let found = resolve(self, path.as_ref(), OFlags::PATH | OFlags::CLOEXEC, IN_ROOT)?;
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Socket => Ok(found),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a socket")),
        }
    }

    /// Opens a directory inside the tree, resolved beneath.
    ///
    /// # Errors
    /// `CrossesDevices` for a path through an absolute link or one that leads out; those of openat2(2).
    pub fn directory_beneath(&self, path: &Path) -> io::Result<Self> {
        Ok(Self {
            directory: resolve(self, path, DIRECTORY, BENEATH)?,
        })
    }

    /// Opens a directory inside the tree by a path on which no link is.
    ///
    /// # Errors
    /// `ELOOP` for a path with a link; those of openat2(2).
    pub fn directory_without_links(&self, path: &Path) -> io::Result<Self> {
        let how = BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(Self {
            directory: resolve(self, path, DIRECTORY, how)?,
        })
    }

    /// The path of this directory in the tree `above`, without links.
    ///
    /// # Errors
    /// `NotFound` if it is not in there; those of readlink(2).
    pub fn path_in(&self, above: &Self) -> io::Result<PathBuf> {
        let path = |tree: &Self| std::fs::read_link(format!("/proc/self/fd/{}", tree.directory.as_raw_fd()));
        match path(self)?.strip_prefix(path(above)?) {
            Ok(path) => Ok(path.to_owned()),
            Err(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Opens a directory inside the tree, resolved beneath, and makes those that are missing (0755, owned by the
    /// caller).
    ///
    /// # Errors
    /// `CrossesDevices` for a path through an absolute link or one that leads out; those of openat2(2), mkdir(2).
    pub fn make_path(&self, path: &Path) -> io::Result<Self> {
        match resolve(self, path, DIRECTORY, BENEATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return Ok(Self { directory: other? }),
        }
        let mut so_far = PathBuf::new();
        let mut parent = Self {
            directory: resolve(self, Path::new("."), DIRECTORY, BENEATH)?,
        };
        for component in path.components() {
            so_far.push(component);
            parent = match self.directory_beneath(&so_far) {
                Ok(directory) => directory,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = parent.make_directory(component.as_os_str())?;
                    fchmod(&made, Mode::from_raw_mode(0o755))?;
                    made
                }
                Err(error) => return Err(error),
            };
        }
        Ok(parent)
    }

    /// What stands at `name` in this directory; links are not followed.
    ///
    /// # Errors
    /// Those of stat(2), except that nothing there is `None`.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Kind>> {
        let stat = match statat(self, single(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::CharacterDevice if stat.st_rdev == 0 => Kind::Whiteout,
            _ => Kind::Other,
        }))
    }

    /// Opens the directory `name`; a link there is refused.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        Ok(Self {
            directory: openat(self, single(name)?, flags, Mode::empty())?,
        })
    }

    /// Makes the directory `name` (0700) and opens it.
    ///
    /// # Errors
    /// Those of mkdir(2): what exists is an error.
    pub fn make_directory(&self, name: &OsStr) -> io::Result<Self> {
        mkdirat(self, single(name)?, Mode::RWXU)?;
        self.child(name)
    }

    /// Makes the regular file `name` (0600) and opens it for writing.
    ///
    /// # Errors
    /// Those of open(2): what exists is an error.
    pub fn make_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(File::from(openat(
            self,
            single(name)?,
            flags,
            Mode::RUSR | Mode::WUSR,
        )?))
    }

    /// Moves `name` to the directory `other` and calls it `new`, in place of what has that name.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn move_to(&self, name: &OsStr, other: &Self, new: &OsStr) -> io::Result<()> {
        Ok(renameat(self, single(name)?, other, single(new)?)?)
    }

    /// Makes the symbolic link `name`; `target` is taken as it is.
    ///
    /// # Errors
    /// Those of symlink(2).
    pub fn make_symlink(&self, target: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(symlinkat(target, self, single(name)?)?)
    }

    /// Makes `name` another name of `other_name` in `other`; a link there is not followed.
    ///
    /// # Errors
    /// Those of link(2).
    pub fn make_hard_link(&self, other: &Self, other_name: &OsStr, name: &OsStr) -> io::Result<()> {
        Ok(linkat(
            other,
            single(other_name)?,
            self,
            single(name)?,
            AtFlags::empty(),
        )?)
    }

    /// Makes the FIFO `name` (0600).
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn make_fifo(&self, name: &OsStr) -> io::Result<()> {
        Ok(mknodat(
            self,
            single(name)?,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )?)
    }

    /// Makes overlayfs's mark that `name` of the layers below is deleted.
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn make_whiteout(&self, name: &OsStr) -> io::Result<()> {
        Ok(mknodat(
            self,
            single(name)?,
            FileType::CharacterDevice,
            Mode::empty(),
            0,
        )?)
    }

    /// Hides what the layers below have in this directory (overlayfs's `trusted.overlay.opaque`).
    ///
    /// # Errors
    /// Those of setxattr(2); needs `CAP_SYS_ADMIN`.
    pub fn make_opaque(&self) -> io::Result<()> {
        Ok(fsetxattr(
            self,
            "trusted.overlay.opaque",
            b"y",
            XattrFlags::empty(),
        )?)
    }
}

/// A name is one component, so that no kernel call can go elsewhere with it.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not the name of a file",
        ));
    }
    Ok(name)
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// openat2(2). The kernel answers EAGAIN when something was renamed during the resolution of a `..`: asked again.
fn resolve(tree: &Tree, path: &Path, flags: OFlags, how: ResolveFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let mut attempts = 0;
    loop {
        match openat2(&tree.directory, path, flags, Mode::empty(), how) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if attempts < 32 => attempts += 1,
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests;
