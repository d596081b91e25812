//! How a container is stopped: the keys of `[Container]` that begin with `Stop`, and `PreStop=`.

use super::section::{Settings, Value};
use super::signal;
use crate::diagnostic::Problem;
use crate::model::{Escalation, Signal};
use crate::unitfile::value::{TimeSpan, parse_time_span};
use std::time::Duration;

/// Podman's `--stop-timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most times that a signal is sent again.
const MOST_REPEATS: u32 = 100;

/// What a definition says of the stop of a container.
#[derive(Debug)]
pub(super) struct Stop {
    /// `StopSignal=`.
    pub(super) signal: Option<Signal>,
    /// `StopTimeout=`.
    pub(super) timeout: Duration,
    /// `PreStop=`.
    pub(super) hook: Option<String>,
    /// `StopEscalate=`.
    pub(super) escalate: Vec<Escalation>,
    /// `StopRepeat=`.
    pub(super) repeat: u32,
}

/// Reads them.
pub(super) fn read(settings: &Settings, problems: &mut Vec<Problem>) -> Stop {
    let timeout = timeout(settings, problems);
    let hook = settings.text("PreStop", problems);
    if let Some(hook) = hook.as_ref().filter(|_| timeout.is_zero()) {
        problems.push(no_time(hook));
    }
    Stop {
        signal: signal::stop(settings, problems),
        timeout,
        escalate: escalate(settings, timeout, problems),
        repeat: repeat(settings, timeout, problems),
        hook: hook.map(|hook| hook.text),
    }
}

fn timeout(settings: &Settings, problems: &mut Vec<Problem>) -> Duration {
    let Some(value) = settings.value("StopTimeout", problems) else {
        return TIMEOUT;
    };
    match parse_time_span(&value.text) {
        Some(TimeSpan::Finite(span)) => span,
        _ => {
            problems.push(
                value
                    .error("this is not a time")
                    .help("write seconds, such as 30, or 1min 30s"),
            );
            TIMEOUT
        }
    }
}

fn no_time(value: &Value) -> Problem {
    let problem = value.error("StopTimeout=0 leaves no time for this");
    problem.help("write a longer StopTimeout=, or leave this out")
}

fn escalate(settings: &Settings, timeout: Duration, problems: &mut Vec<Problem>) -> Vec<Escalation> {
    let mut steps: Vec<Escalation> = Vec::new();
    for value in settings.values("StopEscalate", problems) {
        if timeout.is_zero() {
            problems.push(no_time(&value));
            continue;
        }
        let Some((name, moment)) = value.text.split_once('@') else {
            let problem = value.error("this does not say when");
            problems.push(problem.help("write SIGNAL@PERCENT or SIGNAL@TIME, such as QUIT@70% or QUIT@7s"));
            continue;
        };
        let Some(signal) = signal::parse(name, &value, problems) else {
            continue;
        };
        if !signal.can_be_handled() {
            let problem = value.error(format!("{signal} cannot be handled by any program"));
            problems.push(problem.help("leave it out: SIGKILL follows at the end of StopTimeout="));
            continue;
        }
        let Some(after) = moment_of(moment, timeout) else {
            let problem = value.error(format!("`{moment}` is neither a share nor a time"));
            problems.push(problem.help("write SIGNAL@PERCENT or SIGNAL@TIME, such as QUIT@70% or QUIT@7s"));
            continue;
        };
        if after.is_zero() || after >= timeout {
            let problem = value.error("this is not between the stop signal and the end of StopTimeout=");
            problems.push(problem.help("write a share from 1% to 99%, or a time below StopTimeout="));
        } else if steps.last().is_some_and(|last| last.after >= after) {
            let problem = value.error("this is not later than the signal before it");
            problems.push(problem.help("write the signals in the order in which they are sent"));
        } else {
            steps.push(Escalation { signal, after });
        }
    }
    steps
}

/// A moment of the timeout: `70%`, or a time.
fn moment_of(text: &str, timeout: Duration) -> Option<Duration> {
    if let Some(percent) = text.strip_suffix('%') {
        let all_digits = !percent.is_empty() && percent.bytes().all(|byte| byte.is_ascii_digit());
        let percent: u32 = percent.parse().ok().filter(|_| all_digits)?;
        return timeout.checked_mul(percent).map(|product| product / 100);
    }
    match parse_time_span(text)? {
        TimeSpan::Finite(span) => Some(span),
        TimeSpan::Infinite => None,
    }
}

fn repeat(settings: &Settings, timeout: Duration, problems: &mut Vec<Problem>) -> u32 {
    let Some(value) = settings.value("StopRepeat", problems) else {
        return 0;
    };
    let number = value.text.parse().ok().filter(|number| *number <= MOST_REPEATS);
    let Some(number) = number else {
        let problem = value.error("this is not how often a signal can be sent again");
        problems.push(problem.help(format!("write a number from 0 to {MOST_REPEATS}")));
        return 0;
    };
    if number > 0 && timeout.is_zero() {
        problems.push(no_time(&value));
    }
    number
}
