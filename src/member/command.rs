//! A command of the definition in a running container: `PreStop=`, `ReloadCmd=`. It is a process of the member's unit,
//! in the unit's cgroup and under its limits, and writes where the container writes.

use super::main_process::read_pid;
use super::output::Output;
use super::process::{self, Wanted};
use super::runtime::Runtime;
use super::{Error, Member, arguments, inside};
use crate::model::Signal;
use crate::sys::{cgroup, pidfd};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// Runs the line of `key` and waits for its end, for `limit` at most.
///
/// # Errors
/// It cannot be run, does not end in time, or ends without success.
pub fn run(
    member: Member<'_>,
    runtime: &Runtime,
    key: &'static str,
    line: &str,
    limit: Duration,
) -> Result<(), Error> {
    let failed = |reason: String| Error::setting(key, line, reason);
    let get = |name: &str| std::env::var(name).ok();
    let arguments = arguments::line(key, line, &member.specifiers(), &get)?;
    let paths = member.member_paths();
    let config = paths.bundle().join("config.json");
    let text = fs::read_to_string(&config).map_err(Error::file("read", &config))?;
    let own = process::of_container(&text).map_err(|error| {
        failed(format!(
            "{} is not what the launcher wrote: {error}",
            config.display()
        ))
    })?;
    let output = Output::open(&paths, own.user.uid, own.user.gid)?;
    let process = process::beside(
        own,
        Wanted {
            arguments,
            ..Wanted::default()
        },
    );
    let description =
        inside::describe(&process).map_err(|error| failed(format!("cannot describe it: {error}")))?;
    let pid_file = paths.bundle().join("command.pid");
    // That of an earlier command.
    let _ = fs::remove_file(&pid_file);
    let mut command = runtime.command();
    command
        .arg("exec")
        .arg("--pid-file")
        .arg(&pid_file)
        .arg("--process")
        .arg(format!("/proc/self/fd/{}", description.as_raw_fd()))
        .arg(member.pod.name.container_id(&member.container.name))
        .stdin(Stdio::null())
        .stdout(output.stdout)
        .stderr(output.stderr);
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("cannot run {}: {error}", runtime.name())))?;
    match wait(&mut child, limit).map_err(|error| failed(format!("cannot wait for it: {error}")))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(failed(format!("it ended with {status}"))),
        None => {
            if let Some(pid) = read_pid(&pid_file)? {
                kill(pid);
            }
            // The runtime ends with it; should it not have begun yet, it never will.
            let _ = child.kill().and_then(|()| child.wait());
            Err(failed(format!("it did not end in {limit:?}, and was killed")))
        }
    }
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let held = pidfd::open(i32::try_from(child.id()).unwrap_or_default())?;
    match pidfd::wait(held.as_fd(), limit)? {
        true => child.wait().map(Some),
        false => Ok(None),
    }
}

/// Kills the command, if it is that: a process of this unit.
fn kill(pid: i32) {
    if let Ok(process) = pidfd::open(pid)
        && cgroup::of("self").is_some_and(|own| cgroup::of(&pid.to_string()) == Some(own))
    {
        // Gone is as good as killed.
        let _ = pidfd::send(process.as_fd(), Signal::KILL.number());
    }
}
