//! Doing an operation.

use crate::operation::{Operation, Part, Verb};
use crate::pods::PODS;
use crate::process;
use crate::systemd::{self, Call};
use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Does it. A `systemctl` that waits for a unit is begun and not waited for.
pub fn act(operation: Operation) -> Result<Option<Call>> {
    match operation {
        Operation::Pod(pod, verb) => return begin(verb, &PODS[pod].unit()),
        Operation::Member(pod, at, verb) => return begin(verb, &member(pod, at)),
        Operation::Kill(pod, part) => {
            let unit = match part {
                Part::Member(at) => member(pod, at),
                Part::Infra => PODS[pod].infra_unit(),
                Part::Supervisor => PODS[pod].unit(),
            };
            if let Some(unit) = systemd::units(&[unit])?.into_values().next() {
                end(unit.main_process);
            }
        }
        Operation::KillLauncher(pod, at, after) => {
            let unit = member(pod, at);
            let call = Call::begin(&["restart", &unit])?;
            sleep(Duration::from_millis(after));
            let group = Path::new("/sys/fs/cgroup/pods.slice")
                .join(PODS[pod].slice())
                .join(unit);
            process::in_cgroup(&group)
                .into_iter()
                .filter(|pid| process::is_named(*pid, "podunit"))
                .for_each(end);
            return Ok(Some(call));
        }
        Operation::DaemonReload => at_once(&["daemon-reload"])?,
        Operation::DaemonReexec => at_once(&["daemon-reexec"])?,
        Operation::RestartBus => at_once(&["restart", "dbus"])?,
        // Of what is not there, or has a job, systemd refuses it.
        Operation::Freeze(pod) => at_once(&["freeze", &PODS[pod].slice()])?,
        Operation::Thaw(pod) => at_once(&["thaw", &PODS[pod].slice()])?,
        Operation::Edit(pod, form) => PODS[pod].write(form)?,
    }
    Ok(None)
}

fn begin(verb: Verb, unit: &str) -> Result<Option<Call>> {
    Call::begin(&[verb.word(), unit]).map(Some)
}

/// `systemctl ARGUMENTS` to its end, whatever that is.
fn at_once(arguments: &[&str]) -> Result<()> {
    let mut call = Call::begin(arguments)?;
    if !call.ends_within(Duration::from_secs(2))? {
        thaw_all();
    }
    call.end().map(drop)
}

/// Thaws all pods without systemd: what it (since 254) starts in a frozen cgroup, as infra's `ExecStopPost=`, never
/// runs, and it waits for that for ever.
pub fn thaw_all() {
    for pod in &PODS {
        let group = Path::new("/sys/fs/cgroup/pods.slice").join(pod.slice());
        // It may have gone.
        let _ = std::fs::write(group.join("cgroup.freeze"), "0");
    }
}

fn member(pod: usize, at: usize) -> String {
    PODS[pod].member_unit(PODS[pod].members[at])
}

/// SIGKILL, unless there is no such process any more.
fn end(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
