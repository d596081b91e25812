//! What a member leaves behind is removed (`ExecStopPost=`): after its process has ended, however it did.

use super::runtime::{Runtime, container_id};
use super::{Error, rootfs};
use crate::model::{MemberName, Paths, PodName};
use std::io;
use std::path::Path;

/// Removes the container's state, its bundle and its writable layer, and returns what could not be removed. Nothing
/// there is no error, and one thing that stays keeps none of the others. Names are enough: a definition that is gone
/// or cannot be read is no reason to leave anything behind.
pub fn clean(paths: &Paths, pod: &PodName, member: &MemberName, runtime: &Runtime) -> Vec<Error> {
    let layer = paths.writable_layer(pod, member);
    let paths = paths.pod(pod).member(member);
    let steps = [
        runtime.delete(&container_id(member)),
        remove(&paths.bundle(), |path| std::fs::remove_dir_all(path)),
        remove(&paths.pid_file(), |path| std::fs::remove_file(path)),
        rootfs::remove_writable_layer(&layer),
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
