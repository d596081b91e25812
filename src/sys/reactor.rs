//! File descriptors that the asynchronous runtime waits for.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a file descriptor that is only ever read from, within a tokio runtime.
///
/// # Errors
/// epoll does not take it (epoll_ctl(2)).
pub fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and stays open and the same, as long as it exists; `AsyncFd` owns it and lends
    // it out by shared reference only.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}
