//! `NAME.pod`, with the containers that belong to it → [`Pod`].

use super::directive::{self, Context, Known};
use super::document::{Definition, Entry};
use super::heading::{self, Heading};
use super::member::{self, Member};
use super::port::{self, Ports};
use super::refused::Owner;
use super::resolve;
use super::section::{self, Settings, short};
use super::{instance, keys, lifecycle, limit, names, network, share, surroundings};
use crate::diagnostic::Problem;
use crate::model::{MemberName, Pod, PodName, SCHEMA_VERSION};
use std::collections::BTreeMap;

/// Podman's `--shm-size`: 64 MiB.
const SHM_SIZE: u64 = 64 << 20;

/// Sections of a pod's file, by what they are about.
#[derive(Debug, Default)]
struct Sections<'a> {
    pod: Vec<Entry<'a>>,
    quadlet: Vec<Entry<'a>>,
    extensions: Vec<Entry<'a>>,
    unit: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
    install: Vec<Entry<'a>>,
    members: BTreeMap<&'a str, member::Sections<'a>>,
}

/// Reads a pod whole. If any of the problems is an error, the pod must not be used.
pub(super) fn read(
    name: PodName,
    definition: &Definition,
    containers: &[&Definition],
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Pod {
    let mut sections = sort(definition, problems);
    let extensions = std::mem::take(&mut sections.extensions);
    sections
        .pod
        .extend(section::extensions(keys::POD, "[Pod]", extensions, problems));
    let settings = Settings::new(keys::POD, "[Pod]".to_owned(), std::mem::take(&mut sections.pod));
    settings.check_keys(problems);
    let mut pod = own(name, definition, &settings, known, problems);
    let mut ports = Ports::default();
    port::read(&settings, &mut ports, problems);
    let waits = member::waits_for_network(std::mem::take(&mut sections.quadlet), problems);
    pod.start_timeout = directive::start_timeout(&mut sections.service, problems);

    let is_empty = sections.members.is_empty() && containers.is_empty();
    if is_empty && !definition.documents.is_empty() {
        let help = format!(
            "add [Container NAME], or a file NAME.container with Pod={}.pod",
            pod.name
        );
        problems.push(Problem::error(definition.place(), "the pod has no container").help(help));
    }
    let own = sections
        .members
        .iter()
        .filter(|(_, parts)| !parts.headers.is_empty())
        .map(|(name, _)| *name);
    let names: Vec<&str> = own
        .chain(containers.iter().map(|file| file.base.as_str()))
        .collect();
    let inherited = settings.entries_of(member::INHERITED);
    let mut members = Vec::new();
    for (name, parts) in std::mem::take(&mut sections.members) {
        if parts.headers.is_empty() {
            member::without_container(name, &parts.others, &names, containers, problems);
        } else {
            let member =
                member::from_section(name, parts, definition, &inherited, known, &mut ports, problems);
            if let Some(member) = &member {
                member::check_pod(member, &pod.name, problems);
            }
            members.extend(member);
        }
    }
    for file in containers {
        members.extend(member::from_file(file, &inherited, known, &mut ports, problems));
    }
    members.sort_by(|a, b| a.container.name.cmp(&b.container.name));
    resolve::one_of_each_name(&members, problems);
    resolve::volumes_have_instances(&pod.name, &members, problems);
    resolve::unit_names_fit(&pod.name, &members, problems);
    network::check(&pod, &settings, known, &ports, problems);
    pod.instance_ports = ports.settle(&pod.name, problems);
    port::check(&ports.published, problems);
    surroundings::check(&mut pod, &settings, &members, problems);

    relate(&mut pod, &sections, &mut members, known, problems);
    if waits {
        pod.units.unit.extend(directive::after_network());
    }
    pod.ports = ports.published.into_iter().map(|(port, _)| port).collect();
    pod.members = members.into_iter().map(|member| member.container).collect();
    resolve::aliases_are_free(&pod, problems);
    pod
}

/// Sorts the sections of a pod's file by what they are about.
fn sort<'a>(definition: &'a Definition, problems: &mut Vec<Problem>) -> Sections<'a> {
    let mut sections = Sections::default();
    for (heading, header) in heading::read(definition, problems) {
        let entries = header.entries();
        match heading {
            Heading::Pod => sections.pod.extend(entries),
            Heading::Quadlet => sections.quadlet.extend(entries),
            Heading::Extensions => sections.extensions.extend(entries),
            Heading::Install => sections.install.extend(entries),
            Heading::Unit(None) => sections.unit.extend(entries),
            Heading::Service(None) => sections.service.extend(entries),
            // A container without a name is a problem of its header.
            Heading::Container(None) | Heading::Own => {}
            Heading::Container(Some(name)) => {
                let member = sections.members.entry(name).or_default();
                // Drop-ins add to a container; within one file, a second one of its name is a mistake.
                let first = member.headers.iter().find(|other| other.is_beside(header));
                if let Some(first) = first {
                    let message = format!("the pod has two containers called `{}`", short(name));
                    let problem =
                        Problem::error(header.place(), message).other(first.place(), "the first one");
                    problems.push(problem.help("rename one of them, or write their keys into one section"));
                }
                member.headers.push(header);
                member.container.extend(entries);
            }
            Heading::Unit(Some(name)) => {
                let member = sections.members.entry(name).or_default();
                member.others.push(header);
                member.unit.extend(entries);
            }
            Heading::Service(Some(name)) => {
                let member = sections.members.entry(name).or_default();
                member.others.push(header);
                member.service.extend(entries);
            }
        }
    }
    sections
}

/// What `[Pod]` says, or `[Container]` of a container that is a pod of its own.
pub(super) fn own(
    name: PodName,
    definition: &Definition,
    settings: &Settings,
    known: &Known,
    problems: &mut Vec<Problem>,
) -> Pod {
    if let Some(value) = settings
        .value("PodName", problems)
        .filter(|value| value.text != name.as_str())
    {
        problems.push(value.warning(format!(
            "this has no effect: the pod is named after its file, and called `{name}` by commands"
        )));
    }
    let labels = settings.pairs("Label", problems);
    Pod {
        version: SCHEMA_VERSION,
        source: definition.path.clone(),
        service_name: instance::service_name(settings, problems),
        share: share::read(settings, problems),
        hostname: hostname(settings, problems),
        network: network::read(settings, known, problems),
        hosts: names::hosts(settings, problems),
        resolver: names::resolver(settings, problems),
        ports: Vec::new(),
        instance_ports: Vec::new(),
        shm_size: limit::shm_size(settings, problems).unwrap_or(SHM_SIZE),
        labels: labels
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        start_timeout: Some(directive::START_TIMEOUT),
        on_failure: lifecycle::on_failure(settings, problems),
        exit_policy: lifecycle::exit_policy(settings, problems),
        members: Vec::new(),
        units: Default::default(),
        name,
    }
}

fn hostname(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.texts("HostName", problems).pop()?;
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte))
    };
    // The kernel's own limit, HOST_NAME_MAX.
    if value.text.len() > 64 || !value.text.split('.').all(label) {
        let problem = value.error("this is not a host name");
        problems.push(problem.help("write at most 64 letters, digits, dashes and dots"));
    }
    Some(value.text)
}

/// Reads the sections that systemd owns, and resolves the names in them.
fn relate(
    pod: &mut Pod,
    sections: &Sections,
    members: &mut [Member],
    known: &Known,
    problems: &mut Vec<Problem>,
) {
    let mut names: Vec<MemberName> = members
        .iter()
        .map(|member| member.container.name.clone())
        .collect();
    names.dedup();
    let context = Context {
        pod: Some(&pod.name),
        member: None,
        members: &names,
        has_instance: pod.name.is_template() || pod.name.instance().is_some(),
        known,
    };
    (pod.units.unit, _) = directive::unit(&sections.unit, context, problems);
    pod.units.service = directive::service(&sections.service, Owner::Pod, problems);
    pod.units.install = directive::install(&sections.install, pod.name.as_str(), true, problems);
    let mut orders = Vec::new();
    for member in members.iter_mut() {
        let name = member.container.name.clone();
        let context = Context {
            member: Some(&name),
            ..context
        };
        let units = &mut member.container.units;
        let (unit, order) = directive::unit(&member.unit, context, problems);
        orders.extend(order);
        units.unit.extend(unit);
        if member.waits_for_network {
            units.unit.extend(directive::after_network());
        }
        // After what keys of [Container] are for systemd: a later line overrides an earlier.
        units
            .service
            .extend(directive::service(&member.service, Owner::Member, problems));
        units.install = directive::install(&member.install, pod.name.as_str(), true, problems);
    }
    lifecycle::check(members, problems);
    lifecycle::order(pod, members, &mut orders);
    resolve::no_circles("containers", &orders, problems);
}
