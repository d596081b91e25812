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

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// An open directory that is the root of what may be touched.
#[derive(Debug)]
pub struct Tree {
    directory: OwnedFd,
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
        let found = resolve(self, path.as_ref(), OFlags::PATH | OFlags::CLOEXEC, IN_ROOT)?;
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
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn reading_stays_in_the_tree_and_never_blocks() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::open(root.path()).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root").unwrap();
        symlink(outside.path().join("secret"), root.path().join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", root.path().join("etc/up")).unwrap();
        symlink("/etc/passwd", root.path().join("inside")).unwrap();
        symlink("/proc/self/root", root.path().join("magic")).unwrap();
        rustix::fs::mknodat(&tree, "fifo", FileType::Fifo, Mode::RUSR, 0).unwrap();

        assert_eq!(tree.read_file("/etc/passwd", 4).unwrap(), b"root");
        assert_eq!(tree.read_file("etc/up", 100).unwrap(), b"root");
        assert_eq!(tree.read_file("inside", 100).unwrap(), b"root");
        assert_eq!(
            tree.directory("etc").unwrap().read_file("passwd", 100).unwrap(),
            b"root"
        );
        assert_eq!(
            tree.read_file("etc/passwd", 3).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(
            tree.read_file("absolute", 100).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            tree.read_file("fifo", 100).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            tree.read_file("etc", 100).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(tree.read_file("magic/etc/hostname", 100).is_err());
    }
}
