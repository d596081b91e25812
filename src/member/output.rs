//! Where a container's output goes: two FIFOs, which the pod's supervisor reads.
//!
//! Images log to `/dev/stdout` and `/dev/stderr` by opening them anew, which works with a FIFO and not with a socket.
//! A FIFO without a reader would end who writes (SIGPIPE) and hold who opens, and the supervisor may be killed at any
//! time. So the container's process gets both open for reading and writing. That is not enough for programs like
//! nginx, which put what they have opened in the place of their standard error: systemd holds both as well, for as
//! long as the member's unit is active (`FileDescriptorStoreMax=`).

use super::Error;
use crate::model::paths::MemberPaths;
use crate::systemd::notify;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, fchown};
use std::path::Path;

/// What the FIFOs are called where systemd holds them.
const NAME: &str = "output";

/// The FIFOs of a member.
#[derive(Debug)]
pub struct Output {
    /// Standard output of the container's process.
    pub stdout: File,
    /// Its standard error.
    pub stderr: File,
}

impl Output {
    /// Opens both and gives them to the user of the container, who could not open them anew otherwise.
    ///
    /// # Errors
    /// One is missing, or is no FIFO.
    pub fn open(paths: &MemberPaths, uid: u32, gid: u32) -> Result<Self, Error> {
        let open = |path: &Path| {
            open_fifo(path, uid, gid).map_err(Error::file("open for the container's output", path))
        };
        Ok(Self {
            stdout: open(&paths.stdout())?,
            stderr: open(&paths.stderr())?,
        })
    }

    /// An output that nobody reads (`LogDriver=none`).
    ///
    /// # Errors
    /// There is no `/dev/null`.
    pub fn nowhere() -> Result<Self, Error> {
        let null = Path::new("/dev/null");
        let open = || {
            File::options()
                .write(true)
                .open(null)
                .map_err(Error::file("open", null))
        };
        Ok(Self {
            stdout: open()?,
            stderr: open()?,
        })
    }

    /// Has systemd hold them too.
    ///
    /// # Errors
    /// systemd does not take them.
    pub fn entrust(&self) -> Result<(), Error> {
        notify::store(NAME, &[self.stdout.as_fd(), self.stderr.as_fd()]).map_err(Error::Notify)
    }
}

fn open_fifo(path: &Path, uid: u32, gid: u32) -> io::Result<File> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let fifo = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_link)
        .open(path)?;
    if !fifo.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is not a FIFO"));
    }
    fchown(&fifo, Some(uid), Some(gid))?;
    Ok(fifo)
}
