//! The namespaces that the members of a pod share, and `shm`, which hangs on one of them.

use super::InfraError;
use super::folder::make as made;
use crate::model::{Network, Paths, Pod};
use crate::sys::mount;
use crate::sys::namespace::{self, Kind};
use crate::sys::process::Orphan;
use crate::sys::reaper;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the namespaces that the pod shares and pins each at `ns/KIND`; mounts `shm` if IPC is shared.
/// With a shared PID namespace there is then a PID 1, which is returned: it is nobody's child but systemd's.
///
/// # Errors
/// What the kernel refused. The mounts that have been made stay; a PID 1 that has been started does not.
pub fn make(paths: &Paths, pod: &Pod, hostname: &str) -> Result<Option<Orphan>, InfraError> {
    let at = paths.pod(&pod.name);
    if pod.share.ipc {
        made(
            "shared memory",
            &at.shm(),
            mount::shared_memory(&at.shm(), pod.shm_size),
        )?;
    }
    let pins = at.namespaces();
    let mut kinds: Vec<Kind> = [
        (Kind::Net, pod.share.net && pod.network.is_own()),
        (Kind::Ipc, pod.share.ipc),
        (Kind::Uts, pod.share.uts),
    ]
    .into_iter()
    .filter_map(|(kind, shared)| shared.then_some(kind))
    .collect();
    namespace::in_new(&kinds, || {
        if kinds.contains(&Kind::Net) {
            namespace::raise_loopback()?;
        }
        if kinds.contains(&Kind::Uts) {
            nix::unistd::sethostname(hostname)?;
        }
        kinds.iter().try_for_each(|kind| {
            pin(
                &Path::new("/proc/thread-self/ns").join(kind.file()),
                &pins.join(kind.file()),
            )
        })
    })
    .map_err(InfraError::Namespaces)?;
    if let Network::Pod(other) = &pod.network
        && pod.share.net
    {
        let net = Kind::Net.file();
        pin(&paths.pod(other).namespaces().join(net), &pins.join(net)).map_err(|source| {
            InfraError::NoNetworkOf {
                pod: other.clone(),
                source,
            }
        })?;
        kinds.push(Kind::Net);
    }
    if !pod.share.pid {
        return Ok(None);
    }
    let failed = |source| InfraError::Pause {
        program: paths.pause_program(),
        source,
    };
    let pause = reaper::start(&paths.pause_program(), &pins, &kinds).map_err(failed)?;
    let own = format!("/proc/{}/ns/pid", pause.pid);
    match pin(Path::new(&own), &pins.join(Kind::Pid.file())) {
        Ok(()) => Ok(Some(pause)),
        Err(error) => {
            pause.kill();
            Err(failed(error))
        }
    }
}

/// Keeps a namespace as long as the mount is there, whether a process is in it or not.
fn pin(namespace: &Path, pin: &Path) -> io::Result<()> {
    let _: File = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(pin)?;
    mount::bind(namespace, pin)
}
