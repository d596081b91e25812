//! A further process in a container, attached to the streams, the terminal and the signals of whoever asked for it
//! (`podunit exec`).

use super::oci::Process;
use super::runtime::Runtime;
use super::{Member, inside};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

/// What of ours the process gets, besides standard output and error.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// Standard input.
    pub input: bool,
    /// A terminal of its own, which the runtime copies to and from ours: its size follows ours.
    pub terminal: bool,
}

/// Runs the process in the member's container and returns how the runtime ended, which is as the process did.
///
/// What is no terminal is handed on through pipes: the runtime gives the files it is started with to the container's
/// user, and standard input may well be `/etc/shadow`.
///
/// # Errors
/// The runtime cannot be run.
pub fn run(
    member: Member<'_>,
    runtime: &Runtime,
    process: &Process,
    streams: Streams,
) -> io::Result<ExitStatus> {
    let description = inside::describe(process)?;
    // Before any thread is made, so that all of them leave the signals to the loop below.
    let signals = forwarded_signals();
    signals.thread_block()?;

    let mut command = inside::command(member, runtime, &description);
    // The runtime sets it back as well, unless it is killed.
    let before = tcgetattr(io::stdin()).ok().filter(|_| streams.terminal);
    let ended = attach(&mut command, streams, &signals);
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &before);
    }
    ended
}

fn attach(command: &mut Command, streams: Streams, signals: &SigSet) -> io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    // Only the runtime may hold our terminal, and only to copy between it and the one that it makes for the program:
    // a program of the container that held it could read what is typed next.
    let hand_on = |terminal: bool| {
        if streams.terminal && terminal {
            Stdio::inherit()
        } else {
            Stdio::piped()
        }
    };
    command.stdin(match streams.input || streams.terminal {
        true => hand_on(stdin.is_terminal()),
        false => Stdio::null(),
    });
    command.stdout(hand_on(stdout.is_terminal()));
    command.stderr(hand_on(stderr.is_terminal()));
    let mut child = command.spawn()?;

    if let Some(to) = child.stdin.take() {
        let from = copy(stdin.as_fd())?;
        // Left alone at the end: it may wait for input that never comes.
        thread::spawn(move || relay(from, OwnedFd::from(to).into()));
    }
    let mut outputs = Vec::new();
    if let Some(from) = child.stdout.take() {
        outputs.push((File::from(OwnedFd::from(from)), copy(stdout.as_fd())?));
    }
    if let Some(from) = child.stderr.take() {
        outputs.push((File::from(OwnedFd::from(from)), copy(stderr.as_fd())?));
    }
    let outputs: Vec<_> = outputs
        .into_iter()
        .map(|(from, to)| thread::spawn(move || relay(from, to)))
        .collect();
    let status = wait(&mut child, signals)?;
    for output in outputs {
        // A relay has nothing to report: the reader went away, or the process ended.
        let _ = output.join();
    }
    Ok(status)
}

fn copy(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(stream.try_clone_to_owned()?))
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

/// Signals that end or steer a command, and the one that says it has ended. A change of the window's size goes from the
/// terminal to the runtime, as long as that holds it.
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
fn wait(child: &mut Child, signals: &SigSet) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let pid = pid.map_err(io::Error::other)?;
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
