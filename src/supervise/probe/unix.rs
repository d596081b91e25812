//! A connection to a socket in the file system of a member.

use crate::sys::tree::Tree;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Connects to the socket at `path` in the root of the process `pid`. A connection to a socket of the file system
/// needs no waiting: it is made, or refused, or there is no room for it.
///
/// # Errors
/// There is no such socket, or nothing listens on it.
pub(super) fn look(pid: u32, path: &str) -> io::Result<()> {
    look_in(&Tree::open(format!("/proc/{pid}/root"))?, path)
}

fn look_in(root: &Tree, path: &str) -> io::Result<()> {
    // Found first, connected to by its descriptor: links on the way lead nowhere but into the member's own files.
    let found = root.find_socket(path)?;
    let address = UnixAddr::new(format!("/proc/self/fd/{}", found.as_raw_fd()).as_bytes())?;
    for kind in [SockType::Stream, SockType::SeqPacket, SockType::Datagram] {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let made: OwnedFd = socket(AddressFamily::Unix, kind, flags, None)?;
        match connect(made.as_raw_fd(), &address) {
            Err(Errno::EPROTOTYPE) => {}
            result => return Ok(result?),
        }
    }
    Err(Errno::EPROTOTYPE.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixDatagram, UnixListener};

    #[test]
    fn a_socket_is_found_in_its_tree_alone() {
        let outside = tempfile::tempdir().unwrap();
        let _other = UnixListener::bind(outside.path().join("socket")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = Tree::open(dir.path()).unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let _datagram = UnixDatagram::bind(dir.path().join("datagram")).unwrap();
        symlink("/socket", dir.path().join("inside")).unwrap();
        symlink(outside.path().join("socket"), dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        for good in ["/socket", "/inside", "/datagram"] {
            look_in(&root, good).unwrap();
        }
        let kind = |path| look_in(&root, path).unwrap_err().kind();
        assert_eq!(kind("/outside"), io::ErrorKind::NotFound);
        assert_eq!(kind("/file"), io::ErrorKind::InvalidInput);
        drop(listener);
        assert_eq!(kind("/socket"), io::ErrorKind::ConnectionRefused);
    }
}
