//! A [`UnitSet`] → files in a directory: all of it or nothing, and what is replaced is whole at every moment.
//!
//! A file that is new is written in its place: its pod cannot be started before `pod-X.service` is there, the last
//! of all, and should a kill leave that one empty, it is masked to systemd. A file of an earlier run, or of another
//! run in the same directory, is written under a name that systemd does not look at, then renamed.

use super::{Link, UnitSet};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why nothing of a pod was written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {file} into {}: {source}; nothing of the pod was written", dir.display())]
pub struct EmitError {
    /// The output directory.
    pub dir: PathBuf,
    /// The file in it.
    pub file: String,
    /// The system's answer, such as ENOSPC or EROFS.
    pub source: io::Error,
}

/// An output directory.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    fd: OwnedFd,
    /// Ends names that no other process uses.
    process: String,
}

impl Output {
    /// Opens a directory that exists.
    ///
    /// # Errors
    /// It is not there, or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            path: path.to_owned(),
            fd,
            process: std::process::id().to_string(),
        })
    }

    /// Writes everything of a pod. Unit files get mode 0644 and the compiled pod 0600, less the umask.
    ///
    /// # Errors
    /// What could not be written. All files of the pod are gone then, those of an earlier run too.
    pub fn write(&self, set: &UnitSet) -> Result<(), EmitError> {
        // Links come last and what a user starts comes last among the files: a run that is killed half-way
        // leaves nothing that could be started without its parts.
        let compiled_file = set.owner.compiled_file();
        let compiled = set
            .compiled
            .iter()
            .map(|text| (compiled_file.as_str(), text.as_str(), 0o600));
        let units = set
            .files
            .iter()
            .map(|file| (file.name.as_str(), file.text.as_str(), 0o644));
        let images = set
            .images
            .iter()
            .map(|file| (file.name.as_str(), file.text.as_str(), 0o644));
        let files: Vec<(&str, &str, u32)> = compiled.chain(images).chain(units).collect();

        let written = files
            .iter()
            .try_for_each(|(name, text, mode)| {
                self.write_file(name, text, Mode::from_raw_mode(*mode))
                    .map_err(|errno| at(name, errno))
            })
            .and_then(|()| {
                let link = |link| self.link(link).map_err(|errno| at(&link.path, errno));
                set.links.iter().try_for_each(link)
            });
        written.map_err(|(file, errno)| {
            let names = files
                .iter()
                .map(|(name, ..)| *name)
                .chain(set.links.iter().map(|link| link.path.as_str()));
            for name in names {
                // What is not there needs no removing, and what cannot be removed was not written either.
                let _ = rustix::fs::unlinkat(&self.fd, self.temporary(name), AtFlags::empty());
                let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
            }
            EmitError {
                dir: self.path.clone(),
                file,
                source: errno.into(),
            }
        })
    }

    fn write_file(&self, name: &str, text: &str, mode: Mode) -> Result<(), Errno> {
        let mut written = self.create(name, OFlags::EXCL, text, mode);
        if written == Err(Errno::NOENT) && self.make_folder(name)? {
            written = self.create(name, OFlags::EXCL, text, mode);
        }
        if written != Err(Errno::EXIST) {
            return written;
        }
        let temporary = self.temporary(name);
        self.create(&temporary, OFlags::TRUNC, text, mode)?;
        rustix::fs::renameat(&self.fd, &temporary, &self.fd, name)
    }

    fn create(&self, name: &str, how: OFlags, text: &str, mode: Mode) -> Result<(), Errno> {
        let flags = how | OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.fd, name, flags, mode)?);
        file.write_all(text.as_bytes())
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    fn link(&self, link: &Link) -> Result<(), Errno> {
        let make = |name: &str| rustix::fs::symlinkat(link.target.as_str(), &self.fd, name);
        let mut made = make(&link.path);
        if made == Err(Errno::NOENT) && self.make_folder(&link.path)? {
            made = make(&link.path);
        }
        if made != Err(Errno::EXIST) {
            return made;
        }
        // A link of an earlier run: replaced in one step, so that it never is missing.
        let temporary = self.temporary(&link.path);
        make(&temporary)?;
        rustix::fs::renameat(&self.fd, &temporary, &self.fd, link.path.as_str())
    }

    /// Makes the folder that the name begins with; false if it has none.
    fn make_folder(&self, name: &str) -> Result<bool, Errno> {
        let Some((folder, _)) = name.split_once('/') else {
            return Ok(false);
        };
        match rustix::fs::mkdirat(&self.fd, folder, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => Ok(true),
            Err(errno) => Err(errno),
        }
    }

    /// A name in the same directory that no unit can have, and no other process uses.
    fn temporary(&self, name: &str) -> String {
        let file_at = name.rfind('/').map_or(0, |slash| slash + 1);
        format!("{}.#{}.{}", &name[..file_at], &name[file_at..], self.process)
    }
}

fn at(name: &str, errno: Errno) -> (String, Errno) {
    (name.to_owned(), errno)
}
