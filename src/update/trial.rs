//! Whether a member has come up with another image. Pure.

use crate::systemd::unit::{Active, Unit};
use std::time::Duration;

/// How long a member that does not say itself when it is ready must have run: what cannot do its work ends before.
pub const PROVEN: Duration = Duration::from_secs(10);

/// A member on trial, as it was when its unit had been started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its life then.
    pub invocation: u128,
    /// How often systemd had started it again then.
    pub restarts: u32,
    /// Whether it says itself when it is ready.
    pub notify: bool,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// What is to be thought of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is too early to say.
    Open,
    /// It came up.
    Up,
    /// It did not; why.
    Down(String),
}

impl Trial {
    /// Judges its unit after `time`; `silent` are published ports that had a listener before and have none now.
    pub fn judge(&self, unit: &Unit, silent: &[u16], time: Duration) -> Verdict {
        if unit.restarting || unit.active == Active::Failed {
            return Verdict::Down(unit.failure());
        }
        if unit.invocation != self.invocation || unit.restarts > self.restarts {
            return Verdict::Down("it ended and was started again; its journal says why".to_owned());
        }
        let is_proven = match unit.active {
            // Ended, with success.
            Active::Inactive => true,
            Active::Active => self.notify || time >= PROVEN,
            Active::Activating | Active::Deactivating | Active::Failed => false,
        };
        if is_proven && silent.is_empty() {
            return Verdict::Up;
        }
        if self.limit.is_some_and(|limit| time >= limit.max(PROVEN)) {
            let what = match silent {
                [port, ..] if is_proven => format!("port {port}/tcp has no listener"),
                _ => "not ready in time (TimeoutStartSec= of its pod)".to_owned(),
            };
            return Verdict::Down(what);
        }
        Verdict::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> Trial {
        Trial {
            invocation: 7,
            restarts: 0,
            notify: false,
            limit: Some(Duration::from_secs(90)),
        }
    }

    fn unit(active: Active) -> Unit {
        Unit {
            active,
            invocation: 7,
            result: "success".to_owned(),
            ..Unit::default()
        }
    }

    const SOON: Duration = Duration::from_millis(3);

    #[test]
    fn one_that_runs_for_a_while_or_says_so_is_up() {
        let runs = unit(Active::Active);
        assert_eq!(trial().judge(&runs, &[], SOON), Verdict::Open);
        assert_eq!(trial().judge(&runs, &[], PROVEN), Verdict::Up);
        let notify = Trial {
            notify: true,
            ..trial()
        };
        assert_eq!(notify.judge(&runs, &[], SOON), Verdict::Up);
        assert_eq!(notify.judge(&runs, &[80], PROVEN), Verdict::Open);
        assert_eq!(
            notify.judge(&runs, &[80], Duration::from_secs(90)),
            Verdict::Down("port 80/tcp has no listener".to_owned())
        );
        assert_eq!(trial().judge(&unit(Active::Inactive), &[], SOON), Verdict::Up);
    }

    #[test]
    fn one_that_fails_or_comes_back_is_down() {
        let failed = Unit {
            result: "exit-code".to_owned(),
            exit_code: 1,
            exit_status: 1,
            ..unit(Active::Failed)
        };
        let down = |why: &str| Verdict::Down(why.to_owned());
        assert_eq!(trial().judge(&failed, &[], SOON), down("exit status 1"));
        let waits = Unit {
            active: Active::Activating,
            restarting: true,
            ..failed.clone()
        };
        assert_eq!(trial().judge(&waits, &[], SOON), down("exit status 1"));
        // Restart=always: it runs again when it is looked at.
        let again = Unit {
            restarts: 1,
            invocation: 8,
            ..unit(Active::Active)
        };
        assert!(
            matches!(trial().judge(&again, &[], PROVEN), Verdict::Down(why) if why.starts_with("it ended and was started again"))
        );
    }

    #[test]
    fn one_that_takes_too_long_is_down_and_without_a_limit_it_may() {
        let starts = unit(Active::Activating);
        let late = Duration::from_secs(100);
        assert!(matches!(trial().judge(&starts, &[], late), Verdict::Down(why) if why.contains("in time")));
        let patient = Trial {
            limit: None,
            ..trial()
        };
        assert_eq!(patient.judge(&starts, &[], late), Verdict::Open);
    }
}
