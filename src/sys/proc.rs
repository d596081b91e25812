//! What the kernel says of one process (proc(5)). Its name and its arguments are the process's own words and may be
//! anything.

use super::pidfd;
use nix::unistd::{SysconfVar, sysconf};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number in the innermost PID namespace that it is in.
    pub inner_pid: i32,
    /// Its user (effective).
    pub uid: u32,
    /// Processor time that it has used.
    pub cpu: Duration,
    /// Since when it is there.
    pub age: Duration,
    /// Its memory that is resident, what it shares with others included, in bytes.
    pub memory: u64,
    /// Its arguments, with blanks between them; its name in brackets if it has none. Not made harmless.
    pub command: String,
}

/// Looks at the process that is held, whose number is `pid`.
///
/// # Errors
/// `ESRCH` if it has ended; the kernel does not tell.
pub fn look(held: BorrowedFd<'_>, pid: i32) -> io::Result<Process> {
    let read = |file| pidfd::read(held, pid, file);
    let (stat, status, arguments) = (read("stat")?, read("status")?, read("cmdline")?);
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(up.tv_sec.unsigned_abs(), u32::try_from(up.tv_nsec).unwrap_or(0));
    let ticks = sysconf(SysconfVar::CLK_TCK)?.and_then(|ticks| u64::try_from(ticks).ok());
    parse(&stat, &status, &arguments, ticks.unwrap_or(100), up)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}: the kernel says what is not understood")))
}

fn parse(stat: &str, status: &str, arguments: &str, ticks: u64, up: Duration) -> Option<Process> {
    // The name stands in parentheses, and may have some itself: what follows the last one is the kernel's.
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    // The first here is the third of proc_pid_stat(5).
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let time = |at: usize| {
        let count: u64 = fields.get(at - 3)?.parse().ok()?;
        Some(Duration::from_millis(count.checked_mul(1000)? / ticks))
    };
    // In `Name:`, which comes first, the kernel escapes the end of the line.
    let field = |key: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
    };
    let number = |text: Option<&str>| text?.parse::<u64>().ok();
    let uid = field("Uid")?.split_ascii_whitespace().nth(1);
    let inner_pid = field("NSpid").and_then(|pids| pids.split_ascii_whitespace().last());
    let memory = field("VmRSS").and_then(|size| size.split_ascii_whitespace().next());
    let command = arguments.trim_end_matches('\0').replace('\0', " ");
    Some(Process {
        inner_pid: number(inner_pid).and_then(|pid| i32::try_from(pid).ok())?,
        uid: number(uid).and_then(|uid| u32::try_from(uid).ok())?,
        cpu: time(14)? + time(15)?,
        age: up.saturating_sub(time(22)?),
        memory: number(memory).unwrap_or(0).saturating_mul(1024),
        command: match command.is_empty() {
            true => format!("[{name}]"),
            false => command,
        },
    })
}

/// Whether the process waits for something, or was stopped: it does not run, nor want to, nor wait for a disk, and has
/// not ended.
pub fn is_waiting(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, after)| after.trim_start().chars().next());
    matches!(state, Some('S' | 'T' | 't' | 'I'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn this_process_is_seen() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let held = pidfd::open(pid).unwrap();
        let own = look(held.as_fd(), pid).unwrap();
        assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
        assert!(own.memory > 0 && own.age < Duration::from_secs(3600), "{own:?}");
        assert!(own.command.contains("podunit"), "{own:?}");
    }

    #[test]
    fn one_that_waits_is_told_from_one_that_runs_or_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        while !is_waiting(child.id()) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        while is_waiting(child.id()) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_waiting(child.id()) && !is_waiting(0));
    }

    #[test]
    fn a_name_cannot_pass_for_something_else() {
        let stat = "7 (a) R 1 1 (b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1000 1 1";
        let status = "Name:\ta) R 1 1 (b\nUid:\t0\t33\t0\t0\nNSpid:\t7\t3\nVmRSS:\t    12 kB\n";
        let process = parse(stat, status, "", 100, Duration::from_secs(30)).unwrap();
        let expected = Process {
            inner_pid: 3,
            uid: 33,
            cpu: Duration::from_secs(3),
            age: Duration::from_secs(20),
            memory: 12 * 1024,
            command: "[a) R 1 1 (b]".to_owned(),
        };
        assert_eq!(process, expected);
        let process = parse(stat, status, "sh\0-c\0\0", 100, Duration::ZERO).unwrap();
        assert_eq!((process.command.as_str(), process.age), ("sh -c", Duration::ZERO));
        assert_eq!(parse("7", status, "", 100, Duration::ZERO), None);
    }
}
