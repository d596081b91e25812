//! What systemd says of one unit, reduced to what a pod is judged by. Pure: properties in, facts out.

use std::collections::HashMap;
use std::time::Duration;
use zbus::Variant;

/// Properties as they come over the bus (`a{sv}`).
pub type Properties<'m> = HashMap<&'m str, Variant<'m>>;

/// `ActiveState` (systemd(1), "Units").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Active {
    /// Neither running nor failed.
    #[default]
    Inactive,
    /// Starting, or waiting until it is started again.
    Activating,
    /// Up. `reloading` and `refreshing` count as up.
    Active,
    /// Stopping.
    Deactivating,
    /// Ended badly and not started again.
    Failed,
}

impl Active {
    /// Reads systemd's word; one that this release does not know counts as inactive.
    pub fn parse(word: &str) -> Self {
        match word {
            "active" | "reloading" | "refreshing" => Self::Active,
            "activating" => Self::Activating,
            "deactivating" | "maintenance" => Self::Deactivating,
            "failed" => Self::Failed,
            _ => Self::Inactive,
        }
    }

    /// systemd's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Deactivating => "deactivating",
            Self::Failed => "failed",
        }
    }
}

/// Whether `SubState` means that systemd waits to start the unit again (`Restart=`, systemd.service(5)).
pub fn is_restarting(sub_state: &str) -> bool {
    sub_state.contains("auto-restart")
}

/// What became of the conditions of a unit's last start (`Condition…=`, `Assert…=` in systemd.unit(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Check {
    /// When they were last looked at, in microseconds of the monotonic clock; 0 for never.
    pub at: u64,
    /// Whether they were met.
    pub met: bool,
}

/// One service unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `LoadState`: empty until known, then `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `ActiveState`.
    pub active: Active,
    /// Waiting for its automatic restart.
    pub restarting: bool,
    /// A job of this unit is queued or runs.
    pub job: bool,
    /// `InvocationID`: one start of the unit; 0 before the first.
    pub invocation: u128,
    /// `MainPID`, 0 for none.
    pub main_pid: u32,
    /// `Result`: `success`, `exit-code`, `signal`, `timeout` …
    pub result: String,
    /// `ExecMainCode`: 0 none, 1 exited, 2 killed, 3 killed with a core dump (waitid(2)).
    pub exit_code: i32,
    /// `ExecMainStatus`: exit status or signal.
    pub exit_status: i32,
    /// `NRestarts`: automatic restarts since the last start that somebody asked for.
    pub restarts: u32,
    /// `RestartSec=` and what makes it grow; `None` until known.
    pub pause: Option<Pause>,
    /// When it last became active, monotonic microseconds; 0 for never.
    pub active_enter: u64,
    /// When it last left active.
    pub active_exit: u64,
    /// When it last became inactive or failed.
    pub inactive_enter: u64,
    /// `ConditionResult`.
    pub condition: Check,
    /// `AssertResult`.
    pub assertion: Check,
    /// Its processes are held still, by itself or with its slice (`FreezerState`).
    pub frozen: bool,
    /// Since when it is as it is (`StateChangeTimestamp`), in microseconds since 1970; 0 if it never was anything else.
    pub since: u64,
}

/// What a unit waits before it is started again (systemd.service(5)), in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pause {
    /// `RestartSec=`.
    pub first: u64,
    /// `RestartMaxDelaySec=`, which is reached after [`Self::steps`]; `u64::MAX` for none.
    pub most: u64,
    /// `RestartSteps=`.
    pub steps: u32,
}

impl Pause {
    /// Before the restart that makes so many, as systemd computes it.
    fn before(self, restarts: u32) -> Duration {
        let Self { first, most, steps } = self;
        let grows = restarts > 1 && steps > 0 && most != u64::MAX && first > 0 && first < most;
        let pause = match restarts {
            _ if !grows => first as f64,
            restarts if restarts > steps => most as f64,
            restarts => {
                let part = f64::from(restarts - 1) / f64::from(steps);
                first as f64 * (most as f64 / first as f64).powf(part)
            }
        };
        Duration::from_micros(pause as u64)
    }
}

impl Unit {
    /// Takes over those of `properties` that are known here; the others keep their value.
    pub fn apply(&mut self, properties: &Properties<'_>) {
        let text = |key: &str| match properties.get(key) {
            Some(Variant::Str(text)) => Some(text.as_str()),
            _ => None,
        };
        let number = |key: &str| match properties.get(key) {
            Some(Variant::U64(number)) => Some(*number),
            Some(Variant::U32(number)) => Some(u64::from(*number)),
            _ => None,
        };
        let signed = |key: &str| match properties.get(key) {
            Some(Variant::I32(number)) => Some(*number),
            _ => None,
        };
        let truth = |key: &str| match properties.get(key) {
            Some(Variant::Bool(truth)) => Some(*truth),
            _ => None,
        };
        let small = |key: &str| number(key).and_then(|number| u32::try_from(number).ok());
        let invocation = || match properties.get("InvocationID") {
            Some(Variant::Array(bytes)) => Some(bytes.inner().iter().fold(0_u128, |id, byte| match byte {
                Variant::U8(byte) => id << 8 | u128::from(*byte),
                _ => id,
            })),
            _ => None,
        };
        let job = || match properties.get("Job") {
            Some(Variant::Structure(job)) => Some(!matches!(job.fields().first(), Some(Variant::U32(0)))),
            _ => None,
        };
        set(&mut self.load, text("LoadState").map(str::to_owned));
        set(&mut self.active, text("ActiveState").map(Active::parse));
        set(&mut self.restarting, text("SubState").map(is_restarting));
        set(&mut self.job, job());
        set(&mut self.invocation, invocation());
        set(&mut self.main_pid, small("MainPID"));
        set(&mut self.result, text("Result").map(str::to_owned));
        set(&mut self.exit_code, signed("ExecMainCode"));
        set(&mut self.exit_status, signed("ExecMainStatus"));
        set(&mut self.restarts, small("NRestarts"));
        if let Some(first) = number("RestartUSec") {
            // systemd 252 has the first of these only.
            let most = number("RestartMaxDelayUSec").unwrap_or(u64::MAX);
            let steps = small("RestartSteps").unwrap_or_default();
            self.pause = Some(Pause { first, most, steps });
        }
        set(&mut self.active_enter, number("ActiveEnterTimestampMonotonic"));
        set(&mut self.active_exit, number("ActiveExitTimestampMonotonic"));
        set(
            &mut self.inactive_enter,
            number("InactiveEnterTimestampMonotonic"),
        );
        set(&mut self.condition.at, number("ConditionTimestampMonotonic"));
        set(&mut self.condition.met, truth("ConditionResult"));
        set(&mut self.assertion.at, number("AssertTimestampMonotonic"));
        set(&mut self.assertion.met, truth("AssertResult"));
        // `frozen`, and `frozen-by-parent` in later releases.
        set(
            &mut self.frozen,
            text("FreezerState").map(|state| state.starts_with("frozen")),
        );
        set(&mut self.since, number("StateChangeTimestamp"));
    }

    /// Whether its processes have ended and systemd does not mean to start them again by itself.
    pub fn is_down(&self) -> bool {
        matches!(self.active, Active::Inactive | Active::Failed) && !self.restarting
    }

    /// That it waits for its automatic restart, in words that fit behind its name.
    pub fn waiting(&self) -> String {
        let pause = self.pause.unwrap_or_default().before(self.restarts).as_secs();
        match pause {
            0 => "is started again".to_owned(),
            1..60 => format!("is started again in {pause}s"),
            _ => format!("is started again in {}min {}s", pause / 60, pause % 60),
        }
    }

    /// How it ended without a failure, in words that fit behind its name.
    pub fn ending(&self) -> String {
        match self.exit_code {
            0 => "ended".to_owned(),
            1 => format!("ended with exit status {}", self.exit_status),
            _ => format!("was stopped by {}", self.signal()),
        }
    }

    /// How its last life ended, in words that fit behind "failed: ".
    pub fn failure(&self) -> String {
        match self.result.as_str() {
            "exit-code" => format!("exit status {}", self.exit_status),
            "signal" => format!("killed by {}", self.signal()),
            "core-dump" => format!("killed by {}, core dumped", self.signal()),
            "timeout" => "a time limit of its unit ran out".to_owned(),
            "protocol" => "it ended before it was ready".to_owned(),
            "start-limit-hit" => "it was started too often (StartLimitBurst=)".to_owned(),
            "oom-kill" => "out of memory".to_owned(),
            "watchdog" => "its watchdog was not served (WatchdogSec=)".to_owned(),
            "resources" => "systemd could not set it up; its journal says why".to_owned(),
            "" | "success" => match self.exit_code {
                0 => "the reason is not known".to_owned(),
                1 => format!("exit status {}", self.exit_status),
                _ => format!("killed by {}", self.signal()),
            },
            other => other.to_owned(),
        }
    }

    fn signal(&self) -> String {
        crate::model::Signal::from_number(self.exit_status).map_or_else(
            || format!("signal {}", self.exit_status),
            |signal| signal.to_string(),
        )
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_taken_over_and_others_stay() {
        let mut unit = Unit {
            restarts: 3,
            ..Unit::default()
        };
        let id: Vec<u8> = vec![1; 16];
        let path = zbus::ObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap();
        unit.apply(&Properties::from([
            ("ActiveState", Variant::from("activating")),
            ("SubState", Variant::from("auto-restart")),
            ("InvocationID", Variant::from(id)),
            ("Job", Variant::from((7_u32, path))),
            ("MainPID", Variant::from(42_u32)),
            ("ExecMainStatus", Variant::from(9_i32)),
            ("ConditionResult", Variant::from(true)),
            ("NRestarts", Variant::from("not a number")),
        ]));
        assert_eq!(
            (unit.active, unit.restarting, unit.job),
            (Active::Activating, true, true)
        );
        assert_eq!(unit.invocation, u128::from_be_bytes([1; 16]));
        assert_eq!(
            (unit.main_pid, unit.exit_status, unit.condition.met),
            (42, 9, true)
        );
        assert_eq!(unit.restarts, 3, "a value of another type is left alone");
        assert!(!unit.is_down());
    }

    #[test]
    fn a_failure_is_told_in_words() {
        let failed = |result: &str, exit_code, exit_status| {
            Unit {
                result: result.to_owned(),
                exit_code,
                exit_status,
                ..Unit::default()
            }
            .failure()
        };
        assert_eq!(failed("exit-code", 1, 3), "exit status 3");
        assert_eq!(failed("signal", 2, 9), "killed by SIGKILL");
        assert_eq!(failed("core-dump", 3, 11), "killed by SIGSEGV, core dumped");
        assert_eq!(failed("success", 1, 0), "exit status 0");
    }
}
