//! `[Unit]`, `[Service]` and `[Install]`, which systemd owns: checked, names in them resolved, passed on.

use super::document::Entry;
use super::keys::{self, INSTALL};
use super::refused::{self, Owner};
use super::section::short;
use super::{instance, relation, systemd_keys};
use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem, Severity};
use crate::model::{Directive, MemberName, PodName, Request, ResourceName, SharedNetwork};
use crate::unitfile::value::{TimeSpan, parse_time_span};
use crate::unitfile::words;
use crate::unitfile::write::unit_name_is_valid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Keys of `[Unit]` with names of units that may stand in `[Container …]` too.
pub const SHORT: [&str; 3] = ["After", "Requires", "Wants"];

/// systemd's `DefaultTimeoutStartSec=`.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Names that all definitions together give.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Pods, masked and broken ones too.
    pub(super) pods: BTreeSet<String>,
    /// Containers that have a file of their own, and their pods.
    pub(super) containers: BTreeMap<String, String>,
    /// Containers that are pods of their own.
    pub(super) lone: BTreeSet<String>,
    /// Files of volumes, and what the volumes are called.
    pub(super) volumes: BTreeMap<String, String>,
    /// Files of images, and what they ask for; nothing for one with an error.
    pub(super) images: BTreeMap<String, Option<Request>>,
    /// Networks that have a file of their own, broken ones as nothing.
    pub(super) networks: BTreeMap<String, Option<SharedNetwork>>,
    /// Their files, by what Podman calls them.
    pub(super) network_names: BTreeMap<String, String>,
    /// What they have that another has, by file.
    pub(super) network_clashes: BTreeMap<String, Vec<Problem>>,
}

/// Whose sections are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'c> {
    /// The pod; `None` for what is none.
    pub(super) pod: Option<&'c PodName>,
    /// The member; `None` for the pod itself.
    pub(super) member: Option<&'c MemberName>,
    /// All members of the pod, sorted.
    pub(super) members: &'c [MemberName],
    /// Whether systemd knows which instance the unit is: the file is a template or an instance.
    pub(super) has_instance: bool,
    /// All definitions.
    pub(super) known: &'c Known,
}

impl Known {
    /// What the volume of a file is called, and whose unit makes it. Of a template the name may be followed by an
    /// instance.
    pub(super) fn volume(&self, base: &str) -> Option<(String, ResourceName)> {
        let base = instance::named(base);
        let name = ResourceName::new(&*base).ok()?;
        let template = || self.volumes.get(name.template()?.as_str());
        let volume = self.volumes.get(&base).or_else(template)?;
        // In a container of another instance, or of none, it would stand for something else.
        let volume = match base.split_once('@') {
            Some((_, instance)) if !instance.is_empty() => volume.replace("%i", instance),
            _ => volume.clone(),
        };
        Some((volume, name))
    }
}

/// "`first` starts before `then`", as a definition has it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Name of the member that starts first.
    pub(super) first: String,
    /// Name of the member that starts after it.
    pub(super) then: String,
    /// Where this is written, or what makes it so.
    pub(super) place: Place,
    /// Why.
    pub(super) why: Why,
}

/// Why one starts before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// `After=` or `Before=`.
    Written,
    /// The first is an init member.
    Init,
    /// The first is a sidecar.
    Sidecar,
    /// The second has the first one's network.
    Network,
}

/// Reads `[Unit]`: the directives to pass on, and the order among members that they ask for.
pub(super) fn unit(
    entries: &[Entry],
    context: Context,
    problems: &mut Vec<Problem>,
) -> (Vec<Directive>, Vec<Order>) {
    let mut orders = Vec::new();
    let mut directives = Vec::new();
    for entry in entries {
        if !is_passed_on(*entry, problems) {
            continue;
        }
        if let Some(refusal) = refused::in_unit(entry.key()) {
            problems.push(refuse(*entry, refusal));
        } else if let Some(problem) = unknown(*entry, "Unit", refused::in_unit) {
            directives.extend((problem.severity == Severity::Warning).then(|| directive(*entry)));
            problems.push(problem);
        } else if relation::is_relation(entry.key()) {
            directives.push(relation::read(*entry, context, &mut orders, problems));
        } else {
            directives.push(directive(*entry));
        }
    }
    (directives, orders)
}

/// Reads `[Service]`: the directives to pass on.
pub(super) fn service(entries: &[Entry], owner: Owner, problems: &mut Vec<Problem>) -> Vec<Directive> {
    let mut directives = Vec::new();
    for entry in entries {
        if !is_passed_on(*entry, problems) {
            continue;
        }
        if let Some(known) = refused::without_effect(entry.key(), entry.value(), owner) {
            let message = format!("{}= has no effect: {}", entry.key(), known.why);
            problems.push(Problem::warning(entry.key_place(), message).help(known.instead));
        } else if let Some(refusal) = refused::in_service(entry.key(), owner) {
            problems.push(refuse(*entry, refusal));
        } else if let Some(problem) = unknown(*entry, "Service", |key| refused::in_service(key, owner)) {
            directives.extend((problem.severity == Severity::Warning).then(|| directive(*entry)));
            problems.push(problem);
        } else {
            directives.push(directive(*entry));
        }
    }
    directives
}

/// What makes a unit wait until the network is online.
pub(super) fn after_network() -> [Directive; 2] {
    ["Wants", "After"].map(|key| Directive::new(key, "network-online.target"))
}

/// Reads `[Install]` of what is called `name`: the directives from which the generator makes links. Those with an error
/// are left out.
pub(super) fn install(
    entries: &[Entry],
    name: &str,
    is_pod: bool,
    problems: &mut Vec<Problem>,
) -> Vec<Directive> {
    let is_template = name.ends_with('@');
    let mut directives = Vec::new();
    for entry in entries {
        let key = entry.key();
        if !INSTALL.contains(&key) {
            if !key.starts_with("X-") {
                let message = format!("there is no key `{}` in [Install]", short(key));
                let help = nearest::nearest(key, INSTALL.iter().copied())
                    .map(|near| format!("did you mean {near}=?"));
                problems.push(Problem {
                    help,
                    ..Problem::error(entry.key_place(), message)
                });
            }
            continue;
        }
        if key == "DefaultInstance" && name.contains('@') {
            directives.extend(default_instance(*entry, name, is_pod, problems));
            continue;
        }
        if ["Also", "DefaultInstance"].contains(&key) {
            let message = format!("{key}= has no effect: the links of a unit are made at each reload");
            problems.push(Problem::warning(entry.key_place(), message));
            continue;
        }
        let mut names = Vec::new();
        let mut is_whole = true;
        for (name, place) in words_of(*entry, problems) {
            // An alias is a name of the same kind.
            let is_like_the_unit = !is_template || name.ends_with("@.service");
            let fits = unit_name_is_valid(&name)
                && (key != "Alias" || name.ends_with(".service") && is_like_the_unit);
            if !fits {
                let what = if key == "Alias" {
                    "a name for a service"
                } else {
                    "the name of a unit"
                };
                let help = if key == "Alias" && is_template {
                    "write a name such as web@.service, since this is a template"
                } else if key == "Alias" {
                    "write a name such as web.service"
                } else {
                    "write a name such as multi-user.target"
                };
                problems.push(Problem::error(place, format!("`{}` is not {what}", short(&name))).help(help));
                is_whole = false;
            }
            names.push(name);
        }
        if is_whole {
            directives.push(Directive::new(key, names.join(" ")));
        }
    }
    directives
}

/// The instance as which a template is started by what wants it. An instance does not need it.
fn default_instance(
    entry: Entry,
    name: &str,
    is_pod: bool,
    problems: &mut Vec<Problem>,
) -> Option<Directive> {
    if entry.value().is_empty() || !name.ends_with('@') {
        return None;
    }
    let instance = PodName::new(format!("{name}{}", entry.value()));
    let (message, help) = match instance {
        Ok(instance) if !is_pod || !instance.needs_own_units() => return Some(directive(entry)),
        Ok(instance) => (
            "an instance with `-` or `@` in its name needs a definition".to_owned(),
            format!(
                "remove this, and make a link to the file of {name} that is called {instance}, with the same ending"
            ),
        ),
        Err(error) => (
            error.to_string(),
            "write the part behind the `@`, such as DefaultInstance=main".to_owned(),
        ),
    };
    let message = format!("DefaultInstance={}: {message}", short(entry.value()));
    problems.push(Problem::error(entry.value_place(), message).help(help));
    None
}

/// Takes `TimeoutStartSec=` out of the pod's directives: the supervisor keeps that time itself.
pub(super) fn start_timeout(entries: &mut Vec<Entry>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let (own, rest): (Vec<Entry>, Vec<Entry>) =
        entries.iter().partition(|entry| entry.key() == "TimeoutStartSec");
    *entries = rest;
    let Some(entry) = own.last().filter(|entry| !entry.value().is_empty()) else {
        return Some(START_TIMEOUT);
    };
    match parse_time_span(entry.value()) {
        // As in systemd, no time is no limit.
        Some(TimeSpan::Finite(Duration::ZERO) | TimeSpan::Infinite) => None,
        Some(TimeSpan::Finite(span)) => Some(span),
        None => {
            let message = format!("TimeoutStartSec={}: this is not a time", short(entry.value()));
            let problem = Problem::error(entry.value_place(), message);
            problems.push(problem.help("write a time such as 90s or 5min, or infinity"));
            None
        }
    }
}

fn directive(entry: Entry) -> Directive {
    Directive::new(entry.key(), entry.value())
}

fn refuse(entry: Entry, refusal: refused::Refusal) -> Problem {
    let message = format!("{}= cannot be set: {}", entry.key(), refusal.why);
    Problem::error(entry.key_place(), message).help(refusal.instead)
}

/// What is wrong with a key that systemd does not know. One that looks like a mistake is an error, since systemd would
/// go on without it; any other may be of a newer systemd, and is passed on with a warning.
fn unknown(
    entry: Entry,
    section: &str,
    refusal: impl Fn(&str) -> Option<refused::Refusal>,
) -> Option<Problem> {
    let key = entry.key();
    let table = if section == "Unit" {
        systemd_keys::UNIT
    } else {
        systemd_keys::SERVICE
    };
    if table.contains(&key) {
        return None;
    }
    let near = || {
        let (_, near) = nearest::near(key, table.iter().copied(), nearest::FEW_EDITS)?;
        Some(match refusal(near) {
            Some(refusal) => format!("did you mean {near}=? It cannot be set: {}", refusal.instead),
            None => format!("did you mean {near}=?"),
        })
    };
    let place = entry.key_place();
    Some(
        match keys::help_for_misplaced(&format!("[{section}]"), key).or_else(near) {
            Some(help) => {
                let message = format!("there is no key `{}` in [{section}]", short(key));
                Problem::error(place, message).help(help)
            }
            None => {
                let key = short(key);
                let message = format!("systemd 257 does not know {key}= in [{section}], and would ignore it");
                let problem = Problem::warning(place, message).help(keys::REMOVE);
                problem.code("unknown-to-systemd")
            }
        },
    )
}

/// Whether the key can stand in a unit file, and the value behind it.
fn is_passed_on(entry: Entry, problems: &mut Vec<Problem>) -> bool {
    let key = entry.key();
    if key.starts_with("X-") {
        return false;
    }
    let is_key =
        key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_key {
        let message = format!("`{}` is not a key of systemd", short(key));
        problems.push(Problem::error(entry.key_place(), message).help("keys have letters and digits only"));
        return false;
    }
    if entry.value().ends_with('\\') {
        let end = entry.value().len();
        let message = format!("{key}= ends with a backslash, which would join the next line to it");
        problems.push(Problem::error(entry.place_of(end - 1, end), message).help("remove the backslash"));
        return false;
    }
    true
}

pub(super) fn words_of(entry: Entry, problems: &mut Vec<Problem>) -> Vec<(String, Place)> {
    match words::split_plain(entry.value()) {
        Ok(words) => words
            .into_iter()
            .map(|word| (word.text, entry.place_of(word.start, word.end)))
            .collect(),
        Err(error) => {
            let message = format!("{}=: {}", entry.key(), error.message);
            problems.push(Problem::error(entry.place_of(error.start, error.end), message));
            Vec::new()
        }
    }
}
