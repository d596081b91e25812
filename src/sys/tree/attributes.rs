//! Owners, permissions, times and extended attributes of what a tree holds.

use super::{Tree, single};
use rustix::fs::{
    AtFlags, Mode, Timespec, Timestamps, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr, futimens,
    utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

/// Owner, permissions, time and extended attributes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    /// Time of the last change of the contents, in seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// Extended attributes by their full names (xattr(7)).
    pub xattrs: Vec<(String, Vec<u8>)>,
}

impl Tree {
    /// Sets the time of the last change of this directory: seconds since 1970 and nanoseconds.
    ///
    /// # Errors
    /// Those of utimensat(2).
    pub fn set_modified(&self, modified: (i64, u32)) -> io::Result<()> {
        Ok(futimens(self, &times(modified))?)
    }

    /// Gives the link or FIFO `name`, which the caller has just made, its owner and time, and a FIFO its mode.
    ///
    /// # Errors
    /// Those of chown(2), chmod(2), utimensat(2).
    pub fn describe_node(&self, name: &OsStr, attributes: &Attributes, is_fifo: bool) -> io::Result<()> {
        let (name, not_through) = (single(name)?, AtFlags::SYMLINK_NOFOLLOW);
        chownat(
            self,
            name,
            Some(attributes.owner()),
            Some(attributes.group()),
            not_through,
        )?;
        if is_fifo {
            chmodat(self, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
        }
        Ok(utimensat(self, name, &times(attributes.modified), not_through)?)
    }
}

/// Gives an open file or directory its owner, mode, attributes and time. In this order: a change of owner takes
/// setuid bits and capabilities away. A `user.` attribute that the file system cannot hold is left out.
///
/// # Errors
/// Those of chown(2), chmod(2), setxattr(2), utimensat(2).
pub fn describe(file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    fchown(&file, Some(attributes.owner()), Some(attributes.group()))?;
    fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
    for (name, value) in &attributes.xattrs {
        match fsetxattr(&file, name.as_str(), value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) if name.starts_with("user.") => {}
            other => other?,
        }
    }
    Ok(futimens(&file, &times(attributes.modified))?)
}

impl Attributes {
    fn owner(&self) -> Uid {
        Uid::from_raw(self.uid)
    }

    fn group(&self) -> Gid {
        Gid::from_raw(self.gid)
    }
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
