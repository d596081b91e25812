//! `podunit exec`: a further process in a running member.

use super::{member, output};
use crate::compiled;
use crate::member::environment::Environment;
use crate::member::executable::{self, Found};
use crate::member::oci::Process;
use crate::member::process::{self, Wanted};
use crate::member::runtime::Runtime;
use crate::member::{Member, inside, main_process, rootfs, user};
use crate::model::{MemberName, Paths, PodName};
use crate::sys::cgroup;
use crate::sys::tree::Tree;
use crate::systemd::scope::{self, Scope};
use anyhow::{Context, anyhow, bail};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread;

/// podunit itself could not do what was asked; Podman's number.
const FAILURE: u8 = 125;
/// The program is there and cannot be run, as in a shell.
const CANNOT_RUN: u8 = 126;
/// There is no such program, as in a shell.
const NOT_FOUND: u8 = 127;

/// How long processes left in the scope may take to end when the pod stops, in microseconds.
const STOP_TIMEOUT: u64 = 2_000_000;

const EXAMPLES: &str = "\
Examples:
  podunit exec my-shared-pod/busybox-client ps aux
  podunit exec -it my-shared-pod/nginx-server sh
  podunit exec -u 0 -e TERM my-shared-pod/nginx-server nginx -t
  podunit exec -i my-shared-pod/nginx-server sh < script

Exit status: the command's own; 128 and the signal's number if a signal ended
it; 127 if there is no such program in the container, 126 if it cannot be run,
125 if podunit failed; 2 if the command line makes no sense.";

/// Runs a command in a running member.
///
/// The command runs under the pod's limits and ends with the pod at the latest. The exit status is the command's own,
/// or one from 125 on where it has none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pass standard input on to the command
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal, and the keyboard with it
    #[arg(short, long)]
    tty: bool,
    /// Set a variable of the command's environment; a name alone takes the value it has here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Run as this user and group of the container, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Run in this folder of the container
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    /// The member
    #[arg(value_name = "POD/MEMBER")]
    target: Target,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// `POD/MEMBER`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    pod: PodName,
    member: MemberName,
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (pod, member) = text
            .split_once('/')
            .ok_or("write POD/MEMBER, such as web/nginx")?;
        let pod = pod.parse().map_err(|error| format!("the pod: {error}"))?;
        let member = member.parse().map_err(|error| format!("the member: {error}"))?;
        Ok(Self { pod, member })
    }
}

/// Runs the command.
///
/// # Errors
/// None: what keeps the command from running is printed, and has an exit status of its own.
pub fn run(arguments: &Arguments, paths: &Paths) -> anyhow::Result<ExitCode> {
    let status = exec(arguments, paths).unwrap_or_else(|error| {
        output::error(&error);
        FAILURE
    });
    Ok(ExitCode::from(status))
}

fn exec(arguments: &Arguments, paths: &Paths) -> anyhow::Result<u8> {
    let target = &arguments.target;
    let pod = compiled::running(paths, &target.pod)?;
    let member = member::find(paths, &pod, &target.member)?;
    let runtime = member::runtime(paths)?;
    if arguments.tty && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        bail!("-t needs a terminal, and standard input or output is none; leave -t out");
    }

    let (own, root) = running(member)?;
    let process = process::beside(own, wanted(arguments, &root)?);
    let environment = Environment::from_lines(&process.env);
    let path = environment.get("PATH").unwrap_or_default();
    let program = process.args.first().map(String::as_str).unwrap_or_default();
    match executable::find(&root, program, path, &process.cwd) {
        Found::Program => {}
        Found::Nothing => {
            output::error(&anyhow!(
                "there is no program `{program}` in {}/{}",
                target.pod,
                target.member
            ));
            return Ok(NOT_FOUND);
        }
        Found::NotExecutable => {
            output::error(&anyhow!(
                "`{program}` in {}/{} is not a program",
                target.pod,
                target.member
            ));
            return Ok(CANNOT_RUN);
        }
    }
    enter_scope(member)?;
    run_process(member, &runtime, &process, arguments)
}

/// The member's own process as it was described to the runtime, and the root file system it sees.
fn running(member: Member<'_>) -> anyhow::Result<(Process, Tree)> {
    let (pod, name) = (&member.pod.name, &member.container.name);
    let found = inside::look(member).with_context(|| format!("cannot see how {pod}/{name} was started"))?;
    let found = found.with_context(|| {
        format!(
            "{pod}/{name} does not run; `systemctl start {}` starts it",
            pod.unit()
        )
    })?;
    let pid = main_process::read_pid(&member.member_paths().pid_file())?;
    anyhow::ensure!(
        !pid.is_some_and(cgroup::is_frozen),
        "{pod}/{name} is frozen; `podunit thaw {pod}` lets the pod go on"
    );
    Ok(found)
}

fn wanted(arguments: &Arguments, root: &Tree) -> anyhow::Result<Wanted> {
    let user = match &arguments.user {
        Some(text) => {
            let (passwd, group) = rootfs::read_accounts(root)?;
            Some(user::resolve(text, &passwd, &group)?)
        }
        None => None,
    };
    if let Some(folder) = arguments
        .workdir
        .as_deref()
        .filter(|folder| !folder.starts_with('/'))
    {
        bail!("--workdir={folder}: write an absolute path in the container");
    }
    let mut environment = Vec::new();
    for variable in &arguments.env {
        match variable.split_once('=') {
            Some(("", _)) => bail!("--env={variable}: write NAME=VALUE"),
            Some((name, value)) => environment.push((name.to_owned(), value.to_owned())),
            None => environment.extend(
                std::env::var(variable)
                    .ok()
                    .map(|value| (variable.clone(), value)),
            ),
        }
    }
    Ok(Wanted {
        arguments: arguments.command.clone(),
        environment,
        user,
        working_dir: arguments.workdir.clone(),
        terminal: arguments.tty,
    })
}

/// Puts this process into a scope in the pod's slice, bound to its infra unit: nothing that is started from here
/// escapes the pod's limits or outlives it.
fn enter_scope(member: Member<'_>) -> anyhow::Result<()> {
    let (pod, name) = (&member.pod.name, &member.container.name);
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").context("cannot name a scope")?;
    let random = random.split('-').next().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = runtime.block_on(scope::enter(Scope {
        name: &format!("podunit-exec-{pod}-{name}-{random}.scope"),
        description: &format!("podunit exec {pod}/{name}"),
        slice: &pod.slice(),
        bound_to: &pod.infra_unit(),
        stop_timeout: STOP_TIMEOUT,
    }));
    entered.with_context(|| format!("systemd does not let the command into the pod `{pod}`"))
}

/// Runs the process with the runtime and gives its exit status.
///
/// What is no terminal is handed on through pipes: the runtime gives the files it is started with to the container's
/// user, and standard input may well be `/etc/shadow`.
fn run_process(
    member: Member<'_>,
    runtime: &Runtime,
    process: &Process,
    arguments: &Arguments,
) -> anyhow::Result<u8> {
    let description = inside::describe(process)?;
    // Before any thread is made, so that all of them leave the signals to the loop below.
    let signals = forwarded_signals();
    signals.thread_block()?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let input = arguments.interactive || arguments.tty;
    let mut command = inside::command(member, runtime, &description);
    // Only the runtime may hold our terminal, and only to copy between it and the one that it makes for the program:
    // a program of the container that held it could read what is typed next.
    let hand_on = |terminal: bool| {
        if arguments.tty && terminal {
            Stdio::inherit()
        } else {
            Stdio::piped()
        }
    };
    command.stdin(if input {
        hand_on(stdin.is_terminal())
    } else {
        Stdio::null()
    });
    command.stdout(hand_on(stdout.is_terminal()));
    command.stderr(hand_on(stderr.is_terminal()));
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", runtime.name()))?;

    if let Some(to) = child.stdin.take() {
        let from = File::from(stdin.as_fd().try_clone_to_owned()?);
        // Left alone at the end: it may wait for input that never comes.
        thread::spawn(move || relay(from, OwnedFd::from(to).into()));
    }
    let mut outputs = Vec::new();
    if let Some(from) = child.stdout.take() {
        outputs.push((
            File::from(OwnedFd::from(from)),
            File::from(stdout.as_fd().try_clone_to_owned()?),
        ));
    }
    if let Some(from) = child.stderr.take() {
        outputs.push((
            File::from(OwnedFd::from(from)),
            File::from(stderr.as_fd().try_clone_to_owned()?),
        ));
    }
    let outputs: Vec<_> = outputs
        .into_iter()
        .map(|(from, to)| thread::spawn(move || relay(from, to)))
        .collect();
    let status = wait(&mut child, &signals)?;
    for output in outputs {
        // A relay has nothing to report: the reader went away, or the process ended.
        let _ = output.join();
    }
    Ok(exit_status(status))
}

fn relay(mut from: File, mut to: File) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if to.write_all(&buffer[..length]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Closing both ends tells either side.
            _ => return,
        }
    }
}

/// Signals that end or steer a command, and the one that says it has ended.
fn forwarded_signals() -> SigSet {
    [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ]
    .into_iter()
    .collect()
}

/// Waits for the runtime, which hands on what it is sent.
fn wait(child: &mut Child, signals: &SigSet) -> anyhow::Result<ExitStatus> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    // From a keyboard these go to the runtime as well as to us.
    let has_terminal = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match signals.wait()? {
            Signal::SIGCHLD => {}
            Signal::SIGINT | Signal::SIGQUIT if has_terminal => {}
            signal => kill(pid, signal)?,
        }
    }
}

fn exit_status(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILURE)
}
