//! The container's own process, held by a descriptor, so that a number that is used again never means another one.

use super::{Error, Member};
use crate::model::{Fate, Signal};
use crate::sys::{cgroup, pidfd};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// The process of a container.
#[derive(Debug)]
pub(super) struct MainProcess {
    pid: i32,
    held: OwnedFd,
}

impl MainProcess {
    /// Holds the process that systemd calls the unit's main process, after checking that it is the container's: the
    /// runtime wrote the same number, and it is in the cgroup of the member's unit. `None` if there is none any more.
    pub(super) fn find(member: Member<'_>, main_pid: Option<i32>) -> Result<Option<Self>, Error> {
        let Some(pid) = main_pid else { return Ok(None) };
        let held = match pidfd::open(pid) {
            Ok(held) => held,
            Err(error) if pidfd::is_gone(&error) => return Ok(None),
            Err(error) => return Err(Error::NotRunning(format!("cannot open process {pid}: {error}"))),
        };
        let written = read_pid(&member.member_paths().pid_file())?;
        let unit = member.pod.name.member_unit(&member.container.name);
        // Held before it is looked at, so that the number cannot have become another process's since.
        match pidfd::read(held.as_fd(), pid, "cgroup") {
            Ok(cgroup) if written == Some(pid) && cgroup::is_of_unit(&cgroup, &unit) => {
                Ok(Some(Self { pid, held }))
            }
            Ok(_) => Err(Error::NotRunning(format!(
                "process {pid} is not that of its container; it was left alone"
            ))),
            Err(_) => Ok(None),
        }
    }

    /// What it would do with a signal now; `None` if it has ended.
    pub(super) fn fate(&self, signal: Signal) -> Option<Fate> {
        let status = pidfd::read(self.held.as_fd(), self.pid, "status").ok()?;
        Some(Fate::of(&status, signal))
    }

    /// Sends a signal and says whether there was a process to take it.
    pub(super) fn send(&self, signal: Signal) -> Result<bool, Error> {
        match pidfd::send(self.held.as_fd(), signal.number()) {
            Ok(()) => Ok(true),
            Err(error) if pidfd::is_gone(&error) => Ok(false),
            Err(error) => Err(Error::NotRunning(format!("cannot send it {signal}: {error}"))),
        }
    }

    /// Waits for its end, for `limit` at most, and says whether it has come.
    pub(super) fn wait(&self, limit: Duration) -> Result<bool, Error> {
        let waited = pidfd::wait(self.held.as_fd(), limit);
        waited.map_err(|error| Error::NotRunning(format!("cannot wait for it: {error}")))
    }
}

/// The process ID that the runtime wrote, if there is one.
///
/// # Errors
/// The file cannot be read.
pub fn read_pid(path: &Path) -> Result<Option<i32>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok().filter(|pid| *pid > 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}
