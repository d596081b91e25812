//! `ReadyProbe=`, `LiveProbe=`, `StartupProbe=` and Quadlet's `Health…=` → [`Probes`].
//!
//! Quadlet's health check and `LiveProbe=` are one probe, and so are its startup health check and `StartupProbe=`: each
//! setting of it can be written with either name, once. The defaults are those of the name that the check has: Podman's
//! for a `HealthCmd=`.

use super::section::{self, Settings, Value};
use crate::diagnostic::Problem;
use crate::model::probe::Http;
use crate::model::{Check, OnFailure, Probe, Probes, Ready};
use crate::unitfile::value::{TimeSpan, parse_time_span};
use std::net::IpAddr;
use std::time::Duration;

/// The shortest time between two checks: what is quicker keeps a processor busy.
const SHORTEST: Duration = Duration::from_millis(100);
/// More failures or passes in a row are a mistake.
const MOST: u32 = 10_000;

/// What a probe is like if its definition does not say.
#[derive(Debug, Clone, Copy)]
struct Defaults {
    interval: Duration,
    timeout: Duration,
    retries: u32,
    on_failure: OnFailure,
}

/// Those of our own names.
const OWN: Defaults = Defaults {
    interval: Duration::from_secs(10),
    timeout: Duration::from_secs(5),
    retries: 3,
    on_failure: OnFailure::Restart,
};
/// Those of Quadlet's, which are Podman's (podman-run(1)).
const PODMAN: Defaults = Defaults {
    interval: Duration::from_secs(30),
    timeout: Duration::from_secs(30),
    retries: 3,
    on_failure: OnFailure::None,
};

/// The names of the settings of one probe, ours first; none for what it does not have.
#[derive(Debug)]
struct Names {
    check: &'static [&'static str],
    interval: &'static [&'static str],
    timeout: &'static [&'static str],
    retries: &'static [&'static str],
    success: &'static [&'static str],
    start_period: &'static [&'static str],
    on_failure: &'static [&'static str],
}

const STARTUP: Names = Names {
    check: &["StartupProbe", "HealthStartupCmd"],
    interval: &["StartupInterval", "HealthStartupInterval"],
    timeout: &["StartupTimeout", "HealthStartupTimeout"],
    retries: &["StartupRetries", "HealthStartupRetries"],
    success: &["StartupSuccess", "HealthStartupSuccess"],
    start_period: &[],
    on_failure: &[],
};
const READY: Names = Names {
    check: &["ReadyProbe"],
    interval: &["ReadyInterval"],
    timeout: &["ReadyTimeout"],
    retries: &["ReadyRetries"],
    success: &["ReadySuccess"],
    start_period: &[],
    on_failure: &[],
};
const LIVE: Names = Names {
    check: &["LiveProbe", "HealthCmd"],
    interval: &["LiveInterval", "HealthInterval"],
    timeout: &["LiveTimeout", "HealthTimeout"],
    retries: &["LiveRetries", "HealthRetries"],
    success: &[],
    start_period: &["HealthStartPeriod"],
    on_failure: &["LiveOnFailure", "HealthOnFailure"],
};

/// Reads all probes of a container, and looks whether `ready`, which `Notify=` says, goes with them.
pub(super) fn read(settings: &Settings, ready: Ready, problems: &mut Vec<Problem>) -> Probes {
    let startup = probe(&STARTUP, Defaults { retries: 0, ..OWN }, settings, problems);
    let before = problems.len();
    let live = probe(&LIVE, OWN, settings, problems);
    let is_wrong = problems.len() > before;
    let probes = Probes {
        startup: startup.map(|(probe, _)| probe),
        ready: probe(&READY, OWN, settings, problems).map(|(probe, _)| probe),
        on_failure: live
            .as_ref()
            .map_or_else(OnFailure::default, |(_, action)| *action),
        live: live.map(|(probe, _)| probe),
    };
    if ready == Ready::Healthy
        && probes.live.is_none()
        && !is_wrong
        && let Some(value) = settings.value("Notify", problems)
    {
        let problem = value.error("the container has no health check that could pass");
        problems
            .push(problem.help("write HealthCmd= or LiveProbe=; a check that an image brings is not run"));
    }
    probes
}

/// One probe and what is done when it fails; nothing if the container does not have it.
fn probe(
    names: &Names,
    own: Defaults,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Option<(Probe, OnFailure)> {
    let Some((name, value)) = one(names.check, settings, problems) else {
        without_check(names, settings, problems);
        return None;
    };
    let defaults = match name.starts_with("Health") {
        true => Defaults {
            retries: own.retries,
            ..PODMAN
        },
        false => own,
    };
    let check = check(name, &value, problems);
    let interval = match one(names.interval, settings, problems) {
        // Podman's words for a check that is only made by hand.
        Some((_, value)) if ["disable", "0", "0s"].contains(&value.text.as_str()) => return None,
        Some((_, value)) => time(&value, SHORTEST, problems),
        None => defaults.interval,
    };
    let least = u32::from(own.retries > 0);
    let probe = Probe {
        check: check?,
        interval,
        timeout: one(names.timeout, settings, problems).map_or(defaults.timeout, |(_, value)| {
            time(&value, Duration::from_millis(1), problems)
        }),
        retries: one(names.retries, settings, problems)
            .map_or(defaults.retries, |(_, value)| number(&value, least, problems)),
        // To Podman, 0 is any success.
        success: one(names.success, settings, problems)
            .map_or(1, |(_, value)| number(&value, 0, problems).max(1)),
        start_period: one(names.start_period, settings, problems).map_or(Duration::ZERO, |(_, value)| {
            time(&value, Duration::ZERO, problems)
        }),
    };
    let on_failure = one(names.on_failure, settings, problems)
        .map_or(defaults.on_failure, |(_, value)| on_failure(&value, problems));
    Some((probe, on_failure))
}

/// The value of the one of `names` that is set.
fn one<'a>(
    names: &[&'static str],
    settings: &Settings<'a>,
    problems: &mut Vec<Problem>,
) -> Option<(&'static str, Value<'a>)> {
    let mut found: Vec<(&'static str, Value<'a>)> = Vec::new();
    for name in names {
        found.extend(settings.value(name, problems).map(|value| (*name, value)));
    }
    if let [(first, one), (second, other)] = found.as_slice() {
        let message = format!("{first}= and {second}= are two names for one setting");
        let problem = Problem::error(other.place(), message).other(one.place(), "the first one");
        problems.push(problem.help("remove one of them"));
    }
    found.into_iter().next()
}

/// What is said of a probe without a check says nothing.
fn without_check(names: &Names, settings: &Settings, problems: &mut Vec<Problem>) {
    let others = [
        names.interval,
        names.timeout,
        names.retries,
        names.success,
        names.start_period,
        names.on_failure,
    ];
    for name in others.into_iter().flatten() {
        if let Some(value) = settings.value(name, problems) {
            let checks: Vec<String> = names.check.iter().map(|name| format!("{name}=")).collect();
            let message = format!("this has no effect: the container has no {}", checks.join(" or "));
            problems.push(
                value
                    .warning(message)
                    .help(format!("remove {name}=, or add a check")),
            );
        }
    }
}

/// Reads a check; none for `none`, which Podman has for "not that of the image".
fn check(name: &str, value: &Value, problems: &mut Vec<Problem>) -> Option<Check> {
    let text = value.text.as_str();
    // To Quadlet these would be commands, and nobody calls a command so.
    let own = !name.starts_with("Health");
    let check = match text.split_once(':') {
        Some(("tcp", port)) if own => tcp(port),
        Some(("http", address)) if own => http(address),
        Some(("unix", path)) if own => unix(path),
        _ => {
            problems.extend(section::unknown_specifier(value));
            return command(value, problems);
        }
    };
    if let Err(help) = &check {
        problems.push(value.error("this cannot be looked at").help(*help));
    }
    check.ok()
}

/// Reads a command in Podman's forms: a JSON list, `CMD` and words, `CMD-SHELL` and a line, or just a line.
fn command(value: &Value, problems: &mut Vec<Problem>) -> Option<Check> {
    let mut wrong = |message: &str| {
        let problem = value.error(message);
        problems.push(problem.help("write a command, or a list such as [\"CMD\", \"/bin/check\", \"-q\"]"));
        None
    };
    let text = value.text.as_str();
    if !text.starts_with('[') {
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        return match first.to_ascii_uppercase().as_str() {
            "NONE" => None,
            "CMD" | "CMD-SHELL" if rest.is_empty() => wrong("there is no command behind this word"),
            "CMD" => Some(Check::Exec(rest.split_whitespace().map(str::to_owned).collect())),
            "CMD-SHELL" => Some(Check::Shell(rest.to_owned())),
            _ => Some(Check::Shell(text.to_owned())),
        };
    }
    let Ok(mut words) = serde_json::from_str::<Vec<String>>(text) else {
        return wrong("this begins like a JSON list, but is no list of texts");
    };
    if words.iter().any(|word| word.contains('\0')) {
        return wrong("a NUL character cannot be in a command");
    }
    let first = words.first().map(|word| word.to_ascii_uppercase());
    let form = first.filter(|word| ["NONE", "CMD", "CMD-SHELL"].contains(&word.as_str()));
    if form.is_some() {
        words.remove(0);
    }
    match (form.as_deref(), words.as_slice()) {
        (Some("NONE"), _) => None,
        (_, []) => wrong("there is no command in this list"),
        (Some("CMD"), _) => Some(Check::Exec(words)),
        (Some(_), _) | (None, [_]) => Some(Check::Shell(words.join(" "))),
        (None, _) => Some(Check::Exec(words)),
    }
}

fn tcp(port: &str) -> Result<Check, &'static str> {
    port_number(port)
        .map(Check::Tcp)
        .ok_or("write tcp:PORT, such as tcp:5432")
}

fn http(address: &str) -> Result<Check, &'static str> {
    const HELP: &str = "write http://:PORT/PATH, such as http://:8080/healthz; in the place of HOST, which is left \
                        out here, stands an address or localhost";
    let rest = address.strip_prefix("//").ok_or(HELP)?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    // An IPv6 address has colons of its own, and brackets around it.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port_number(port).ok_or(HELP)?),
        _ => (authority, 80),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare.unwrap_or(host) {
        "" | "localhost" => None,
        host => Some(host.parse::<IpAddr>().map_err(|_| HELP)?),
    };
    // What is not a visible character would end the request's first line.
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("write the path with %XX in the place of blanks and of what is not ASCII");
    }
    let path = path.to_owned();
    Ok(Check::Http(Http { host, port, path }))
}

fn unix(path: &str) -> Result<Check, &'static str> {
    let is_good = path.starts_with('/') && !path.split('/').any(|part| part == "..") && !path.contains('\0');
    let path = is_good.then(|| path.to_owned()).map(Check::Unix);
    path.ok_or("write unix:/PATH, an absolute path in the container without `..`")
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

fn time(value: &Value, least: Duration, problems: &mut Vec<Problem>) -> Duration {
    match parse_time_span(&value.text) {
        Some(TimeSpan::Finite(span)) if span >= least => span,
        Some(TimeSpan::Finite(_)) => {
            problems.push(
                value
                    .error("this is too short")
                    .help(format!("write at least {}", TimeSpan::Finite(least))),
            );
            least
        }
        _ => {
            let problem = value.error("this is not a time");
            problems.push(problem.help("write seconds, such as 5, or 1min 30s"));
            least
        }
    }
}

fn number(value: &Value, least: u32, problems: &mut Vec<Problem>) -> u32 {
    let number = value
        .text
        .parse()
        .ok()
        .filter(|number| (least..=MOST).contains(number));
    number.unwrap_or_else(|| {
        let problem = value.error("this is not how often something can happen");
        problems.push(problem.help(format!("write a number from {least} to {MOST}")));
        least
    })
}

fn on_failure(value: &Value, problems: &mut Vec<Problem>) -> OnFailure {
    match value.text.as_str() {
        "none" => OnFailure::None,
        "kill" => OnFailure::Kill,
        "restart" => OnFailure::Restart,
        "stop" => OnFailure::Stop,
        _ => {
            let problem = value.error("this cannot be done about an unhealthy container");
            problems.push(problem.help("write none, kill, restart or stop"));
            OnFailure::None
        }
    }
}
