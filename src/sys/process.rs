//! Processes: fork, exec of a file in memory, processes that belong to nobody but systemd.
#![allow(unsafe_code)]

use super::pidfd;
use nix::fcntl::AtFlags;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, execveat, fork};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::{Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// A process whose parent is not the one that started it: when that one is gone, the nearest subreaper has it, or
/// the host's PID 1.
#[derive(Debug)]
pub struct Orphan {
    /// Its process ID here.
    pub pid: Pid,
    pidfd: OwnedFd,
}

impl Orphan {
    /// Kills the process. One that is gone already is as good.
    pub fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

/// Starts an orphan. `between` runs in the process between this one and the orphan, which then exits; `run` runs in
/// the orphan and ends with an exec, or returns why not.
///
/// Both run in forked processes and end there: nothing they change is seen here.
///
/// # Errors
/// What `between` or `run` returned; a process that cannot be made; a caller with more than one thread.
pub fn start_orphan(
    between: impl FnOnce() -> io::Result<()>,
    run: impl FnOnce() -> io::Result<std::convert::Infallible>,
) -> io::Result<Orphan> {
    require_one_thread()?;
    let (pid_in, pid_out) = io::pipe()?;
    let (error_in, error_out) = io::pipe()?;
    let (go_in, go_out) = io::pipe()?;
    // SAFETY: this process has one thread, so the child may do all that the parent may; it never returns from here.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((pid_in, error_in, go_out));
            exit(orphans_parent(between, run, pid_out, error_out, go_in))
        }
        ForkResult::Parent { child: parent } => {
            drop((pid_out, error_out, go_in));
            let mut pid = [0; 4];
            // End of file: there is no orphan, and the reason comes below.
            let orphan = (&pid_in)
                .read_exact(&mut pid)
                .ok()
                .map(|()| Pid::from_raw(i32::from_ne_bytes(pid)));
            // Opened while its parent is there and does not reap it: the number cannot be another's.
            let pidfd = orphan.map(|pid| pidfd::open(pid.as_raw())).transpose();
            drop(go_out);
            wait(parent)?;
            let mut reason = String::new();
            (&error_in).take(4096).read_to_string(&mut reason)?;
            match (orphan, pidfd?) {
                _ if !reason.is_empty() => Err(io::Error::other(reason)),
                (Some(pid), Some(pidfd)) => Ok(Orphan { pid, pidfd }),
                _ => Err(io::Error::other("the process was killed before it had begun")),
            }
        }
    }
}

/// The process between. Its exit status says nothing; what went wrong is written to `errors`, which ends with the
/// last process that holds it: at the orphan's exec.
fn orphans_parent(
    between: impl FnOnce() -> io::Result<()>,
    run: impl FnOnce() -> io::Result<std::convert::Infallible>,
    mut pid: PipeWriter,
    mut errors: PipeWriter,
    go: PipeReader,
) -> i32 {
    let forked = between().and_then(|()| {
        // SAFETY: still one thread, and the child never returns from here either.
        unsafe { fork() }.map_err(io::Error::from)
    });
    let done = match forked {
        Ok(ForkResult::Child) => {
            drop((pid, go));
            let Err(error) = run();
            Err(error)
        }
        Ok(ForkResult::Parent { child }) => {
            // Waits for the end of the pipe; that comes even if the reader is killed.
            pid.write_all(&child.as_raw().to_ne_bytes())
                .and_then(|()| (&go).read(&mut [0]).map(drop))
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            // Whoever would read it may be gone.
            let _ = errors.write_all(error.to_string().as_bytes());
            1
        }
    }
}

fn exit(status: i32) -> ! {
    // SAFETY: ends the process at once; no destructor or exit handler of the parent's runs twice.
    unsafe { nix::libc::_exit(status) }
}

fn require_one_thread() -> io::Result<()> {
    // A process forked from one with threads may find a lock held for ever.
    match std::fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        _ => Err(io::Error::other(
            "cannot fork: this process has more than one thread",
        )),
    }
}

fn wait(pid: Pid) -> io::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw());
    rustix::io::retry_on_intr(|| rustix::process::waitpid(pid, WaitOptions::empty()))?;
    Ok(())
}

/// A copy of a program in memory that nobody can change any more (memfd_create(2)), for [`exec`]: a process that
/// runs it leads nobody to the file on disk.
///
/// # Errors
/// The program cannot be read; the kernel forbids programs in memory (`vm.memfd_noexec`).
pub fn sealed_copy(mut program: File) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC is of Linux 6.3; before it, and where vm.memfd_noexec is 0, it is the default.
    let copy = rustix::fs::memfd_create("podunit", flags | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create("podunit", flags))?;
    let mut copy = File::from(copy);
    io::copy(&mut program, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

/// Becomes the program in `file`, with an empty environment.
///
/// # Errors
/// Always: it returns only when the exec failed.
pub fn exec(file: impl AsFd, name: &CStr) -> io::Result<std::convert::Infallible> {
    Ok(execveat(
        file,
        c"",
        &[name],
        &[] as &[&CStr],
        AtFlags::AT_EMPTY_PATH,
    )?)
}

/// Blocks every signal that can be blocked; exec keeps it so.
///
/// # Errors
/// None that can be expected.
pub fn block_signals() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?)
}

/// Gives up every capability, in all five sets, and the way back (`no_new_privs`).
///
/// # Errors
/// The process may not drop capabilities from its bounding set.
pub fn drop_privileges() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // An older kernel does not know the newer ones.
            Err(rustix::io::Errno::INVAL) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
