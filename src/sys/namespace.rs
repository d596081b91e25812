//! Namespaces (namespaces(7)): made, entered, and kept by a bind mount.
#![allow(unsafe_code)]

use nix::libc;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Interfaces, addresses, ports, abstract sockets.
    Net,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Host name.
    Uts,
    /// Process IDs.
    Pid,
}

impl Kind {
    /// Its file below `/proc/PID/ns`.
    pub fn file(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Pid => "pid",
        }
    }

    fn flag(self) -> CloneFlags {
        match self {
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Pid => CloneFlags::CLONE_NEWPID,
        }
    }
}

/// Moves this thread into new namespaces. Of the PID kind, only children that come later are in it.
///
/// # Errors
/// Those of unshare(2); ENOSPC means that `/proc/sys/user/max_*_namespaces` is reached.
pub fn leave(kinds: &[Kind]) -> io::Result<()> {
    Ok(unshare(kinds.iter().map(|kind| kind.flag()).collect())?)
}

/// Moves this thread into a cgroup namespace of its own.
///
/// # Errors
/// Those of unshare(2).
pub fn leave_cgroup() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWCGROUP)?)
}

/// Moves this thread into an existing namespace.
///
/// # Errors
/// It is not of that kind, or is a namespace that may not be entered.
pub fn enter(namespace: impl AsFd, kind: Kind) -> io::Result<()> {
    Ok(setns(namespace, kind.flag())?)
}

/// Opens this thread's namespace.
///
/// # Errors
/// Those of open(2).
pub fn current(kind: Kind) -> io::Result<File> {
    File::open(Path::new("/proc/thread-self/ns").join(kind.file()))
}

/// Runs `inside` in new namespaces, and comes back. Not for the PID kind.
///
/// # Errors
/// Those of unshare(2), and what `inside` returned. When the way back fails the thread is left inside: the program
/// must end.
pub fn in_new<T>(kinds: &[Kind], inside: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let outside: Vec<File> = kinds
        .iter()
        .map(|&kind| current(kind))
        .collect::<Result<_, _>>()?;
    leave(kinds)?;
    let result = inside();
    for (namespace, &kind) in outside.iter().zip(kinds) {
        enter(namespace, kind)?;
    }
    result
}

/// Runs `inside` in another namespace, on a thread of its own, since that is where it stays. Not for the PID kind.
///
/// # Errors
/// Those of [`enter`], and what `inside` returned.
pub fn on_a_thread_in<T: Send>(
    namespace: impl AsFd + Send,
    kind: Kind,
    inside: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let thread = move || {
        enter(namespace, kind)?;
        inside()
    };
    std::thread::scope(|scope| scope.spawn(thread).join())
        .unwrap_or_else(|_| Err(io::Error::other("the thread in another namespace died")))
}

/// Brings the loopback interface of this thread's network namespace up; 127.0.0.1 and ::1 come with it.
///
/// # Errors
/// Those of the ioctls (netdevice(7)).
pub fn raise_loopback() -> io::Result<()> {
    // SAFETY: socket(2) takes no pointer; a result that is no error is a new descriptor that nobody else owns.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all zeros is a value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, &from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = from.cast_signed();
    }
    // SAFETY: both calls take an ifreq with a name, which lives as long as they; the first fills in the flags.
    unsafe {
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
