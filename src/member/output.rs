//! Where a container's output goes: two FIFOs, which the pod's supervisor reads.
//!
//! Images log to `/dev/stdout` and `/dev/stderr` by opening them anew, which works with a FIFO and not with a socket.
//! A FIFO without a reader would end who writes (SIGPIPE) and hold who opens, and the supervisor may be killed at any
//! time. So the container's process has both open for reading and writing: as its standard output and error, and once
//! more as descriptors 3 and 4, for programs like nginx that put what they have opened in the place of the former.

use super::Error;
use crate::model::paths::MemberPaths;
use crate::sys::descriptor;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// How many descriptors the runtime hands on beside the standard ones.
pub const KEPT: usize = 2;

/// The FIFOs of a member.
#[derive(Debug)]
pub struct Output {
    stdout: (File, PathBuf),
    stderr: (File, PathBuf),
}

impl Output {
    /// Opens both.
    ///
    /// # Errors
    /// One is missing, or is no FIFO.
    pub fn open(paths: &MemberPaths) -> Result<Self, Error> {
        let open = |path: PathBuf| match open_fifo(&path) {
            Ok(fifo) => Ok((fifo, path)),
            Err(error) => Err(Error::file("open for the container's output", path)(error)),
        };
        Ok(Self {
            stdout: open(paths.stdout())?,
            stderr: open(paths.stderr())?,
        })
    }

    /// Gives them to the user of the container, who could not open them anew otherwise.
    ///
    /// # Errors
    /// Those of chown(2).
    pub fn give_to(&self, uid: u32, gid: u32) -> Result<(), Error> {
        for (fifo, path) in [&self.stdout, &self.stderr] {
            fchown(fifo, Some(uid), Some(gid)).map_err(Error::file("change the owner of", path))?;
        }
        Ok(())
    }

    /// Copies for standard output and error.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn standard(&self) -> Result<(File, File), Error> {
        let copy = |(fifo, path): &(File, PathBuf)| fifo.try_clone().map_err(Error::file("open again", path));
        Ok((copy(&self.stdout)?, copy(&self.stderr)?))
    }

    /// Lets programs that are started from now on have the FIFOs as descriptors 3 and 4, and says whether they can:
    /// it takes a process that had nothing else open when it opened them.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn keep_open(&self) -> Result<bool, Error> {
        let numbers = [self.stdout.0.as_raw_fd(), self.stderr.0.as_raw_fd()];
        if numbers != [descriptor::FIRST, descriptor::FIRST + 1] {
            return Ok(false);
        }
        for (fifo, path) in [&self.stdout, &self.stderr] {
            descriptor::inherit(fifo).map_err(Error::file("hand on", path))?;
        }
        Ok(true)
    }
}

fn open_fifo(path: &Path) -> io::Result<File> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let fifo = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_link)
        .open(path)?;
    if fifo.metadata()?.file_type().is_fifo() {
        Ok(fifo)
    } else {
        Err(io::Error::other("it is not a FIFO"))
    }
}
