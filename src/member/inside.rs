//! Another process beside a container's own: what it would see, and how the runtime starts it.

use super::oci::Process;
use super::runtime::Runtime;
use super::{Error, Member, main_process, process};
use crate::sys::cgroup;
use crate::sys::tree::Tree;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process::Command;

/// The member's own process as it was described to the runtime, and the root file system it sees; nothing if the member
/// does not run.
///
/// # Errors
/// It cannot be read how the member was started.
pub fn look(member: Member<'_>) -> Result<Option<(Process, Tree)>, Error> {
    let paths = member.member_paths();
    let Some(pid) = main_process::read_pid(&paths.pid_file())? else {
        return Ok(None);
    };
    let path = paths.bundle().join("config.json");
    let config = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(Error::file("read", &path))?,
    };
    let own = process::of_container(&config).map_err(|error| Error::file("read", &path)(error.into()))?;
    let Ok(root) = Tree::open(format!("/proc/{pid}/root")) else {
        return Ok(None);
    };
    // Looked at last: the file stays when the member has ended, and its number may be anybody's by then.
    let unit = member.pod.name.member_unit(&member.container.name);
    Ok(cgroup::is_in_unit(pid, &unit).then_some((own, root)))
}

/// A process to be, as the runtime reads it. The file is inherited on purpose; the runtime closes it before it starts
/// the program.
///
/// # Errors
/// There is no memory for it.
pub fn describe(process: &Process) -> io::Result<File> {
    let mut description = File::from(memfd_create("process.json", MemfdFlags::empty())?);
    description.write_all(&serde_json::to_vec(process)?)?;
    Ok(description)
}

/// The runtime's command that starts what `description` describes in the member's container, and stays until it ends.
pub fn command(member: Member<'_>, runtime: &Runtime, description: &File) -> Command {
    let mut command = runtime.command();
    command
        .arg("exec")
        .arg("--process")
        .arg(format!("/proc/self/fd/{}", description.as_raw_fd()))
        .arg(member.pod.name.container_id(&member.container.name));
    command
}
