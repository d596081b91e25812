//! Signals sent to the pod: taken from the supervisor's own queue, and what each means for a member.

use super::plan::MemberPlan;
use crate::model::{Fate, Signal};
use crate::sys::reactor;
use nix::sys::signal::{self, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, OwnedFd};
use std::{fmt, io};
use tokio::io::unix::AsyncFd;

/// Blocks the signals that the supervisor handles, so that none of them ends it, and returns the set. To be called
/// before anything else is done.
///
/// # Errors
/// The kernel refuses.
pub(super) fn block() -> io::Result<SigSet> {
    // nix names no real-time signals: they are in the set of all, from which the others are taken.
    let mut set = SigSet::all();
    for signal in signal::Signal::iterator() {
        let number = signal as i32;
        let routed = Signal::from_number(number).is_some_and(Signal::is_routed);
        if !routed && number != Signal::TERM.number() && number != Signal::INT.number() {
            set.remove(signal);
        }
    }
    set.thread_block()?;
    Ok(set)
}

/// Size of the record that signalfd(2) hands out, and where in it the signal's number, its origin and its value are.
const RECORD: usize = 128;
const NUMBER: usize = 0;
const CODE: usize = 8;
const VALUE: usize = 44;
/// The origin of a signal that was queued with a value (sigqueue(3)).
const SI_QUEUE: i32 = -1;

/// A signal as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// The signal.
    pub(super) signal: Signal,
    /// What it carries, if it was queued with a value.
    pub(super) value: Option<i32>,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => write!(f, "{}", self.signal),
            Some(value) => write!(f, "{} with the value {value}", self.signal),
        }
    }
}

impl Sent {
    /// Reads a record of signalfd(2).
    fn read(record: &[u8; RECORD]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = record[at..].first_chunk().copied().unwrap_or_default();
            i32::from_ne_bytes(bytes)
        };
        Some(Self {
            signal: Signal::from_number(number(NUMBER))?,
            value: (number(CODE) == SI_QUEUE).then(|| number(VALUE)),
        })
    }
}

/// The blocked signals, as something to wait for.
#[derive(Debug)]
pub(super) struct Signals(AsyncFd<OwnedFd>);

impl Signals {
    pub(super) fn new(set: &SigSet) -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(set, flags)?;
        reactor::readable(fd.as_fd().try_clone_to_owned()?).map(Self)
    }

    /// The next signal. Loses none when it is given up half-way.
    pub(super) async fn next(&self) -> io::Result<Sent> {
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|fd| {
                let mut record = [0_u8; RECORD];
                rustix::io::read(fd.get_ref(), &mut record)?;
                Ok(Sent::read(&record))
            });
            let Ok(sent) = read else { continue };
            if let Some(sent) = sent? {
                return Ok(sent);
            }
        }
    }
}

/// What to send to a member for a signal that was sent to the pod, or why nothing. `status` is the text of its main
/// process' `/proc/PID/status`, if it has one.
pub(super) fn route(member: &MemberPlan, signal: Signal, status: Option<&str>) -> Result<Signal, String> {
    let Some(status) = status else {
        return Err("it has no main process".to_owned());
    };
    match member.signal_map.get(&signal) {
        Some(Some(mapped)) => Ok(*mapped),
        Some(None) => Err(format!("SignalMap= gives it nothing for {signal}")),
        None => match Fate::of(status, signal) {
            Fate::Handled | Fate::Ignored | Fate::Harmless => Ok(signal),
            Fate::Ended => Err(format!(
                "no handler for {signal}, whose default action would end it"
            )),
            Fate::Dropped => Err(format!(
                "no handler for {signal}, and the kernel drops it for a PID 1"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberName, SignalMap};

    fn member(signal_map: SignalMap) -> MemberPlan {
        let name = MemberName::new("a").unwrap();
        MemberPlan {
            probes: crate::model::Probes::default(),
            rules: None,
            is_gated: false,
            essential: true,
            init: false,
            name,
            unit: "pod-x-a.service".to_owned(),
            notify: false,
            signal_map,
            image: None,
            reload_signal: None,
        }
    }

    const NGINX: &str = "Name:\tnginx\nNSpid:\t70\t2\nSigBlk:\t0000000000000000\nSigIgn:\t0000000040001000\n\
        SigCgt:\t0000000198016a07\n";
    const SH: &str = "Name:\tsh\nNSpid:\t71\t9\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n\
        SigCgt:\t0000000000010002\n";

    #[test]
    fn a_signal_goes_to_those_who_survive_it() {
        let plain = member(SignalMap::new());
        assert_eq!(route(&plain, Signal::HUP, Some(NGINX)), Ok(Signal::HUP));
        assert!(
            route(&plain, Signal::HUP, Some(SH))
                .unwrap_err()
                .contains("no handler for SIGHUP")
        );
        assert_eq!(route(&plain, Signal::WINCH, Some(SH)), Ok(Signal::WINCH));
        assert!(route(&plain, Signal::HUP, None).is_err());
        let blocked = SH.replace("SigBlk:\t0000000000000000", "SigBlk:\t0000000000000001");
        assert_eq!(
            route(&plain, Signal::HUP, Some(&blocked)),
            Ok(Signal::HUP),
            "taken by signalfd"
        );
        let init = SH.replace("71\t9", "71\t1");
        assert!(
            route(&plain, Signal::HUP, Some(&init))
                .unwrap_err()
                .contains("PID 1")
        );
    }

    #[test]
    fn the_map_decides_first() {
        let mapped = member(SignalMap::from([
            (Signal::HUP, Some(Signal::USR2)),
            (Signal::USR1, None),
        ]));
        assert_eq!(route(&mapped, Signal::HUP, Some(SH)), Ok(Signal::USR2));
        assert!(
            route(&mapped, Signal::USR1, Some(NGINX))
                .unwrap_err()
                .contains("SignalMap=")
        );
    }

    #[test]
    fn a_value_is_read_with_its_signal() {
        let mut record = [0_u8; RECORD];
        let mut set = |at: usize, number: i32| record[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        set(NUMBER, 35);
        set(VALUE, 7);
        let by_kill = Sent::read(&record).unwrap();
        assert_eq!(by_kill.to_string(), "SIGRTMIN+1");
        record[CODE..CODE + 4].copy_from_slice(&SI_QUEUE.to_ne_bytes());
        let queued = Sent::read(&record).unwrap();
        assert_eq!(queued.to_string(), "SIGRTMIN+1 with the value 7");
        assert_eq!(Sent::read(&[0; RECORD]), None);
    }
}
