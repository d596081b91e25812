//! What a member leaves behind is removed (`ExecStopPost=`): after its process has ended, however it did.

use super::runtime::{Runtime, container_id};
use super::{Error, Member, rootfs};
use std::io;
use std::path::Path;

/// Removes the container's state, its bundle and its writable layer. Nothing there is no error, and one thing that
/// cannot be removed keeps none of the others.
///
/// # Errors
/// What could not be removed.
pub fn clean(member: Member<'_>, runtime: &Runtime) -> Vec<Error> {
    let paths = member.member_paths();
    let steps = [
        runtime.delete(&container_id(&member.container.name)),
        remove(&paths.bundle(), |path| std::fs::remove_dir_all(path)),
        remove(&paths.pid_file(), |path| std::fs::remove_file(path)),
        rootfs::remove_writable_layer(member),
        // Last: as long as it is there, nobody removes the image from under the member.
        remove(&paths.image(), |path| std::fs::remove_file(path)),
    ];
    steps.into_iter().filter_map(Result::err).collect()
}

fn remove(path: &Path, how: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Error> {
    match how(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}
