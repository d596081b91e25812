//! File descriptors by their numbers, which is how a program finds those that it is started with.

use rustix::io::{FdFlags, fcntl_setfd};
use std::fs;
use std::io;
use std::os::fd::AsFd;

/// The first number behind standard input, output and error.
pub const FIRST: i32 = 3;

/// Closes everything this process was started with but standard input, output and error. Only for the very beginning
/// of a program, before anything is opened that is kept.
///
/// # Errors
/// `/proc` is not there.
pub fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in open.into_iter().filter(|number| *number >= FIRST) {
        // One of them was the listing, which is closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Lets programs that are started from now on have this descriptor, under its number.
///
/// # Errors
/// None that can be expected.
pub fn inherit(descriptor: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfd(descriptor, FdFlags::empty())?)
}
