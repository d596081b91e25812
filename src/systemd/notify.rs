//! Telling systemd how a unit's start goes (sd_notify(3)). Without `$NOTIFY_SOCKET` nothing is sent, and that is no
//! error: the step runs by hand.

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// How long systemd may take to have read everything that was sent; it answers within milliseconds, unless it is
/// reloading.
const BARRIER_TIMEOUT_MS: u16 = 30_000;

/// Sends fields such as `READY=1` in one datagram, so that systemd takes them together.
///
/// # Errors
/// The socket does not take them.
pub fn send(fields: &[&str]) -> io::Result<()> {
    send_with(fields, &[])
}

/// Gives descriptors to systemd, which holds them until the unit is inactive (sd_notify(3), `FDSTORE=1`), as far as
/// `FileDescriptorStoreMax=` lets it; those it held under this name before it lets go.
///
/// # Errors
/// The socket does not take the message.
pub fn store(name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let name = format!("FDNAME={name}");
    send_with(&["FDSTOREREMOVE=1", &name], &[])?;
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    // Held, not watched: nothing that happens to them is systemd's business.
    send_with(&["FDSTORE=1", "FDPOLL=0", &name], &numbers)
}

/// Waits until systemd has handled everything this process sent before (`BARRIER=1`, sd_notify_barrier(3)).
///
/// # Errors
/// The socket does not take the message, or systemd does not answer in half a minute.
pub fn barrier() -> io::Result<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let (read, write): (OwnedFd, OwnedFd) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    send_with(&["BARRIER=1"], &[write.as_raw_fd()])?;
    drop(write);
    // systemd closes its copy of the write end when it comes to this message: that is the answer.
    let mut fds = [PollFd::new(read.as_fd(), PollFlags::empty())];
    match nix::poll::poll(&mut fds, PollTimeout::from(BARRIER_TIMEOUT_MS))? {
        0 => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "systemd did not answer a notification barrier",
        )),
        _ => Ok(()),
    }
}

fn send_with(fields: &[&str], fds: &[RawFd]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => UnixAddr::new_abstract(name)?,
        None => UnixAddr::new(path.as_bytes())?,
    };
    let socket = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let text = fields.join("\n");
    let control: &[ControlMessage<'_>] = if fds.is_empty() {
        &[]
    } else {
        &[ControlMessage::ScmRights(fds)]
    };
    let sent = sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(text.as_bytes())],
        control,
        MsgFlags::MSG_NOSIGNAL,
        Some(&address),
    );
    sent.map(drop).map_err(io::Error::from)
}
