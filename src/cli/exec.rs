//! `podunit exec`: a further process in a running member.

use super::target::Target;
use super::{member, output};
use crate::member::attached::{self, Streams};
use crate::member::environment::{self, Environment};
use crate::member::executable::{self, Found};
use crate::member::oci::{ConsoleSize, Process};
use crate::member::process::{self, Wanted};
use crate::member::{Member, inside, main_process, rootfs, user};
use crate::model::{MemberName, Paths, PodName};
use crate::sys::cgroup;
use crate::sys::file::read_text;
use crate::sys::tree::Tree;
use crate::systemd::scope::{self, Scope};
use anyhow::{Context, anyhow, bail};
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

/// podunit itself could not do what was asked; Podman's number.
const FAILURE: u8 = 125;
/// The program is there and cannot be run, as in a shell.
const CANNOT_RUN: u8 = 126;
/// There is no such program, as in a shell.
const NOT_FOUND: u8 = 127;

/// Largest file of variables that is read, in bytes.
const LARGEST_ENV_FILE: u64 = 1 << 20;

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
    /// Set variables from lines NAME=VALUE of a file; what -e sets goes before them
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Run as this user and group of the container, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Run in this folder of the container
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    /// The member
    #[arg(value_name = "POD/MEMBER", value_parser = with_member)]
    target: String,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// The text has a member in it; which, is looked for later.
fn with_member(text: &str) -> Result<String, String> {
    match text.contains('/') {
        true => Ok(text.to_owned()),
        false => Err("write POD/MEMBER, such as web/nginx".to_owned()),
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
    let target = Target::find(&arguments.target, paths)?;
    let name = target
        .member
        .as_ref()
        .context("write POD/MEMBER, such as web/nginx")?;
    let member = member::find(paths, &target.pod, name)?;
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
                "there is no program `{program}` in {}/{name}",
                target.pod.name
            ));
            return Ok(NOT_FOUND);
        }
        Found::NotExecutable => {
            output::error(&anyhow!(
                "`{program}` in {}/{name} is not a program",
                target.pod.name
            ));
            return Ok(CANNOT_RUN);
        }
    }
    enter_scope(member)?;
    let streams = Streams {
        input: arguments.interactive || arguments.tty,
        terminal: arguments.tty,
    };
    let status = attached::run(member, &runtime, &process, streams)?;
    Ok(exit_status(status))
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
        "{pod}/{name} is frozen, and so would be the command; `podunit thaw {pod}` lets the pod go on"
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
    for file in &arguments.env_file {
        let text = read_text(file, LARGEST_ENV_FILE);
        let text = text.with_context(|| format!("--env-file={}", file.display()))?;
        environment.extend(environment::parse_file(&text));
    }
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
        console_size: arguments.tty.then(terminal_size).flatten(),
    })
}

/// The size of our terminal, if it has one: a terminal that nobody looks at has none.
fn terminal_size() -> Option<ConsoleSize> {
    let size = rustix::termios::tcgetwinsize(io::stdin()).ok()?;
    let (height, width) = (size.ws_row, size.ws_col);
    (height > 0 && width > 0).then_some(ConsoleSize { height, width })
}

/// The scope of a command in a member; `random` tells it from others.
pub(super) fn scope_name(pod: &PodName, member: &MemberName, random: &str) -> String {
    // A scope has no instances.
    format!("podunit-exec-{pod}-{member}-{random}.scope").replace('@', "\\x40")
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
        name: &scope_name(pod, name, random),
        description: &format!("podunit exec {pod}/{name}"),
        slice: &pod.slice(),
        bound_to: &pod.infra_unit(),
        stop_timeout: STOP_TIMEOUT,
    }));
    entered.with_context(|| format!("systemd does not let the command into the pod `{pod}`"))
}

fn exit_status(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILURE)
}
