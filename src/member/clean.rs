//! What an earlier life of a member left is removed: before the next begins, and when a start has failed. What is left
//! of the last life goes with the pod (`crate::infra`).

use super::{Error, rootfs};
use crate::model::{MemberName, Paths, PodName};
use std::io;
use std::path::Path;

/// Removes the container's state, its bundle and its writable layer, and returns what could not be removed. Nothing
/// there is no error, and one thing that stays keeps none of the others.
///
/// No process of the container is left: they were in the member's unit, and systemd ended them. So there is nothing
/// for the runtime to do: `crun delete` of a container without cgroups and hooks removes the same folder.
pub fn clean(paths: &Paths, pod: &PodName, member: &MemberName) -> Vec<Error> {
    let layer = paths.writable_layer(pod, member);
    let state = paths.runtime_state().join(pod.container_id(member));
    let paths = paths.pod(pod).member(member);
    let steps = [
        remove(&state, |path| std::fs::remove_dir_all(path)),
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
