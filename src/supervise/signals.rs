//! Signals sent to the pod: taken from the supervisor's own queue, and what each means for a member.

use super::plan::MemberPlan;
use crate::model::Signal;
use crate::sys::reactor;
use nix::sys::signal::{self, SigSet};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
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

/// Size of the record that signalfd(2) hands out; the signal's number is at its beginning.
const RECORD: usize = 128;

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
    pub(super) async fn next(&self) -> io::Result<Signal> {
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|fd| {
                let mut record = [0_u8; RECORD];
                rustix::io::read(fd.get_ref(), &mut record)?;
                Ok(i32::from_ne_bytes([record[0], record[1], record[2], record[3]]))
            });
            let Ok(number) = read else { continue };
            if let Some(signal) = Signal::from_number(number?) {
                return Ok(signal);
            }
        }
    }
}

/// What a process would do with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has a handler, ignores it, blocks it to take it from a queue, or its default action is harmless.
    Survives,
    /// It would be ended, stopped or dumped.
    Ends,
    /// It is PID 1 of its own namespace and has no handler: the kernel drops the signal (pid_namespaces(7)).
    Nothing,
}

/// Judges by the text of `/proc/PID/status` (proc_pid_status(5)).
pub(super) fn fate(status: &str, signal: Signal) -> Fate {
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let in_mask = |name: &str| {
        let mask = field(name).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal.number() - 1) & 1 == 1)
    };
    if signal.default_is_harmless() || ["SigCgt", "SigIgn", "SigBlk"].into_iter().any(in_mask) {
        return Fate::Survives;
    }
    let own_pid = field("NSpid").and_then(|pids| pids.split_ascii_whitespace().last());
    if own_pid == Some("1") {
        Fate::Nothing
    } else {
        Fate::Ends
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
        None => match fate(status, signal) {
            Fate::Survives => Ok(signal),
            Fate::Ends => Err(format!(
                "no handler for {signal}, whose default action would end it"
            )),
            Fate::Nothing => Err(format!(
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
    fn own_status_is_understood() {
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert_eq!(
            fate(&own, Signal::from_number(13).unwrap()),
            Fate::Survives,
            "Rust ignores SIGPIPE"
        );
        let real_time = Signal::from_number(64).unwrap();
        assert_ne!(fate(&own, real_time), Fate::Survives);
    }
}
