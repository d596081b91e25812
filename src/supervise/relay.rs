//! Notifications of members (sd_notify(3)): a socket for each member that sends them, from which a few harmless
//! fields go on to systemd in the member's name. systemd's own socket is no place for a payload: whoever may write to
//! it may name any process as a unit's main process.

use super::main_process::MainProcess;
use crate::sys::reactor;
use crate::systemd::datagram::Datagrams;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, bind,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode as FileMode, umask};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// Longest datagram that is read; what is behind is cut off.
const LONGEST: usize = 4096;
/// Longest `STATUS=`.
const LONGEST_STATUS: usize = 256;
/// Datagrams that a member may send at once, and then in each second. More are dropped, but for those that matter
/// (readiness, stopping).
const BURST: u32 = 32;
/// The line by which a member says that it is ready.
const READY: &str = "READY=1\n";
/// How long systemd may take to accept a datagram.
const PATIENCE: Duration = Duration::from_secs(5);

/// Binds the socket in the folder `dir`, which the payload may write to: a hostile payload hurts only itself.
///
/// # Errors
/// The folder is not there, or the socket cannot be bound.
pub(super) fn bind_in(dir: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(dir, flags, Mode::empty())?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let bound = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&bound, sockopt::PassCred, &true)?;
    // Bound beside its place and moved there, so that whoever waits for it finds it complete. The way through the
    // descriptor is short enough for any name of a pod (108 bytes, unix(7)).
    match rustix::fs::unlinkat(&dir, "socket.new", AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let address = UnixAddr::new(format!("/proc/self/fd/{}/socket.new", dir.as_raw_fd()).as_bytes())?;
    // Any user of the container may send. The mode comes from the umask and not from a chmod, which a payload
    // could lead elsewhere.
    let mask = umask(FileMode::from_bits_truncate(0o111));
    let result = bind(bound.as_raw_fd(), &address);
    umask(mask);
    result?;
    rustix::fs::renameat(&dir, "socket.new", &dir, "socket")?;
    reactor::readable(bound)
}

/// Forwards what arrives until the sender of `main`, which follows the member's main process, is gone. `READY=1` is held
/// back while the gate is shut.
pub(super) async fn forward(
    socket: AsyncFd<OwnedFd>,
    mut main: watch::Receiver<MainProcess>,
    mut gate: Gate,
    systemd: Arc<Datagrams>,
) {
    let mut allowance = Allowance {
        left: BURST,
        since: Instant::now(),
    };
    let mut forwarded = String::new();
    loop {
        let received = tokio::select! {
            ready = socket.readable() => {
                let Ok(mut ready) = ready else { return };
                match ready.try_io(|socket| receive(socket.get_ref())) {
                    Ok(received) => received,
                    Err(_) => continue,
                }
            }
            changed = main.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            changed = gate.is_open.changed() => match changed {
                Ok(()) if *gate.is_open.borrow() && gate.said_ready.exists() => Ok((READY.as_bytes().to_vec(), 0)),
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok((text, sender)) = received else { continue };
        // Whoever floods this socket waits for its turn behind everything else that the supervisor does.
        tokio::task::yield_now().await;
        let mut message = filter(&text);
        if !*gate.is_open.borrow() {
            let (rest, says_ready) = without_ready(&message);
            if says_ready {
                gate.hold();
            }
            message = rest;
        }
        let allowed = allowance.take(Instant::now());
        if message.is_empty() || !allowed && (!matters(&message) || message == forwarded) {
            continue;
        }
        // The main process is the one systemd knows for sure; before it is known here, and after it has ended,
        // whoever sent the message.
        let known = main.borrow().pid;
        for candidate in [known, sender].into_iter().filter(|&pid| pid != 0) {
            if systemd
                .send_within(&[message.as_bytes()], Some(candidate), PATIENCE)
                .await
                .is_ok()
            {
                break;
            }
        }
        forwarded = message;
    }
}

/// Takes one datagram and its sender. There is no room for file descriptors, so the kernel closes those that come
/// along: that also answers a barrier (sd_notify_barrier(3)), everything before it having been forwarded.
fn receive(socket: &OwnedFd) -> io::Result<(Vec<u8>, u32)> {
    let mut buffer = [0_u8; LONGEST];
    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let length = message.bytes;
    let sender = message
        .cmsgs()
        .ok()
        .into_iter()
        .flatten()
        .find_map(|control| match control {
            ControlMessageOwned::ScmCredentials(sender) => u32::try_from(sender.pid()).ok(),
            _ => None,
        });
    Ok((buffer[..length].to_vec(), sender.unwrap_or(0)))
}

/// What of a payload's message goes on to systemd.
fn filter(message: &[u8]) -> String {
    let mut kept = String::new();
    for line in String::from_utf8_lossy(message).lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let number =
            !value.is_empty() && value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit());
        let value = match key {
            "READY" | "RELOADING" | "STOPPING" | "WATCHDOG" if value == "1" => value.to_owned(),
            "MONOTONIC_USEC" | "EXTEND_TIMEOUT_USEC" if number => value.to_owned(),
            "STATUS" => value
                .chars()
                .filter(|c| !c.is_control())
                .take(LONGEST_STATUS)
                .collect(),
            _ => continue,
        };
        kept.push_str(key);
        kept.push('=');
        kept.push_str(&value);
        kept.push('\n');
    }
    kept
}

/// What a member's `READY=1` has to wait for: its probes.
pub(super) struct Gate {
    /// Whether they let it pass.
    pub(super) is_open: watch::Receiver<bool>,
    /// A file that is there if the member has said that it is ready, in the life that it has.
    pub(super) said_ready: PathBuf,
}

impl Gate {
    /// Remembers that the member is ready, for a successor too. A folder that is gone is that of an earlier life.
    fn hold(&self) {
        let _ = File::create(&self.said_ready);
    }
}

/// A message without the line by which a member says that it is ready, and whether it was there.
fn without_ready(message: &str) -> (String, bool) {
    let rest: String = message
        .split_inclusive('\n')
        .filter(|line| *line != READY)
        .collect();
    let says_ready = rest.len() < message.len();
    (rest, says_ready)
}

fn matters(message: &str) -> bool {
    message
        .lines()
        .any(|line| matches!(line, "READY=1" | "STOPPING=1"))
}

/// How many datagrams a member may still send.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self {
                left: BURST,
                since: now,
            };
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_fields_pass() {
        let hostile =
            b"MAINPID=1\nREADY=1\nFDSTORE=1\nNOTIFYACCESS=all\nSTATUS=a\x1b[2Jb\nWATCHDOG=trigger\n\
            EXTEND_TIMEOUT_USEC=5\nEXTEND_TIMEOUT_USEC=-5\nBARRIER=1\nREADY=0\nnonsense\n\xff=1";
        assert_eq!(filter(hostile), "READY=1\nSTATUS=a[2Jb\nEXTEND_TIMEOUT_USEC=5\n");
    }

    #[test]
    fn readiness_alone_is_held_back() {
        let message = "STATUS=READY=1\nREADY=1\nWATCHDOG=1\n";
        let rest = "STATUS=READY=1\nWATCHDOG=1\n".to_owned();
        assert_eq!(without_ready(message), (rest.clone(), true));
        assert_eq!(without_ready(&rest), (rest.clone(), false));
    }

    #[test]
    fn a_flood_is_dropped_but_not_what_matters() {
        let now = Instant::now();
        let mut allowance = Allowance { left: 2, since: now };
        assert!(allowance.take(now) && allowance.take(now) && !allowance.take(now));
        assert!(allowance.take(now + Duration::from_secs(1)));
        assert!(matters("STATUS=x\nREADY=1\n") && !matters("STATUS=READY=1\n"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_what_goes_on_is_on_the_list(message in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for line in filter(&message).lines() {
                let key = line.split('=').next().unwrap();
                let known = ["READY", "RELOADING", "STOPPING", "WATCHDOG", "MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC", "STATUS"];
                proptest::prop_assert!(known.contains(&key));
            }
        }
    }
}
