//! Calling netavark (netavark(1)), which connects a network namespace to a bridge and publishes ports.
//!
//! Two at once would both make the bridge, so they take turns. One that was killed leaves half a bridge or half a
//! set of rules, and netavark never mends what it finds: whoever has the next turn takes it down first.

use super::options::Options;
use super::{NetworkError, bridge, file};
use crate::model::{Paths, PodName};
use crate::sys::descriptor;
use crate::sys::file::{lock, replace};
use crate::sys::namespace::{self, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::Deserialize;
use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How long netavark may take. It needs a tenth of a second.
const TIMEOUT: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};
/// How long each step of undoing may take, when it has failed before.
const TIMEOUT_OF_REPAIR: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Finds the program.
pub(super) fn find(paths: &Paths) -> Result<PathBuf, NetworkError> {
    find_program(paths.netavark(), "netavark").ok_or(NetworkError::NoNetavark)
}

/// Finds the program that answers for names.
pub(super) fn find_aardvark(paths: &Paths) -> Option<PathBuf> {
    find_program(paths.aardvark(), "aardvark-dns")
}

fn find_program(usual: [PathBuf; 2], name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let by_path = env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name));
    usual.into_iter().chain(by_path).find(|file| file.is_file())
}

/// Becomes aardvark-dns, which netavark starts by the name of [`Paths::name_server`]. It stays as long as there are
/// names on any network, and must not hold what netavark has from us: the lock that is its turn.
///
/// # Errors
/// Why not.
pub fn answer_for_names(paths: &Paths, arguments: &[OsString]) -> io::Error {
    let Some(program) = find_aardvark(paths) else {
        return io::Error::new(io::ErrorKind::NotFound, "aardvark-dns is not installed");
    };
    if let Err(error) = descriptor::close_inherited() {
        return error;
    }
    Command::new(program).args(arguments).exec()
}

/// Connects the pod's network namespace, `ns/net`. What was asked for is kept in `network.json`, also after a
/// failure: [`teardown`] goes by it.
pub(super) fn setup(
    program: &Path,
    paths: &Paths,
    pod: &PodName,
    options: &Options,
) -> Result<(), NetworkError> {
    let path = paths.pod(pod).network();
    let json = serde_json::to_vec(options).map_err(io::Error::from);
    file(&path, json.and_then(|json| replace(&path, &json, 0o600)))?;
    let turn = Turn::take(program, paths, pod)?;
    turn.retire_bridge(options);
    turn.begin(pod)?;
    turn.run("setup", &path, &pin(paths, pod), &TIMEOUT)?;
    for (bridge, address) in options.on_bridges() {
        // Most often there is nothing to forget.
        let _ = bridge::forget(bridge, address);
    }
    turn.keep_bridge(options);
    turn.end()
}

/// Undoes [`setup`], however far it came. Without `network.json` there is nothing to undo. It stays only where
/// another try may help.
pub(super) fn teardown(paths: &Paths, pod: &PodName) -> Result<(), NetworkError> {
    let path = paths.pod(pod).network();
    if !path.exists() {
        return Ok(());
    }
    let program = find(paths)?;
    let turn = Turn::take(&program, paths, pod)?;
    turn.begin(pod)?;
    let undone = match turn.undo(pod) {
        Err(Failure::Timeout(error)) => return Err(error),
        Err(Failure::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    turn.end()?;
    file(&path, fs::remove_file(&path))?;
    undone
}

/// Where the pod's network namespace is pinned.
pub(super) fn pin(paths: &Paths, pod: &PodName) -> PathBuf {
    paths.pod(pod).namespaces().join(Kind::Net.file())
}

/// The right to call netavark, which one process has at a time.
struct Turn<'a> {
    program: &'a Path,
    paths: &'a Paths,
    /// netavark and its children hold it too: when this process is killed, the turn ends with the last of them.
    _lock: File,
}

impl<'a> Turn<'a> {
    /// Waits for the turn, and undoes what the one before left unfinished, unless it was for `pod` itself.
    fn take(program: &'a Path, paths: &'a Paths, pod: &PodName) -> Result<Self, NetworkError> {
        let state = paths.run_network().join("netavark");
        file(
            &state,
            DirBuilder::new().recursive(true).mode(0o700).create(&state),
        )?;
        let path = paths.run_network().join("netavark.lock");
        let lock = file(&path, lock(&path))?;
        file(
            &path,
            rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).map_err(Into::into),
        )?;
        let turn = Self {
            program,
            paths,
            _lock: lock,
        };
        let unfinished = fs::read_to_string(turn.unfinished())
            .ok()
            .and_then(|name| PodName::new(name).ok());
        if let Some(other) = unfinished.filter(|other| other != pod) {
            if paths.pod(&other).network().exists() {
                // It is the other pod's failure, and its own `infra clean` says so.
                let _ = turn.undo(&other);
            }
            turn.end()?;
        }
        Ok(turn)
    }

    /// Where the name of the pod stands for which netavark runs.
    fn unfinished(&self) -> PathBuf {
        self.paths.run_network().join("netavark.unfinished")
    }

    fn begin(&self, pod: &PodName) -> Result<(), NetworkError> {
        let path = self.unfinished();
        file(&path, replace(&path, pod.as_str().as_bytes(), 0o600))
    }

    fn end(&self) -> Result<(), NetworkError> {
        match fs::remove_file(self.unfinished()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => file(self.unfinished(), result),
        }
    }

    /// Tears down, whether setup was finished or not.
    fn undo(&self, pod: &PodName) -> Result<(), Failure> {
        let options = self.paths.pod(pod).network();
        match self.run("teardown", &options, &pin(self.paths, pod), &TIMEOUT) {
            // netavark does not take back what it finds half done, or whose namespace is gone: the bridge stays, or
            // the rules.
            Err(Failure::Error(_)) => self.redo_and_undo(&options),
            // Done, or another try would hang as well.
            result => result,
        }
    }

    /// Does everything anew for a namespace that nobody uses, and takes it back in full.
    fn redo_and_undo(&self, options: &Path) -> Result<(), Failure> {
        let other = namespace::in_new(&[Kind::Net], || namespace::current(Kind::Net));
        let other = other.map_err(|error| self.failed("teardown", &error))?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), other.as_raw_fd()));
        let _ = self.run("setup", options, &path, &TIMEOUT_OF_REPAIR);
        self.run("teardown", options, &path, &TIMEOUT_OF_REPAIR)
    }

    /// Where it stands of which network the bridge is that is kept.
    fn kept(&self) -> PathBuf {
        self.paths.run_network().join("bridge.json")
    }

    /// Keeps the default bridge when the last pod leaves it. Without success it goes with that pod, and nobody is the
    /// worse.
    fn keep_bridge(&self, options: &Options) {
        let Some(bridge) = options.default_bridge() else {
            return;
        };
        if !self.kept().exists() {
            let json = serde_json::to_vec(&options.network_alone()).map_err(io::Error::from);
            if json.and_then(|json| replace(&self.kept(), &json, 0o600)).is_err() {
                return;
            }
        }
        let _ = bridge::keep(bridge);
    }

    /// Lets go of a bridge that was kept and is of other settings than the pod's: it goes, with the last pod that is
    /// on it.
    fn retire_bridge(&self, options: &Options) {
        if options.default_bridge().is_none() {
            return;
        }
        let kept = fs::read(self.kept()).ok();
        let kept: Option<Options> = kept.and_then(|json| serde_json::from_slice(&json).ok());
        if kept.is_some_and(|kept| !kept.is_of_network_of(options)) {
            // What cannot be taken down is in nobody's way.
            let _ = bridge::let_go();
            let _ = self.redo_and_undo(&self.kept());
            let _ = fs::remove_file(self.kept());
        }
    }

    fn error(&self, step: &'static str, message: String) -> NetworkError {
        NetworkError::Netavark {
            program: self.program.to_owned(),
            step,
            message,
        }
    }

    fn failed(&self, step: &'static str, error: &io::Error) -> Failure {
        Failure::Error(self.error(step, error.to_string()))
    }

    fn run(
        &self,
        step: &'static str,
        options: &Path,
        namespace: &Path,
        timeout: &Timespec,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| self.failed(step, &error);
        // Not a pipe: a program that netavark starts, and that stays, would keep us reading.
        let output =
            rustix::fs::memfd_create("netavark", MemfdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let mut output = File::from(output);
        let mut child = Command::new(self.program)
            .arg("--config")
            .arg(self.paths.run_network().join("netavark"))
            .arg("--file")
            .arg(options)
            .arg("--aardvark-binary")
            .arg(self.paths.name_server())
            .arg(step)
            .arg(namespace)
            .env_clear()
            // Where nft and iptables are.
            .env(
                "PATH",
                "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
            )
            // An administrator's choice of the firewall driver.
            .envs(env::var_os("NETAVARK_FW").map(|driver| ("NETAVARK_FW", driver)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output.try_clone().map_err(failed)?)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = Pid::from_child(&child);
        if !ends_in_time(pid, timeout).map_err(failed)? {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.wait();
            let message = format!("no answer in {} s; it was killed", timeout.tv_sec);
            return Err(Failure::Timeout(self.error(step, message)));
        }
        if child.wait().map_err(failed)?.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        output
            .rewind()
            .and_then(|()| output.take(16 << 10).read_to_end(&mut text))
            .map_err(failed)?;
        Err(Failure::Error(
            self.error(step, message(&String::from_utf8_lossy(&text))),
        ))
    }
}

/// How a call of netavark failed.
enum Failure {
    Error(NetworkError),
    Timeout(NetworkError),
}

impl From<Failure> for NetworkError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) | Failure::Timeout(error) => error,
        }
    }
}

fn ends_in_time(pid: Pid, timeout: &Timespec) -> io::Result<bool> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut wanted, Some(timeout)))? > 0)
}

/// netavark writes its error as JSON, and warnings before it.
fn message(output: &str) -> String {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
    }
    let error = output
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Answer>(line).ok());
    let text = error.map_or_else(|| output.trim().to_owned(), |answer| answer.error);
    // Some of it comes from elsewhere; one line, and nothing that a terminal would obey.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.is_empty() {
        "it failed without a word".to_owned()
    } else if text.contains("Exchange full") {
        // EXFULL, of which nobody would guess the meaning.
        format!("{text}: a bridge of Linux has 1,023 ports, and they are all taken")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_netavark_says_is_one_line() {
        assert_eq!(
            message("[WARN] x\n{\"error\":\"create bridge: File exists\"}\n"),
            "create bridge: File exists"
        );
        assert_eq!(
            message("thread panicked\nat \u{1b}[31m x\n"),
            "thread panicked at  [31m x"
        );
        assert!(message("{\"error\":\"Exchange full (os error 54)\"}").contains("1,023 ports"));
        assert_eq!(message(""), "it failed without a word");
    }
}
