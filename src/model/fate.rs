//! What a process would do with a signal, as the kernel tells it before the signal is sent.

use super::Signal;

/// What a process would do with a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has a handler, or blocks the signal to take it from a queue.
    Handled,
    /// It ignores the signal.
    Ignored,
    /// It has no handler, and the default action does it no harm.
    Harmless,
    /// It has no handler, and would be ended, stopped or dumped.
    Ended,
    /// It has no handler and is PID 1 of its own namespace: the kernel drops the signal (pid_namespaces(7)).
    Dropped,
}

impl Fate {
    /// Judges by the text of `/proc/PID/status` (proc_pid_status(5)).
    pub fn of(status: &str, signal: Signal) -> Self {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        let in_mask = |name: &str| {
            let mask = field(name).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| mask >> (signal.number() - 1) & 1 == 1)
        };
        let is_init = || field("NSpid").and_then(|pids| pids.split_ascii_whitespace().last()) == Some("1");
        if !signal.can_be_handled() {
            return Self::Ended;
        }
        if in_mask("SigCgt") || in_mask("SigBlk") {
            Self::Handled
        } else if in_mask("SigIgn") {
            Self::Ignored
        } else if signal.default_is_harmless() {
            Self::Harmless
        } else if is_init() {
            Self::Dropped
        } else {
            Self::Ended
        }
    }

    /// Whether the process goes on.
    pub fn is_survived(self) -> bool {
        self != Self::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_status_is_understood() {
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let number = |number| Signal::from_number(number).unwrap();
        assert_eq!(Fate::of(&own, number(13)), Fate::Ignored, "Rust ignores SIGPIPE");
        assert_eq!(
            Fate::of(&own, number(11)),
            Fate::Handled,
            "and looks for overflows of the stack"
        );
        assert_eq!(Fate::of(&own, Signal::WINCH), Fate::Harmless);
        assert!(matches!(Fate::of(&own, number(64)), Fate::Ended | Fate::Dropped));
        assert_eq!(Fate::of(&own, Signal::KILL), Fate::Ended);
    }

    #[test]
    fn a_pid_1_without_a_handler_is_not_reached() {
        let status = |pids: &str, blocked: &str| {
            format!(
                "NSpid:\t{pids}\nSigBlk:\t{blocked}\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000002\n"
            )
        };
        let init = status("70\t1", "0000000000000000");
        assert_eq!(Fate::of(&init, Signal::TERM), Fate::Dropped);
        assert_eq!(Fate::of(&init, Signal::INT), Fate::Handled);
        assert_eq!(Fate::of(&init, Signal::KILL), Fate::Ended);
        assert_eq!(
            Fate::of(&status("70\t9", "0000000000000000"), Signal::TERM),
            Fate::Ended
        );
        // It waits in a queue for signalfd(2) or sigwait(3).
        assert_eq!(
            Fate::of(&status("70\t1", "0000000000004000"), Signal::TERM),
            Fate::Handled
        );
    }
}
