//! What is legal in a definition, but probably not what was meant. Only `podunit check` looks for it: the generator has
//! better things to do at each reload. Every kind has a code that stays, by which it can be looked up and switched off.

mod environment;
mod ports;

pub(super) use ports::across;

use super::document::{Definition, Entry, Kind};
use super::heading::{self, Heading};
use super::keys;
use super::port::{self, Ports, Published};
use super::section::{Settings, Value};
use crate::diagnostic::{INVALID, NO_EFFECT, Place, Problem};
use std::collections::BTreeMap;
use std::path::Path;

/// A kind of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lint {
    /// Its name for programs, which stays.
    pub code: &'static str,
    /// What it says, for the manual.
    pub doc: &'static str,
}

const fn lint(code: &'static str, doc: &'static str) -> Lint {
    Lint { code, doc }
}

/// All kinds that only `podunit check` looks for, sorted by code.
pub const LINTS: &[Lint] = &[
    lint(
        "bind-source-missing",
        "the source of a Volume= is not on this host, so that the container would not start; looked for only where the \
         definitions of the running system are checked",
    ),
    lint(
        "health-unread",
        "the result of HealthCmd= changes nothing: neither Notify=healthy waits for it nor does HealthOnFailure= act on it",
    ),
    lint(
        "image-without-tag",
        "an Image= with neither tag nor digest stands for whatever is the latest when it is pulled",
    ),
    lint(
        "port-repeated",
        "another pod publishes the same port of the host: the two cannot run at the same time",
    ),
    lint(
        "restart-policy",
        "Restart= and what is to be done about a failure are at odds, such as OnFailure=stop-pod with Restart=always",
    ),
    lint(
        "secret-in-environment",
        "the value of an Environment= looks like a secret, and everyone who may read the file can read it",
    ),
];

/// Kinds of problems that the reader of definitions finds by itself.
pub const PROBLEMS: &[Lint] = &[
    lint(
        INVALID,
        "an error: the pod, or the other thing that the definition stands for, cannot be made",
    ),
    lint(
        "masked",
        "the file was asked about, and it or its pod is masked by a link to /dev/null",
    ),
    lint(
        "more-problems",
        "there are so many problems that some of them are not shown",
    ),
    lint(NO_EFFECT, "what is written is accepted and changes nothing"),
    lint(
        "unknown-to-systemd",
        "systemd 257 does not know the key, and would ignore it",
    ),
    lint(
        "update-final",
        "AutoUpdate= cannot take a failed update back, since every start pulls the newest image",
    ),
];

/// How far lints go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lints {
    /// Whether the definitions are of the host that this runs on: files that they name are looked for.
    pub of_this_host: bool,
}

/// What a pod and its files are, for lints.
struct Texts<'a> {
    pod: Settings<'a>,
    members: BTreeMap<&'a str, Member<'a>>,
}

#[derive(Default)]
struct Member<'a> {
    heading: String,
    container: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
    unit: Vec<Entry<'a>>,
}

/// Looks at one pod, whose mistakes are known already, and gives the ports that it publishes.
pub(super) fn pod(
    file: Option<&Definition>,
    containers: &[&Definition],
    lints: Lints,
    problems: &mut Vec<Problem>,
) -> Vec<Published> {
    let Texts { pod, members } = texts(file, containers);
    // What is wrong was told when the model was made.
    let mut told = Vec::new();
    let mut ports = Ports::default();
    port::read(&pod, &mut ports, &mut told);
    for member in members.values() {
        let settings = Settings::new(keys::CONTAINER, member.heading.clone(), member.container.clone());
        port::read(&settings, &mut ports, &mut told);
        problems.extend(image(&settings, &mut told));
        problems.extend(health(&settings, &mut told));
        problems.extend(environment::secrets(&settings, &mut told));
        problems.extend(restart(&pod, &settings, member, &mut told));
        if lints.of_this_host {
            problems.extend(sources(&settings, &mut told));
        }
    }
    ports.published
}

fn texts<'a>(file: Option<&'a Definition>, containers: &[&'a Definition]) -> Texts<'a> {
    let mut pod = Vec::new();
    let mut members: BTreeMap<&str, Member> = BTreeMap::new();
    let files = file.into_iter().chain(containers.iter().copied());
    for file in files {
        for (heading, header) in heading::read(file, &mut Vec::new()) {
            // Without a name in a pod's own file, [Unit] and its like are the pod's.
            let own = (file.kind == Kind::Container).then_some(file.base.as_str());
            let entries = header.entries();
            match heading {
                Heading::Pod => pod.extend(entries),
                Heading::Container(name) => {
                    let Some(name) = name.or(own) else { continue };
                    let member = members.entry(name).or_default();
                    member.heading = format!("[{}]", header.name());
                    member.container.extend(entries);
                }
                Heading::Unit(name) => {
                    let Some(name) = name.or(own) else { continue };
                    members.entry(name).or_default().unit.extend(entries);
                }
                Heading::Service(name) => {
                    let Some(name) = name.or(own) else { continue };
                    members.entry(name).or_default().service.extend(entries);
                }
                Heading::Extensions => match own {
                    Some(name) => members.entry(name).or_default().container.extend(entries),
                    None => pod.extend(entries),
                },
                _ => {}
            }
        }
    }
    members.retain(|_, member| !member.heading.is_empty());
    Texts {
        pod: Settings::new(keys::POD, "[Pod]".to_owned(), pod),
        members,
    }
}

fn image(settings: &Settings, told: &mut Vec<Problem>) -> Option<Problem> {
    let image = settings.value("Image", told)?;
    let text = image.text.as_str();
    let is_unit = [".image", ".build"].iter().any(|suffix| text.ends_with(suffix));
    let last = text.rsplit('/').next().unwrap_or_default();
    if is_unit || text.contains(['@', '%']) || last.contains(':') {
        return None;
    }
    let problem = image.warning("this image has no tag: it is whatever is the latest when it is pulled");
    let help = format!("write the version that you mean, such as {text}:1.2, or {text}:latest");
    Some(problem.help(help).code("image-without-tag"))
}

fn health(settings: &Settings, told: &mut Vec<Problem>) -> Option<Problem> {
    let check = settings
        .value("HealthCmd", told)
        .filter(|check| !check.text.eq_ignore_ascii_case("none"))?;
    let is = |key, value: &str| {
        settings
            .value(key, &mut Vec::new())
            .is_some_and(|found| found.text == value)
    };
    let acts = settings
        .value("HealthOnFailure", told)
        .is_some_and(|action| action.text != "none");
    if acts || is("Notify", "healthy") || is("HealthInterval", "disable") {
        return None;
    }
    let problem = check.warning("nothing comes of the result of this check");
    let help = "write Notify=healthy, so that the container is ready when it passes, or HealthOnFailure=kill or restart";
    Some(problem.help(help).code("health-unread"))
}

/// `Restart=` beside what is to be done about a failure.
fn restart(pod: &Settings, settings: &Settings, member: &Member, told: &mut Vec<Problem>) -> Vec<Problem> {
    let last = |entries: &[Entry], key: &str| {
        let entry = entries.iter().rev().find(|entry| entry.key() == key);
        entry.map(|entry| (entry.value().to_owned(), entry.value_place()))
    };
    let mut problems = Vec::new();
    let Some((restart, place)) = last(&member.service, "Restart") else {
        return problems;
    };
    let warn = |message: String, place: Place| Problem::warning(place, message).code("restart-policy");
    if let Some(policy) = pod
        .value("OnFailure", told)
        .filter(|policy| policy.text != "isolate")
    {
        // [Unit] is its place; systemd takes the old names from [Service] too.
        let limit = last(&member.unit, "StartLimitIntervalSec")
            .or_else(|| last(&member.service, "StartLimitInterval"));
        let policy_place = policy.place();
        let policy = format!("OnFailure={}", policy.text);
        let is_endless = limit.filter(|(limit, _)| limit == "0" && restart != "no");
        if let Some((_, place)) = is_endless {
            let message = format!(
                "without a start limit this container never fails for good, so that {policy} never acts"
            );
            let problem = warn(message, place).other(policy_place, "the policy");
            problems.push(problem.help("remove StartLimitIntervalSec=0, or write Restart=no"));
        } else if restart == "always" {
            let message = format!(
                "Restart=always: the container is started again whenever it ends, so that {policy} acts only when systemd \
                 gives up, after twenty starts in ten seconds if nothing else is written"
            );
            let problem = warn(message, place.clone()).other(policy_place, "the policy");
            problems.push(
                problem.help("write Restart=no, so that the first failure counts, or remove OnFailure="),
            );
        }
    }
    for key in ["HealthOnFailure", "LiveOnFailure"] {
        let action = settings.value(key, told).filter(|action| action.text == "kill");
        if let Some(action) = action.filter(|_| ["no", "on-success"].contains(&restart.as_str())) {
            let message =
                format!("Restart={restart}: a container that {key}=kill has ended is not started again");
            let problem = warn(message, place.clone()).other(action.place(), "it is ended by this");
            problems.push(problem.help(format!(
                "write Restart=on-failure, or {key}=stop if it is to stay down"
            )));
        }
    }
    problems
}

/// Sources of `Volume=` that are not there.
fn sources(settings: &Settings, told: &mut Vec<Problem>) -> Vec<Problem> {
    let missing = |value: &Value| {
        let source = value.text.split(':').next().unwrap_or_default();
        let path = super::mount::host_path(source, value.folder()).filter(|path| !path.contains('%'))?;
        // Only what is known not to be there.
        let error = Path::new(&path).symlink_metadata().err()?;
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let problem = || {
            let problem = value.warning(format!("there is no {path} on this host"));
            let help = format!(
                "make it before the pod starts: mkdir -p {path}, or write what makes it in tmpfiles.d(5)"
            );
            problem.help(help).code("bind-source-missing")
        };
        is_missing.then(problem)
    };
    let values = settings.values("Volume", told);
    values.iter().filter_map(missing).collect()
}
