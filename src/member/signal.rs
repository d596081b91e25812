//! Signals that systemd cannot send by itself: the stop signal that an image asks for, and a reload.

use super::{Error, Member};
use crate::model::Signal;
use crate::sys::pidfd;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Asks the member's process to end (`ExecStop=`): its image's stop signal or SIGTERM, and SIGKILL if it has not
/// ended after the member's stop timeout. `main_pid` is systemd's `$MAINPID`; without one there is nothing to do.
///
/// # Errors
/// The process is not the container's, or cannot be signalled.
pub fn stop(member: Member<'_>, main_pid: Option<i32>) -> Result<(), Error> {
    let Some(process) = main_process(member, main_pid)? else {
        return Ok(());
    };
    let signal = match member.container.stop_signal {
        Some(signal) => signal,
        None => written_stop_signal(&member.stop_signal_file())?,
    };
    if !send(&process, signal)? {
        return Ok(());
    }
    let limit = member.container.stop_timeout;
    let waiting = pidfd::wait(process.as_fd(), limit);
    let ended = waiting.map_err(|error| Error::NotRunning(format!("cannot wait for it: {error}")))?;
    if !ended {
        send(&process, Signal::KILL)?;
    }
    Ok(())
}

/// Sends the member's reload signal to its process (`ExecReload=`). `main_pid` is systemd's `$MAINPID`.
///
/// # Errors
/// The process is gone, or is not the container's.
pub fn reload(member: Member<'_>, main_pid: Option<i32>) -> Result<(), Error> {
    let Some(signal) = member.container.reload_signal else {
        return Err(Error::NotRunning(
            "it has no ReloadSignal=, so that nothing tells it to reload".to_owned(),
        ));
    };
    let gone = || Error::NotRunning("its process is gone, nothing was reloaded".to_owned());
    let process = main_process(member, main_pid)?.ok_or_else(gone)?;
    if send(&process, signal)? {
        Ok(())
    } else {
        Err(gone())
    }
}

/// Holds the process that systemd calls the unit's main process, after checking that it is the container's: the
/// runtime wrote the same number, and it is in the cgroup of this step, which is the unit's.
fn main_process(member: Member<'_>, main_pid: Option<i32>) -> Result<Option<OwnedFd>, Error> {
    let Some(pid) = main_pid else { return Ok(None) };
    let process = match pidfd::open(pid) {
        Ok(process) => process,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(Error::NotRunning(format!("cannot open process {pid}: {error}"))),
    };
    let written = read_pid(&member.member_paths().pid_file())?;
    let cgroups = (cgroup("self"), cgroup(&pid.to_string()));
    // Held before it was looked at, so the number cannot have become another process's since.
    match cgroups {
        (Some(own), Some(its)) if written == Some(pid) && own == its => Ok(Some(process)),
        (_, None) => Ok(None),
        _ => Err(Error::NotRunning(format!(
            "process {pid} is not that of its container; it was left alone"
        ))),
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

/// The cgroup of a process in the unified hierarchy. Steps of a unit with `Delegate=` run in `.control` below it.
pub(super) fn cgroup(process: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.strip_suffix("/.control").unwrap_or(path).to_owned())
}

/// Whether a process is in the cgroup of this unit, or below it.
pub fn is_in_unit(pid: i32, unit: &str) -> bool {
    cgroup(&pid.to_string()).is_some_and(|path| path.split('/').any(|name| name == unit))
}

/// Sends a signal and says whether there was a process to take it.
fn send(process: &OwnedFd, signal: Signal) -> Result<bool, Error> {
    match pidfd::send(process.as_fd(), signal.number()) {
        Ok(()) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(Error::NotRunning(format!("cannot send it {signal}: {error}"))),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn written_stop_signal(path: &Path) -> Result<Signal, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(Signal::TERM)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Signal::TERM),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}
