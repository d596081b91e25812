//! Signals in `[Container]`: those that are sent to the program, and what signals sent to the pod become.

use super::section::{Settings, Value};
use crate::diagnostic::Problem;
use crate::model::{Signal, SignalMap};

/// Reads the name of a signal, which is `text` or a part of it.
pub(super) fn parse(text: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Signal> {
    let signal = text.parse();
    if let Err(error) = &signal {
        problems.push(value.error(error));
    }
    signal.ok()
}

/// `StopSignal=`. SIGKILL stops any program; SIGSTOP does not end one.
pub(super) fn stop(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Signal> {
    let can_stop = |signal: Signal| signal.can_be_handled() || signal == Signal::KILL;
    sent(settings, "StopSignal", can_stop, problems)
}

/// `ReloadSignal=` and `ReloadCmd=`, of which there is one at most.
pub(super) fn reload(settings: &Settings, problems: &mut Vec<Problem>) -> (Option<Signal>, Option<String>) {
    let signal = sent(settings, "ReloadSignal", Signal::can_be_handled, problems);
    let command = settings.text("ReloadCmd", problems);
    if let (Some(command), Some(by_signal)) = (&command, settings.value("ReloadSignal", &mut Vec::new())) {
        let problem = command.error("the container is reloaded by ReloadSignal= already");
        let problem = problem.other(by_signal.place(), "the signal");
        problems.push(problem.help("remove ReloadCmd= or ReloadSignal="));
    }
    (signal, command.map(|command| command.text))
}

fn sent(
    settings: &Settings,
    key: &str,
    is_right: fn(Signal) -> bool,
    problems: &mut Vec<Problem>,
) -> Option<Signal> {
    let value = settings.value(key, problems)?;
    let signal = parse(&value.text, &value, problems)?;
    if !is_right(signal) {
        let problem = value.error(format!("{signal} cannot be handled by any program"));
        problems.push(problem.help("write a signal that the program knows, such as HUP or TERM"));
    }
    Some(signal)
}

/// `SignalMap=`.
pub(super) fn map(settings: &Settings, problems: &mut Vec<Problem>) -> SignalMap {
    let mut map = SignalMap::new();
    for value in settings.values("SignalMap", problems) {
        let Some((from, to)) = value.text.split_once(':') else {
            let problem = value.error("this maps nothing");
            problems.push(problem.help("write FROM:TO such as HUP:USR1, or USR2:none"));
            continue;
        };
        let Some(from) = parse(from, &value, problems) else {
            continue;
        };
        if !from.is_routed() {
            let problem = value.error(format!("{from} sent to a pod never reaches its containers"));
            problems.push(problem.help("map HUP, USR1, USR2, WINCH or RTMIN+n"));
        }
        if to == "none" {
            map.insert(from, None);
        } else if let Some(to) = parse(to, &value, problems) {
            if !to.can_be_handled() {
                let problem = value.error(format!("{to} cannot be handled by any program"));
                problems.push(problem.help("map to a signal that the program knows, or to none"));
            }
            map.insert(from, Some(to));
        }
    }
    map
}
