//! What an earlier life of a member left is removed: before the next begins, and when a start has failed. What is left
//! of the last life goes with the pod (`crate::infra`).

use super::Error;
use crate::model::{MemberName, Paths, PodName};
use crate::sys::tree;
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
        remove(&state),
        remove(&paths.bundle()),
        remove(&paths.pid_file()),
        remove(&layer),
        // Last: as long as it is there, nobody removes the image from under the member.
        remove(&paths.image()),
    ];
    steps.into_iter().filter_map(Result::err).collect()
}

fn remove(path: &Path) -> Result<(), Error> {
    tree::remove(path).map_err(Error::file("remove", path))
}
