//! Datagrams to a socket of systemd's (the journal's, the manager's notification socket), in the name of another
//! process where asked for. Never blocks the program.

use nix::sys::socket::{ControlMessage, MsgFlags, UnixCredentials, sendmsg};
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// A socket that datagrams go to. It is connected when it is first needed, and again after its other end was replaced.
#[derive(Debug)]
pub struct Datagrams {
    address: SocketAddr,
    socket: Mutex<Option<Arc<UnixDatagram>>>,
}

impl Datagrams {
    /// The socket at `address`: a path, or a name in the abstract namespace behind an `@` (as in `$NOTIFY_SOCKET`).
    ///
    /// # Errors
    /// An address that is too long.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        Ok(Self {
            address,
            socket: Mutex::new(None),
        })
    }

    /// Sends `parts` as one datagram; with `pid`, in the name of that process, which root may do
    /// (`SCM_CREDENTIALS` in unix(7)).
    ///
    /// # Errors
    /// `WouldBlock` when the other end is too slow; others when it is not there or the process has ended (`ESRCH`).
    pub fn send(&self, parts: &[&[u8]], pid: Option<u32>) -> io::Result<()> {
        let result = self.socket().and_then(|socket| send_on(&socket, parts, pid));
        self.check(result)
    }

    /// The same, and waits up to `limit` for an end that is too slow.
    ///
    /// # Errors
    /// `TimedOut`, and those of [`Self::send`] but `WouldBlock`.
    pub async fn send_within(&self, parts: &[&[u8]], pid: Option<u32>, limit: Duration) -> io::Result<()> {
        let socket = self.socket()?;
        let send = socket.async_io(Interest::WRITABLE, || send_on(&socket, parts, pid));
        let result = tokio::time::timeout(limit, send)
            .await
            .unwrap_or(Err(io::ErrorKind::TimedOut.into()));
        self.check(result)
    }

    /// Lets go of a socket whose other end is gone, so that the next datagram finds the new one.
    fn check(&self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result
            && matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected
            )
        {
            *self.slot() = None;
        }
        result
    }

    fn socket(&self) -> io::Result<Arc<UnixDatagram>> {
        let mut slot = self.slot();
        if let Some(socket) = &*slot {
            return Ok(socket.clone());
        }
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        socket.connect_addr(&self.address)?;
        socket.set_nonblocking(true)?;
        Ok(slot.insert(Arc::new(UnixDatagram::from_std(socket)?)).clone())
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<UnixDatagram>>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send_on(socket: &UnixDatagram, parts: &[&[u8]], pid: Option<u32>) -> io::Result<()> {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok());
    let credentials = pid.map(|pid| UnixCredentials::from(nix::libc::ucred { pid, uid: 0, gid: 0 }));
    let control = credentials.as_ref().map(ControlMessage::ScmCredentials);
    let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(socket.as_raw_fd(), &parts, control.as_slice(), flags, None)?;
    Ok(())
}
