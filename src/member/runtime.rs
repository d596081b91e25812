//! The OCI runtime: crun, or what takes its place. Its calls are short, its errors become ours.

use super::Error;
use super::output::Output;
use crate::sys::process::sealed_copy;
use std::env::split_paths;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Where the runtime and the programs it may call are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runtimes that always put a container into a cgroup of their own making: its process would not be in its unit.
const WITHOUT_DISABLED: [&str; 3] = ["runc", "youki", "runsc"];

/// Longest message of the runtime that is passed on, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// A runtime and the folder where it keeps the state of containers.
#[derive(Debug)]
pub struct Runtime {
    program: PathBuf,
    state: PathBuf,
    copy: Option<OwnedFd>,
}

impl Runtime {
    /// The runtime `program` with its state in `state`.
    ///
    /// # Errors
    /// A runtime that cannot leave a process in the cgroup it was started in.
    pub fn new(program: &Path, state: &Path) -> Result<Self, Error> {
        let name = program.file_name().unwrap_or_default();
        if WITHOUT_DISABLED.iter().any(|known| name == *known) {
            return Err(Error::RuntimeProgram {
                program: program.to_owned(),
                reason: "this runtime always makes a cgroup of its own, so that systemd would lose the container; \
                         use crun"
                    .to_owned(),
            });
        }
        Ok(Self {
            program: program.to_owned(),
            state: state.to_owned(),
            copy: None,
        })
    }

    /// The same, for several calls: they run a sealed copy in memory. Each call of crun makes one of itself otherwise,
    /// and begins again in it, lest a container write to its program (CVE-2019-5736).
    pub fn in_memory(self) -> Self {
        let found = split_paths(PATH).map(|dir| dir.join(&self.program));
        let program = found.map(File::open).find_map(Result::ok);
        let copy = program.and_then(|program| copy_of(program).ok().flatten());
        Self { copy, ..self }
    }

    /// The program, as it is called in messages.
    pub fn name(&self) -> String {
        self.program.display().to_string()
    }

    /// A command of the runtime, without its arguments. It has nothing of our environment: above all no
    /// `NOTIFY_SOCKET`, which would make crun stay and speak for the payload.
    pub fn command(&self) -> Command {
        let mut command = match &self.copy {
            Some(copy) => Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd())),
            None => Command::new(&self.program),
        };
        command.arg0(&self.program).env_clear().env("PATH", PATH);
        command
            .arg("--cgroup-manager=disabled")
            .arg("--root")
            .arg(&self.state);
        command
    }

    /// Makes the container and holds its process before its program starts.
    ///
    /// # Errors
    /// What the runtime says.
    pub fn create(&self, id: &str, bundle: &Path, pid_file: &Path, output: Output) -> Result<(), Error> {
        // Standard error is the container's, so the runtime's own words go elsewhere.
        let log = bundle.join("log");
        let mut logging = std::ffi::OsString::from("--log=file:");
        logging.push(&log);
        let mut command = self.command();
        command
            .arg(logging)
            .arg("create")
            .arg("--bundle")
            .arg(bundle)
            .arg("--pid-file")
            .arg(pid_file);
        command.arg(id);
        command
            .stdin(Stdio::null())
            .stdout(output.stdout)
            .stderr(output.stderr);
        let status = command.status().map_err(|error| self.cannot_run(&error))?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(&log).unwrap_or_default();
        Err(self.failed("create", status, &said))
    }

    /// Lets the process of the container start its program.
    ///
    /// # Errors
    /// What the runtime says.
    pub fn start(&self, id: &str) -> Result<(), Error> {
        let mut command = self.command();
        let output = command.arg("start").arg(id).stdin(Stdio::null()).output();
        let output = output.map_err(|error| self.cannot_run(&error))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(self.failed("start", output.status, &output.stderr))
        }
    }

    fn cannot_run(&self, error: &io::Error) -> Error {
        let reason = if error.kind() == io::ErrorKind::NotFound {
            "there is no such program; install crun, or name the runtime that is there".to_owned()
        } else {
            error.to_string()
        };
        Error::RuntimeProgram {
            program: self.program.clone(),
            reason,
        }
    }

    fn failed(&self, step: &'static str, status: ExitStatus, said: &[u8]) -> Error {
        let message = message(said);
        let message = if message.is_empty() {
            status.to_string()
        } else {
            message
        };
        Error::Runtime {
            program: self.name(),
            step,
            message,
        }
    }
}

/// A copy of a program. None of a script: whoever runs that opens it once more.
fn copy_of(mut program: File) -> io::Result<Option<OwnedFd>> {
    let mut magic = [0; 4];
    program.read_exact(&mut magic)?;
    program.rewind()?;
    (magic == *b"\x7fELF").then(|| sealed_copy(program)).transpose()
}

/// What a runtime said, as one line that can be shown: it quotes names from images.
fn message(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let shown = lines.join("; ");
    shown
        .chars()
        .take(LONGEST_MESSAGE)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_would_hide_the_process_is_refused() {
        let state = Path::new("/nowhere");
        assert!(Runtime::new(Path::new("/usr/bin/runc"), state).is_err());
        assert!(Runtime::new(Path::new("crun"), state).is_ok());
    }

    #[test]
    fn messages_are_one_line_and_harmless() {
        assert_eq!(message(b"a\n\n b \x1b[31m\xff\n"), "a; b \u{fffd}[31m\u{fffd}");
        assert_eq!(message(&[b'x'; 5000]).len(), LONGEST_MESSAGE);
    }

    #[test]
    fn a_runtime_that_is_not_there_says_so() {
        let runtime = Runtime::new(Path::new("/no/such/program"), Path::new("/nowhere")).unwrap();
        let error = runtime.start("a").unwrap_err().to_string();
        assert!(error.contains("install crun"), "{error}");
    }
}
