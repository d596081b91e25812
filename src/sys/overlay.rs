//! A root file system, mounted where only one process tree sees it.

use nix::sched::CloneFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use std::ffi::CString;
use std::fmt::Write;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

/// The kernel takes the options of mount(2) in one page, its last byte the NUL.
const LONGEST_OPTIONS: usize = 4095;

/// Gives this process a mount namespace of its own in which what is mounted below `place`, a mount point, stays:
/// nobody else sees it, and it goes with the last process of the namespace. All other mounts keep their
/// propagation (mount_namespaces(7)), so that shared volumes go on working.
///
/// # Errors
/// `EINVAL` if `place` is not a mount point; those of unshare(2) and mount(2).
pub fn enter_private_namespace(place: &Path) -> io::Result<()> {
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount_change(place, MountPropagationFlags::PRIVATE)?)
}

/// Mounts an overlay of `layers`, directories with the top one first, at `target`; changes go to the directory
/// `upper`, and `work` beside it is the kernel's own. Device files in it have no effect, and nothing is ever synced
/// to disk for its sake.
///
/// # Errors
/// `ENAMETOOLONG` for more layers than fit in one page of options, about 230; those of mount(2).
pub fn mount_overlay(
    layers: &[impl AsFd],
    upper: BorrowedFd<'_>,
    work: BorrowedFd<'_>,
    target: &Path,
) -> io::Result<()> {
    let mut options = String::from("volatile,lowerdir=");
    for (at, layer) in layers.iter().enumerate() {
        if at > 0 {
            options.push(':');
        }
        push_path(&mut options, layer.as_fd());
    }
    options.push_str(",upperdir=");
    push_path(&mut options, upper);
    options.push_str(",workdir=");
    push_path(&mut options, work);
    if options.len() > LONGEST_OPTIONS {
        return Err(Errno::NAMETOOLONG.into());
    }
    let options = CString::new(options)?;
    Ok(mount(
        "overlay",
        target,
        "overlay",
        MountFlags::NODEV,
        options.as_c_str(),
    )?)
}

/// Appends a name of the directory that is short, needs no escape, and tells a container nothing of the host.
fn push_path(options: &mut String, directory: BorrowedFd<'_>) {
    // Writing to a string cannot fail.
    let _ = write!(options, "/proc/self/fd/{}", directory.as_raw_fd());
}

/// Mounts the directory behind `source`, with all that is mounted in it, at `target`.
///
/// # Errors
/// Those of mount(2).
pub fn bind_tree(source: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    let mut path = String::new();
    push_path(&mut path, source);
    Ok(mount_bind_recursive(path, target)?)
}
