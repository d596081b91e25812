//! `NAME.pod`, with the containers that belong to it → [`Pod`].

use super::document::{Definition, Entry, Header, Kind};
use super::directive::{self, Context, Known};
use super::heading::{self, Heading};
use super::port::{self, Published};
use super::refused::Owner;
use super::resolve;
use super::section::{Settings, Value, short};
use super::{container, keys, share};
use crate::diagnostic::{Place, Problem};
use crate::model::{Container, MemberName, Network, Pod, PodName, SCHEMA_VERSION};
use crate::unitfile::value::parse_size;
use std::collections::{BTreeMap, BTreeSet};

/// Podman's `--shm-size`: 64 MiB.
const SHM_SIZE: u64 = 64 << 20;

/// A member before its relations to others are looked at.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// What `[Container]` says.
    pub(super) container: Container,
    /// Its header, or its file.
    pub(super) place: Place,
    unit: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
    install: Vec<Entry<'a>>,
}

/// Sections of a pod's file, by what they are about.
#[derive(Debug, Default)]
struct Sections<'a> {
    pod: Vec<Entry<'a>>,
    quadlet: Vec<Entry<'a>>,
    unit: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
    install: Vec<Entry<'a>>,
    members: BTreeMap<&'a str, MemberSections<'a>>,
}

/// Sections about one member.
#[derive(Debug, Default)]
struct MemberSections<'a> {
    headers: Vec<Header<'a>>,
    container: Vec<Entry<'a>>,
    /// `[Unit NAME]` and `[Service NAME]`.
    others: Vec<Header<'a>>,
    unit: Vec<Entry<'a>>,
    service: Vec<Entry<'a>>,
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
    let settings = Settings::new(keys::POD, "[Pod]".to_owned(), std::mem::take(&mut sections.pod));
    let (mut pod, mut ports) = own(name, definition, &settings, problems);
    check_quadlet(std::mem::take(&mut sections.quadlet), problems);
    pod.start_timeout = directive::start_timeout(&mut sections.service, problems);

    let is_empty = sections.members.is_empty() && containers.is_empty();
    if is_empty && !definition.documents.is_empty() {
        let help = format!("add [Container NAME], or a file NAME.container with Pod={}.pod", pod.name);
        problems.push(Problem::error(definition.place(), "the pod has no container").help(help));
    }
    let own = sections.members.iter().filter(|(_, parts)| !parts.headers.is_empty()).map(|(name, _)| *name);
    let names: Vec<&str> = own.chain(containers.iter().map(|file| file.base.as_str())).collect();
    let mut members = Vec::new();
    for (name, parts) in std::mem::take(&mut sections.members) {
        if parts.headers.is_empty() {
            without_container(name, &parts.others, &names, containers, problems);
        } else {
            members.extend(from_section(name, parts, &pod, definition, &mut ports, problems));
        }
    }
    for file in containers {
        members.extend(from_file(file, &mut ports, problems));
    }
    members.sort_by(|a, b| a.container.name.cmp(&b.container.name));
    resolve::one_of_each_name(&members, problems);
    resolve::unit_names_fit(&pod.name, &members, problems);
    port::check(&ports, problems);
    check_network(&pod, &settings, &ports, problems);

    relate(&mut pod, &sections, &mut members, known, problems);
    pod.ports = ports.into_iter().map(|(port, _)| port).collect();
    pod.members = members.into_iter().map(|member| member.container).collect();
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
            Heading::Install => sections.install.extend(entries),
            Heading::Unit(None) => sections.unit.extend(entries),
            Heading::Service(None) => sections.service.extend(entries),
            // A container without a name is a problem of its header.
            Heading::Container(None) => {}
            Heading::Container(Some(name)) => {
                let member = sections.members.entry(name).or_default();
                // Drop-ins add to a container; within one file, a second one of its name is a mistake.
                let first = member.headers.iter().find(|other| other.place().path == header.place().path);
                if let Some(first) = first {
                    let message = format!("the pod has two containers called `{}`", short(name));
                    let problem = Problem::error(header.place(), message).other(first.place(), "the first one");
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

/// What `[Pod]` says.
fn own(
    name: PodName,
    definition: &Definition,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> (Pod, Vec<Published>) {
    settings.check_keys(problems);
    if let Some(value) = settings.value("PodName", problems).filter(|value| value.text != name.as_str()) {
        problems.push(value.warning(format!("has no effect: the pod is named after its file, `{name}`")));
    }
    let mut ports = Vec::new();
    for value in settings.values("PublishPort", problems) {
        ports.extend(port::read(&value, problems));
    }
    let labels = settings.pairs("Label", problems);
    let pod = Pod {
        version: SCHEMA_VERSION,
        source: definition.path.clone(),
        share: share::read(settings, problems),
        hostname: hostname(settings, problems),
        network: network(settings, problems),
        ports: Vec::new(),
        shm_size: shm_size(settings, problems),
        labels: labels.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect(),
        start_timeout: Some(directive::START_TIMEOUT),
        members: Vec::new(),
        units: Default::default(),
        name,
    };
    (pod, ports)
}

fn hostname(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.texts("HostName", problems).pop()?;
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte))
    };
    // The kernel's own limit, HOST_NAME_MAX.
    if value.text.len() > 64 || !value.text.split('.').all(label) {
        let problem = value.error("this is not a host name");
        problems.push(problem.help("write at most 64 letters, digits, dashes and dots"));
    }
    Some(value.text)
}

fn network(settings: &Settings, problems: &mut Vec<Problem>) -> Network {
    let mut values = settings.values("Network", problems);
    let last = values.pop();
    if let (Some(value), Some(first)) = (&last, values.first()) {
        let problem = value.error("a pod has one network in this version");
        problems.push(problem.other(first.place(), "the first one").help("remove one of them"));
    }
    match last.as_ref().map(|value| (value.text.as_str(), value)) {
        None | Some(("bridge", _)) => Network::Bridge,
        Some(("none", _)) => Network::None,
        Some(("host", _)) => Network::Host,
        Some((text, value)) => {
            let kind = text.split_once(':').map_or(text, |(kind, _)| kind);
            let problem = if ["none", "host", "bridge"].contains(&kind) {
                value.error("options of networks are not supported by this version")
            } else {
                value.error("named networks are not supported by this version")
            };
            problems.push(problem.help("write none, host or bridge"));
            Network::Bridge
        }
    }
}

fn shm_size(settings: &Settings, problems: &mut Vec<Problem>) -> u64 {
    let Some(value) = settings.value("ShmSize", problems) else {
        return SHM_SIZE;
    };
    // Podman also takes `64mb`.
    let text = value.text.strip_suffix(['b', 'B']).unwrap_or(&value.text);
    let size = parse_size(text).filter(|size| *size > 0);
    if size.is_none() {
        problems.push(value.error("this is not a size").help("write bytes, or a size such as 64M or 1G"));
    }
    size.unwrap_or(SHM_SIZE)
}

fn check_quadlet(entries: Vec<Entry>, problems: &mut Vec<Problem>) {
    let settings = Settings::new(keys::QUADLET, "[Quadlet]".to_owned(), entries);
    settings.check_keys(problems);
    settings.flag("DefaultDependencies", problems);
}

/// A network, or ports, that the pod cannot have.
fn check_network(pod: &Pod, settings: &Settings, ports: &[Published], problems: &mut Vec<Problem>) {
    let network = settings.last_entry("Network").map(Entry::value_place);
    let share = settings.last_entry("Share").map(Entry::value_place);
    let wants_network = pod.network == Network::Host || network.is_some();
    if let (false, true, Some(place)) = (pod.share.net, wants_network && pod.network != Network::None, &network) {
        let problem = Problem::error(place.clone(), "the pod shares no network, so it cannot have this one");
        problems.push(with(problem, share.as_ref(), "net is not shared").help("add net to Share=, or remove Network="));
    }
    let why = match pod.network {
        _ if !pod.share.net => Some((share, "the pod shares no network", "add net to Share=")),
        Network::Host => Some((network, "the pod has the network of the host", "write Network=bridge, or remove PublishPort=: programs listen on the host itself")),
        Network::None => Some((network, "the pod has no network", "write Network=bridge, or remove PublishPort=")),
        Network::Bridge => None,
    };
    let Some((place, why, help)) = why else { return };
    let places: BTreeSet<_> = ports.iter().map(|(_, place)| (place.path.clone(), place.bytes)).collect();
    for (path, bytes) in places {
        let problem = Problem::error(Place { path, bytes }, format!("no port can be published: {why}"));
        problems.push(with(problem, place.as_ref(), why).help(help));
    }
}

fn with(problem: Problem, place: Option<&Place>, word: &str) -> Problem {
    match place {
        Some(place) => problem.other(place.clone(), word),
        None => problem,
    }
}

/// `[Unit NAME]` and its like without a container of that name in the same file.
fn without_container(
    name: &str,
    headers: &[Header],
    names: &[&str],
    containers: &[&Definition],
    problems: &mut Vec<Problem>,
) {
    let owner = containers.iter().find(|file| file.base == name);
    let near = keys::nearest(name, names.iter().copied());
    for header in headers {
        let problem = match (owner, near) {
            (Some(file), _) => {
                let message = format!("the container `{name}` has a file of its own");
                let help = format!("move this section to {}", file.path.display());
                Problem::error(header.place(), message).help(help)
            }
            (None, near) => {
                let message = format!("the pod has no container called `{}`", short(name));
                let help = near.map(|near| format!("did you mean `{near}`?"));
                Problem { help, ..Problem::error(header.place(), message) }
            }
        };
        problems.push(problem);
    }
}

/// A member from the pod's own file.
fn from_section<'a>(
    name: &str,
    parts: MemberSections<'a>,
    pod: &Pod,
    definition: &Definition,
    ports: &mut Vec<Published>,
    problems: &mut Vec<Problem>,
) -> Option<Member<'a>> {
    let header = parts.headers.first()?;
    let member = member_name(name, header.place(), problems)?;
    let settings = Settings::new(keys::CONTAINER, format!("[Container {member}]"), parts.container);
    if let Some(value) = settings.value("Pod", problems).filter(|value| value.text != format!("{}.pod", pod.name)) {
        let problem = value.error(format!("this container is in the file of the pod `{}`", pod.name));
        problems.push(problem.help("remove Pod="));
    }
    let (container, published) =
        container::read(member, &definition.path, header.place(), &settings, problems);
    ports.extend(published);
    Some(Member {
        container,
        place: header.place(),
        unit: parts.unit,
        service: parts.service,
        install: Vec::new(),
    })
}

/// A member from a file of its own.
pub(super) fn from_file<'a>(
    file: &'a Definition,
    ports: &mut Vec<Published>,
    problems: &mut Vec<Problem>,
) -> Option<Member<'a>> {
    debug_assert_eq!(file.kind, Kind::Container);
    let mut place = None;
    let (mut own, mut quadlet) = (Vec::new(), Vec::new());
    let (mut unit, mut service, mut install) = (Vec::new(), Vec::new(), Vec::new());
    for (heading, header) in heading::read(file, problems) {
        match heading {
            Heading::Container(_) => {
                place.get_or_insert(header.place());
                own.extend(header.entries());
            }
            Heading::Unit(_) => unit.extend(header.entries()),
            Heading::Service(_) => service.extend(header.entries()),
            Heading::Install => install.extend(header.entries()),
            Heading::Quadlet => quadlet.extend(header.entries()),
            Heading::Pod => {}
        }
    }
    check_quadlet(quadlet, problems);
    let place = place.unwrap_or_else(|| file.place());
    let member = member_name(&file.base, file.place(), problems)?;
    let settings = Settings::new(keys::CONTAINER, "[Container]".to_owned(), own);
    let (container, published) = container::read(member, &file.path, place.clone(), &settings, problems);
    ports.extend(published);
    Some(Member { container, place, unit, service, install })
}

fn member_name(name: &str, place: Place, problems: &mut Vec<Problem>) -> Option<MemberName> {
    if name.contains('@') {
        problems.push(templates(place));
        return None;
    }
    match MemberName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("`{}` cannot be the name of a container: {error}", short(name));
            problems.push(Problem::error(place, message));
            None
        }
    }
}

/// What is said of a name with an `@`.
pub(super) fn templates(place: Place) -> Problem {
    Problem::error(place, "templates are not supported by this version of podunit").help("use a name without `@`")
}

/// The pod that a container with a file of its own names in `Pod=`.
pub(super) fn pod_of<'a>(file: &'a Definition, problems: &mut Vec<Problem>) -> Option<Value<'a>> {
    let settings = Settings::new(keys::CONTAINER, "[Container]".to_owned(), file.entries("Container"));
    let Some(value) = settings.value("Pod", problems) else {
        if !file.documents.is_empty() {
            let message = "a container without a pod is not supported by this version of podunit";
            let header = file.sections().find(|header| header.name() == "Container");
            let place = header.map_or_else(|| file.place(), Header::place);
            let help = "add Pod=NAME.pod to [Container], and a file NAME.pod";
            problems.push(Problem::error(place, message).help(help));
        }
        return None;
    };
    Some(value)
}

/// Reads the sections that systemd owns, and resolves the names in them.
fn relate(
    pod: &mut Pod,
    sections: &Sections,
    members: &mut [Member],
    known: &Known,
    problems: &mut Vec<Problem>,
) {
    let mut names: Vec<MemberName> = members.iter().map(|member| member.container.name.clone()).collect();
    names.dedup();
    let context = Context { pod: &pod.name, member: None, members: &names, known };
    (pod.units.unit, _) = directive::unit(&sections.unit, context, problems);
    pod.units.service = directive::service(&sections.service, Owner::Pod, problems);
    pod.units.install = directive::install(&sections.install, problems);
    let mut orders = Vec::new();
    for member in members {
        let name = member.container.name.clone();
        let context = Context { member: Some(&name), ..context };
        let units = &mut member.container.units;
        let (unit, order) = directive::unit(&member.unit, context, problems);
        orders.extend(order);
        units.unit = unit;
        units.service = directive::service(&member.service, Owner::Member, problems);
        units.install = directive::install(&member.install, problems);
    }
    resolve::no_circles(&orders, problems);
}
