//! The root file system of a container, mounted where only its launcher sees it.

use super::{Error, Member};
use crate::model::UnpackedImage;
use crate::sys::overlay;
use crate::sys::tree::Tree;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Largest `/etc/passwd` and `/etc/group` that are read, in bytes each.
const LARGEST_ACCOUNTS: u64 = 4 << 20;

/// Enters a mount namespace in which [`Member::root`] can be mounted unseen. It stays until the process ends, and
/// what is mounted there until its last process ends.
///
/// # Errors
/// The pod's infra is not up; those of unshare(2).
pub fn enter(member: Member<'_>) -> Result<(), Error> {
    let place = member.paths.roots();
    overlay::enter_private_namespace(&place).map_err(|error| match error.raw_os_error() {
        // Not a mount point, or nothing at all: infra makes both.
        Some(code) if code == rustix::io::Errno::INVAL.raw_os_error() => Error::InfraGone,
        _ if error.kind() == io::ErrorKind::NotFound => Error::InfraGone,
        _ => Error::file("make a private mount namespace for", &place)(error),
    })?;
    let root = member.root();
    match DirBuilder::new().mode(0o755).create(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::InfraGone),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::file("make", &root)(error)),
        _ => Ok(()),
    }
}

/// Mounts the image's layers with a writable layer on top, of which an earlier life may have left nothing
/// ([`super::clean::clean`]).
///
/// # Errors
/// A layer that is not there, too many of them, a writable layer that cannot be made.
pub fn mount_image(member: Member<'_>, image: &UnpackedImage) -> Result<(), Error> {
    let folder = member
        .paths
        .writable_layer(&member.pod.name, &member.container.name);
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    let (upper, work, nothing) = (folder.join("upper"), folder.join("work"), folder.join("empty"));
    for path in [&upper, &work] {
        make(path).map_err(Error::file("make", path))?;
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    for path in image.layers.iter().rev() {
        layers.push(open_directory(path).map_err(Error::file("open the image's layer", path))?);
    }
    match open_directory(&member.paths.mount_points()) {
        Ok(points) => layers.push(points),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::file("open", member.paths.mount_points())(error)),
    }
    if layers.is_empty() {
        make(&nothing).map_err(Error::file("make", &nothing))?;
        layers.push(open_directory(&nothing).map_err(Error::file("open", &nothing))?);
    }
    // What the container sees as `/` is the upper folder itself.
    like(&layers[0], &upper).map_err(Error::file("set owner and mode of", &upper))?;

    let upper = open_directory(&upper).map_err(Error::file("open", &upper))?;
    let work = open_directory(&work).map_err(Error::file("open", &work))?;
    let root = member.root();
    overlay::mount_overlay(&layers, upper.as_fd(), work.as_fd(), &root).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error()) {
            Error::Image(format!(
                "it has {} layers, more than the kernel can mount at once",
                layers.len()
            ))
        } else {
            Error::file("mount the image's layers on", &root)(error)
        }
    })
}

/// Mounts a directory of the host, with what is mounted in it.
///
/// # Errors
/// It is not there.
pub fn mount_directory(member: Member<'_>, directory: &str) -> Result<(), Error> {
    let opened =
        open_directory(Path::new(directory)).map_err(|error| Error::setting("Rootfs", directory, error))?;
    let root = member.root();
    overlay::bind_tree(opened.as_fd(), &root).map_err(Error::file("bind the Rootfs= on", root))
}

/// The container's own lists of users and groups, empty where it has none.
///
/// # Errors
/// They are there but are no regular files, or too large.
pub fn accounts(member: Member<'_>) -> Result<(String, String), Error> {
    let root = member.root();
    read_accounts(&Tree::open(&root).map_err(Error::file("open", root))?)
}

/// The same for any tree that is a container's root.
///
/// # Errors
/// Those of [`accounts`].
pub fn read_accounts(tree: &Tree) -> Result<(String, String), Error> {
    let read = |path: &'static str| match tree.read_file(path, LARGEST_ACCOUNTS) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(String::new())
        }
        Err(error) => Err(Error::file("read, in the container,", path)(error)),
    };
    Ok((read("/etc/passwd")?, read("/etc/group")?))
}

fn open_directory(path: &Path) -> io::Result<File> {
    let directory = File::open(path)?;
    if directory.metadata()?.is_dir() {
        Ok(directory)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// Gives `path` the owner and mode of the directory `model`.
fn like(model: &File, path: &Path) -> io::Result<()> {
    let model = model.metadata()?;
    std::os::unix::fs::chown(path, Some(model.uid()), Some(model.gid()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(model.mode() & 0o7777))
}
