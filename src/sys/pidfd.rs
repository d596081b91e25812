//! Processes held by a file descriptor, so that a number that is used again never means another process.
#![allow(unsafe_code)]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Signals that the C library keeps for itself.
const OF_THE_C_LIBRARY: std::ops::RangeInclusive<i32> = 32..=33;

/// Opens the process `pid`.
///
/// # Errors
/// `ESRCH` if there is none, `EINVAL` for a number that cannot be a process.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid.max(0)).ok_or(Errno::INVAL)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends the signal of this number.
///
/// # Errors
/// `ESRCH` if the process is gone, `EINVAL` for a number that is no signal or one of the C library's own.
pub fn send(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    if !(1..=64).contains(&signal) || OF_THE_C_LIBRARY.contains(&signal) {
        return Err(Errno::INVAL.into());
    }
    // SAFETY: the number is that of a signal, and not one that the C library keeps for itself: checked above.
    let signal = unsafe { Signal::from_raw_unchecked(signal) };
    Ok(pidfd_send_signal(process, signal)?)
}

/// Longest text that is read of a process: its arguments may be megabytes.
const LONGEST: u64 = 64 * 1024;

/// Reads the beginning of a file of `/proc` about the process, which is `pid`: what it says is of the process that is
/// held. What is no UTF-8 is replaced: names and arguments are the process's own.
///
/// # Errors
/// `ESRCH` if the process has ended.
pub fn read(process: BorrowedFd<'_>, pid: i32, file: &str) -> io::Result<String> {
    let text = beginning(&format!("/proc/{pid}/{file}"));
    // Its number is nobody else's as long as it has not ended.
    match wait(process, Duration::ZERO)? {
        false => text,
        true => Err(Errno::SRCH.into()),
    }
}

fn beginning(path: &str) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Whether this error says that the process is gone.
pub fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Waits until the process has ended, for `limit` at most, and says whether it has.
///
/// # Errors
/// Those of poll(2).
pub fn wait(process: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        // A limit beyond what the kernel can count is no limit.
        let timeout = Timespec::try_from(left).ok();
        let mut fds = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn a_process_is_signalled_and_its_end_is_seen() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = open(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(!wait(process.as_fd(), Duration::ZERO).unwrap());
        let pid = i32::try_from(child.id()).unwrap();
        assert!(read(process.as_fd(), pid, "status").unwrap().starts_with("Name:"));
        assert!(send(process.as_fd(), 33).is_err());
        send(process.as_fd(), 35).unwrap();
        assert!(wait(process.as_fd(), Duration::MAX).unwrap());
        // Still there as a zombie, which is nobody to talk of; and whoever has the number next is another.
        assert!(is_gone(&read(process.as_fd(), pid, "status").unwrap_err()));
        assert_eq!(child.wait().unwrap().signal(), Some(35));
        let other = i32::try_from(std::process::id()).unwrap();
        assert!(is_gone(&read(process.as_fd(), other, "status").unwrap_err()));
    }

    #[test]
    fn what_cannot_be_a_process_is_refused() {
        for pid in [0, -1, i32::MAX] {
            assert!(open(pid).is_err(), "{pid}");
        }
    }
}
