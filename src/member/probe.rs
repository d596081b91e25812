//! A check of a probe that is a command in the container. It runs in a service of its own, which systemd ends in time.

use super::executable::{self, Found};
use super::process::{self, Wanted};
use super::runtime::Runtime;
use super::{Error, Member, environment, expand, inside};
use crate::model::Check;
use crate::model::probe::Checked;
use crate::sys::pidfd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};

/// How much of what the command writes is kept.
const KEPT: usize = 4 * 1024;
/// Longest line that is passed on, in characters.
const LONGEST: usize = 200;
/// How much is read at once, and how often at most once the command has ended: what it has started may go on writing,
/// and more than this a pipe does not hold (pipe(7)).
const CHUNK: usize = 8 * 1024;
const LAST_CHUNKS: usize = 8;

/// Makes the check.
pub fn check(member: Member<'_>, runtime: &Runtime, check: &Check) -> Checked {
    run(member, runtime, check)
        .unwrap_or_else(|error| Checked::Unknown(format!("{:#}", anyhow::Error::from(error))))
}

fn run(member: Member<'_>, runtime: &Runtime, check: &Check) -> Result<Checked, Error> {
    let Some((own, root)) = inside::look(member)? else {
        return Ok(Checked::Unknown("it does not run".to_owned()));
    };
    let wanted = Wanted {
        arguments: arguments(member, check)?,
        ..Wanted::default()
    };
    let process = process::beside(own, wanted);
    let environment = environment::Environment::from_lines(&process.env);
    let path = environment.get("PATH").unwrap_or_default();
    let program = process.args.first().map(String::as_str).unwrap_or_default();
    match executable::find(&root, program, path, &process.cwd) {
        Found::Program => {}
        Found::Nothing => return Ok(Checked::Failed(format!("there is no program `{program}` in it"))),
        Found::NotExecutable => return Ok(Checked::Failed(format!("`{program}` in it is not a program"))),
    }
    let (status, said) = start(member, runtime, &process).map_err(Error::file("run", runtime.name()))?;
    Ok(match status.success() {
        true => Checked::Passed,
        false => Checked::Failed(words(status, &said)),
    })
}

/// Program and arguments. `%` is expanded as in all that a definition says; `$` is the container's own shell's, but
/// for `$$`, by which files for Quadlet have to write it.
fn arguments(member: Member<'_>, check: &Check) -> Result<Vec<String>, Error> {
    let specifiers = member.specifiers();
    let expand = |word: &String| Ok(expand(&specifiers, "a probe", word)?.replace("$$", "$"));
    Ok(match check {
        Check::Exec(words) => words.iter().map(expand).collect::<Result<_, _>>()?,
        Check::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), expand(line)?],
        Check::Tcp(_) | Check::Http(_) | Check::Unix(_) => Vec::new(),
    })
}

fn start(
    member: Member<'_>,
    runtime: &Runtime,
    process: &super::oci::Process,
) -> io::Result<(ExitStatus, Said)> {
    let description = inside::describe(process)?;
    let (from, to) = io::pipe()?;
    let mut command = inside::command(member, runtime, &description);
    command.stdin(Stdio::null()).stdout(to.try_clone()?).stderr(to);
    let mut child = command.spawn()?;
    // With it our own ends of the pipe go.
    drop(command);
    let said = listen(from, &child)?;
    Ok((child.wait()?, said))
}

/// What a command has written: the beginning of it, and how much more there was.
#[derive(Debug, Default)]
struct Said {
    kept: Vec<u8>,
    more: usize,
}

/// Reads what a process and those that it has started write, until it has ended.
fn listen(mut from: PipeReader, child: &Child) -> io::Result<Said> {
    let process: OwnedFd = pidfd::open(i32::try_from(child.id()).map_err(io::Error::other)?)?;
    rustix::io::ioctl_fionbio(&from, true)?;
    let mut said = Said::default();
    let mut is_open = true;
    loop {
        let mut fds = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        if is_open {
            fds.push(PollFd::new(from.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            result => result?,
        };
        let has_ended = fds[0].any().unwrap_or_default();
        for _ in 0..if has_ended { LAST_CHUNKS } else { 1 } {
            is_open = is_open && said.read(&mut from)?;
        }
        if has_ended {
            return Ok(said);
        }
    }
}

impl Said {
    /// Reads what is there; returns whether more can come.
    fn read(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        let length = match from.read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(length) => length,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let fits = length.min(KEPT - self.kept.len());
        self.kept.extend_from_slice(&chunk[..fits]);
        self.more += length - fits;
        Ok(true)
    }
}

/// How a command ended, with the last line that it wrote, made harmless.
fn words(status: ExitStatus, said: &Said) -> String {
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("the runtime was killed by signal {signal}"),
        (None, None) => status.to_string(),
    };
    let text = String::from_utf8_lossy(&said.kept);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    let line: String = line
        .unwrap_or_default()
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let more = match said.more {
        0 => String::new(),
        more => format!(" (and {more} bytes more)"),
    };
    match line.as_str() {
        "" => ended,
        line => format!("{ended}, {line}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn run(script: &str) -> (ExitStatus, Said) {
        let (from, to) = io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdout(to.try_clone().unwrap())
            .stderr(to);
        let mut child = command.spawn().unwrap();
        drop(command);
        let said = listen(from, &child).unwrap();
        (child.wait().unwrap(), said)
    }

    #[test]
    fn the_last_line_is_told_and_is_harmless() {
        let (status, said) = run(r"echo one; printf '\033[31mtwo\n\n' >&2; exit 3");
        assert_eq!(words(status, &said), "exit status 3, \u{fffd}[31mtwo");
        let (status, said) = run("exit 1");
        assert_eq!(words(status, &said), "exit status 1");
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let (status, said) = run("head -c 1000000 /dev/zero; exit 1");
        assert_eq!((said.kept.len(), said.kept.len() + said.more), (KEPT, 1_000_000));
        assert!(words(status, &said).ends_with(&format!("(and {} bytes more)", said.more)));
    }

    #[test]
    fn what_a_command_leaves_behind_does_not_hold_it_up() {
        let (status, said) = run("(trap '' HUP; while :; do echo more; done) & echo $$; exit 1");
        assert_eq!(status.code(), Some(1));
        assert!(said.kept.len() <= KEPT);
    }
}
