//! Mounts.

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    UnmountFlags,
};
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Binds what is at `source` (a folder, a file, a namespace) on `target`.
///
/// # Errors
/// Those of mount(2).
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(rustix::mount::mount_bind(source, target)?)
}

/// Binds a folder on itself, unless it is a mount point already. Two at the same time might both do it.
///
/// # Errors
/// Those of statx(2) and mount(2).
pub fn bind_once(folder: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(());
    }
    bind(folder, folder)
}

/// Mounts a tmpfs of at most `size` bytes on `target`, its root with mode 1777, without devices, set-user-ID
/// programs or programs at all.
///
/// # Errors
/// Those of mount(2).
pub fn shared_memory(target: &Path, size: u64) -> io::Result<()> {
    let options = CString::new(format!("mode=1777,size={size}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount(
        "shm",
        target,
        "tmpfs",
        flags,
        options.as_c_str(),
    )?)
}

/// Unmounts everything that is mounted below `dir`, whatever uses it (`MNT_DETACH`), the topmost first. A folder
/// that does not exist has nothing below it.
///
/// # Errors
/// What could not be unmounted, after all the rest has been.
pub fn unmount_below(dir: &Path) -> io::Result<()> {
    let dir = match dir.canonicalize() {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut result = Ok(());
    // In the order of mounting: backwards, nothing is in the way.
    for point in mount_points(&std::fs::read("/proc/self/mountinfo")?)
        .into_iter()
        .rev()
    {
        if point != dir && point.starts_with(&dir) {
            let flags = UnmountFlags::NOFOLLOW | UnmountFlags::DETACH;
            // EINVAL: another one unmounted it meanwhile.
            match rustix::mount::unmount(&point, flags) {
                Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
                Err(error) => result = Err(error.into()),
            }
        }
    }
    result
}

/// The mount points in a text of the form of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
fn mount_points(mountinfo: &[u8]) -> Vec<PathBuf> {
    let lines = mountinfo.split(|&byte| byte == b'\n');
    lines
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4))
        .map(unescape)
        .collect()
}

/// The kernel writes blank, tab, newline and backslash as `\` and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match rest {
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                tail @ ..,
            ] => {
                path.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                path.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

/// Moves this process into a mount namespace of its own that holds nothing but an empty folder which nobody can
/// write. `point` is any folder; it is used on the way.
///
/// # Errors
/// Those of the calls. pivot_root(2) cannot leave an initial ramdisk (EINVAL).
pub fn enter_empty_root(point: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Before anything is mounted or unmounted, so that nobody else sees it.
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let root = empty_folder()?;
    let to_point = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&root, "", rustix::fs::CWD, point, to_point)?;
    rustix::process::fchdir(&root)?;
    // The old root comes to lie on the new one (pivot_root(2), "pivot_root(".", ".")"), and is then taken off.
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn empty_folder() -> io::Result<OwnedFd> {
    let folder = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&folder, "mode", "0555")?;
    rustix::mount::fsconfig_set_string(&folder, "nr_inodes", "1")?;
    rustix::mount::fsconfig_create(&folder)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(
        &folder,
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_blanks_and_backslashes() {
        let text = b"22 1 0:20 / /proc rw - proc proc rw\n40 1 0:30 /a /run/a\\040b\\134c rw shared:1 - tmpfs t rw\n";
        assert_eq!(
            mount_points(text),
            [PathBuf::from("/proc"), PathBuf::from("/run/a b\\c")]
        );
        assert_eq!(unescape(b"\\04"), PathBuf::from("\\04"));
    }
}
