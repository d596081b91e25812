//! Signals by name and number, and what a member does with a signal sent to its pod.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The classic signals of Linux, by number (signal(7)); x86, arm and riscv share these numbers.
const NAMES: [&str; 32] = [
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal that the C library leaves to programs (`SIGRTMIN` in glibc and musl's numbering
/// as systemd prints it).
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal number that exists on Linux, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// The text names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal: write a name such as SIGHUP, USR1 or RTMIN+3, or a number from 1 to 64")]
pub struct UnknownSignal(pub String);

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGQUIT.
    pub const QUIT: Self = Self(3);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGUSR1.
    pub const USR1: Self = Self(10);
    /// SIGUSR2.
    pub const USR2: Self = Self(12);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGWINCH.
    pub const WINCH: Self = Self(28);
    /// SIGRTMIN+3, which halts systemd in a container (systemd(1)).
    pub const HALT: Self = Self(RTMIN + 3);

    /// The signal with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=RTMAX).contains(&number).then_some(Self(number))
    }

    /// The number to give to kill(2).
    pub fn number(self) -> i32 {
        self.0
    }

    /// Whether a program can do anything about the signal: all but SIGKILL and SIGSTOP.
    pub fn can_be_handled(self) -> bool {
        !matches!(self.0, 9 | 19)
    }

    /// Whether it is a real-time signal, which can be queued and carry a value.
    pub fn is_real_time(self) -> bool {
        self.0 >= RTMIN
    }

    /// Whether the default action leaves the process alone (signal(7): `Ign`, and `Cont` on a running one).
    pub fn default_is_harmless(self) -> bool {
        matches!(self.0, 17 | 18 | 23 | 28)
    }

    /// Whether a pod routes this signal from its own unit to its members: HUP, USR1, USR2, WINCH and the
    /// real-time signals.
    pub fn is_routed(self) -> bool {
        [Self::HUP, Self::USR1, Self::USR2, Self::WINCH].contains(&self) || self.is_real_time()
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `SIGHUP`, `HUP`, `hup`, `1`, `RTMIN`, `SIGRTMIN+3`, `RTMAX-2`.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.to_owned());
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let real_time = |offset: &str, from: i32, sign: i32| {
            if offset.is_empty() {
                return Some(from);
            }
            let digits = offset.strip_prefix(if sign > 0 { '+' } else { '-' })?;
            let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let distance: i32 = if all_digits {
                digits.parse().ok()?
            } else {
                return None;
            };
            (distance <= RTMAX - RTMIN).then_some(from + sign * distance)
        };
        let number = if let Some(offset) = name.strip_prefix("RTMIN") {
            real_time(offset, RTMIN, 1)
        } else if let Some(offset) = name.strip_prefix("RTMAX") {
            real_time(offset, RTMAX, -1)
        } else if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
            name.parse().ok()
        } else {
            NAMES
                .iter()
                .skip(1)
                .position(|known| *known == name)
                .and_then(|at| i32::try_from(at + 1).ok())
        };
        number.and_then(Self::from_number).ok_or_else(unknown)
    }
}

impl fmt::Display for Signal {
    /// Writes systemd's spelling: `SIGHUP`, `SIGRTMIN+3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0).ok().and_then(|at| NAMES.get(at)) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 < RTMIN => write!(f, "{}", self.0),
            None => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;
    fn try_from(text: String) -> Result<Self, UnknownSignal> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> String {
        signal.to_string()
    }
}

/// What a member receives when its pod is sent a signal (`SignalMap=`): the signal to deliver, or `None` for
/// nothing. A signal that is not in the map is delivered as it is, but only to a process that would survive it:
/// one that handles or ignores it, or whose default action is harmless.
pub type SignalMap = BTreeMap<Signal, Option<Signal>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_as_written() {
        for number in (1..32).chain(34..=64) {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse::<Signal>(), Ok(signal));
            assert_eq!(number.to_string().parse::<Signal>(), Ok(signal));
        }
    }

    #[test]
    fn spellings() {
        assert_eq!("hup".parse(), Ok(Signal::HUP));
        assert_eq!("SIGRTMIN+3".parse(), Ok(Signal(37)));
        assert_eq!("RTMAX".parse(), Ok(Signal(64)));
        for bad in [
            "",
            "SIG",
            "0",
            "65",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN+",
            "HUPP",
            "-1",
            "99999999999",
        ] {
            assert!(bad.parse::<Signal>().is_err(), "{bad:?}");
        }
    }
}
