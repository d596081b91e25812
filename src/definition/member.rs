//! A member of a pod, from sections of the pod's file or from a file of its own.

use super::directive::{Known, SHORT};
use super::document::{Definition, Entry, Header, Kind};
use super::heading::{self, Heading};
use super::port::Ports;
use super::section::{self, Settings, Value, short};
use super::{container, instance, keys};
use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem};
use crate::model::{Container, MemberName, PodName};

/// A member before its relations to others are looked at.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// What `[Container]` says.
    pub(super) container: Container,
    /// Its header, or its file.
    pub(super) place: Place,
    /// `[Unit]`, not yet looked at, and before it what `[Container]` says in its place.
    pub(super) unit: Vec<Entry<'a>>,
    /// `[Service]`
    pub(super) service: Vec<Entry<'a>>,
    /// `[Install]`
    pub(super) install: Vec<Entry<'a>>,
    /// `[Quadlet]`: see [`waits_for_network`].
    pub(super) waits_for_network: bool,
    /// `[Container]` as it was read.
    pub(super) settings: Settings<'a>,
}

/// Keys of `[Pod]` that hold for each container as if they stood there first.
pub(super) const INHERITED: &[&str] = &["StopTimeout", "Volume"];

/// `[Unit]` of a member with the short forms of `[Container]` before it.
fn with_short<'a>(container: &[Entry<'a>], unit: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
    let short = container.iter().filter(|entry| SHORT.contains(&entry.key()));
    short.copied().chain(unit).collect()
}

/// Sections of a pod's file about one member.
#[derive(Debug, Default)]
pub(super) struct Sections<'a> {
    /// `[Container NAME]`
    pub(super) headers: Vec<Header<'a>>,
    /// What is in them.
    pub(super) container: Vec<Entry<'a>>,
    /// `[Unit NAME]` and `[Service NAME]`
    pub(super) others: Vec<Header<'a>>,
    /// What is in the first.
    pub(super) unit: Vec<Entry<'a>>,
    /// What is in the second.
    pub(super) service: Vec<Entry<'a>>,
}

/// `[Unit NAME]` and its like without a container of that name in the same file.
pub(super) fn without_container(
    name: &str,
    headers: &[Header],
    names: &[&str],
    containers: &[&Definition],
    problems: &mut Vec<Problem>,
) {
    let owner = containers.iter().find(|file| file.base == name);
    let near = nearest::nearest(name, names.iter().copied());
    for header in headers {
        let problem = match (owner, near) {
            (Some(file), _) => {
                let message = format!("the container `{name}` has a file of its own");
                let help = format!("move this section to {}", file.path.display());
                Problem::error(header.place(), message).help(help)
            }
            (None, near) => {
                let message = format!("the pod has no container called `{}`", short(name));
                let help = near.map_or_else(|| list(names), |near| format!("did you mean `{near}`?"));
                Problem::error(header.place(), message).help(help)
            }
        };
        problems.push(problem);
    }
}

/// The containers that a pod has, in words.
fn list(names: &[&str]) -> String {
    const MOST: usize = 10;
    let shown: Vec<String> = names
        .iter()
        .take(MOST)
        .map(|name| format!("`{}`", short(name)))
        .collect();
    match names.len() {
        0 => "add [Container NAME], or remove this section".to_owned(),
        1 => format!("the container of this pod is {}", shown.join(", ")),
        all if all > MOST => format!(
            "the containers of this pod are {} and {} more",
            shown.join(", "),
            all - MOST
        ),
        _ => format!("the containers of this pod are {}", shown.join(", ")),
    }
}

/// A member from the pod's own file.
pub(super) fn from_section<'a>(
    name: &str,
    parts: Sections<'a>,
    definition: &Definition,
    inherited: &[Entry<'a>],
    known: &Known,
    ports: &mut Ports,
    problems: &mut Vec<Problem>,
) -> Option<Member<'a>> {
    let header = parts.headers.first()?;
    let member = member_name(name, header.place(), problems)?;
    let unit = with_short(&parts.container, parts.unit);
    let own = [inherited, &parts.container].concat();
    let settings = Settings::new(keys::CONTAINER, format!("[Container {member}]"), own);
    let container = container::read(
        member,
        &definition.path,
        header.place(),
        &settings,
        known,
        ports,
        problems,
    );
    Some(Member {
        container,
        place: header.place(),
        unit,
        service: parts.service,
        install: Vec::new(),
        waits_for_network: false,
        settings,
    })
}

/// In the pod's own file, `Pod=` may say no other.
pub(super) fn check_pod(member: &Member, pod: &PodName, problems: &mut Vec<Problem>) {
    if let Some(value) = member
        .settings
        .value("Pod", problems)
        .filter(|value| value.text != format!("{pod}.pod"))
    {
        let problem = value.error(format!("this container is in the file of the pod `{pod}`"));
        problems.push(problem.help("remove Pod="));
    }
}

/// A member from a file of its own.
pub(super) fn from_file<'a>(
    file: &'a Definition,
    inherited: &[Entry<'a>],
    known: &Known,
    ports: &mut Ports,
    problems: &mut Vec<Problem>,
) -> Option<Member<'a>> {
    debug_assert_eq!(file.kind, Kind::Container);
    let mut place = None;
    let (mut own, mut quadlet, mut extensions) = (Vec::new(), Vec::new(), Vec::new());
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
            Heading::Extensions => extensions.extend(header.entries()),
            Heading::Pod | Heading::Own => {}
        }
    }
    let extensions = section::extensions(keys::CONTAINER, "[Container]", extensions, problems);
    own.extend(extensions);
    let waits_for_network = waits_for_network(quadlet, problems);
    let place = place.unwrap_or_else(|| file.place());
    problems.extend(name_of_unit(&own, &file.base));
    let member = member_name(instance::plain(&file.base), file.place(), problems)?;
    let unit = with_short(&own, unit);
    own.splice(..0, inherited.iter().copied());
    let mut settings = Settings::new(keys::CONTAINER, "[Container]".to_owned(), own);
    if settings.last_entry("Pod").is_none() {
        settings = settings.whole();
    }
    let container = container::read(
        member,
        &file.path,
        place.clone(),
        &settings,
        known,
        ports,
        problems,
    );
    Some(Member {
        container,
        place,
        unit,
        service,
        install,
        waits_for_network,
        settings,
    })
}

fn member_name(name: &str, place: Place, problems: &mut Vec<Problem>) -> Option<MemberName> {
    match MemberName::new(name) {
        // Behind an `@` systemd looks for the instance.
        Ok(_) if name.contains('@') => {
            let message = format!(
                "`{}` cannot be the name of a container: it has an `@`",
                short(name)
            );
            let help = "templates and instances are pods: call the file of the pod NAME@.pod";
            problems.push(Problem::error(place, message).help(help));
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("`{}` cannot be the name of a container: {error}", short(name));
            problems.push(Problem::error(place, message));
            None
        }
    }
}

/// A warning where a value has the name of the unit, by a specifier: in Quadlet the unit has another. One for a file.
fn name_of_unit(entries: &[Entry], base: &str) -> Option<Problem> {
    let is_used = |entry: &&Entry| {
        keys::find(keys::CONTAINER, entry.key()).is_some_and(|key| key.status == keys::Status::Honoured)
    };
    let specified = entries.iter().filter(|entry| entry.value().contains('%'));
    specified.filter(is_used).find_map(|entry| {
        let mut rest = entry.value().char_indices();
        while let Some((at, _)) = rest.find(|(_, c)| *c == '%') {
            let Some((_, specifier)) = rest.next() else { break };
            if "nNpP".contains(specifier) {
                let message = format!(
                    "%{specifier} is made of the name of the unit, which is pod-POD-{} here, and {} in Quadlet",
                    short(base),
                    short(base)
                );
                let help = format!("if this is from Quadlet, write {} in its place", short(base));
                return Some(Problem::warning(entry.place_of(at, at + 2), message).help(help));
            }
        }
        None
    })
}

/// The pod that a container with a file of its own names in `Pod=`.
pub(super) fn pod_of<'a>(file: &'a Definition, problems: &mut Vec<Problem>) -> Option<Value<'a>> {
    let settings = Settings::new(
        keys::CONTAINER,
        "[Container]".to_owned(),
        file.entries("Container"),
    );
    settings.value("Pod", problems)
}

/// Whether a file could be read and names no pod.
pub(super) fn is_lone(file: &Definition) -> bool {
    !file.documents.is_empty() && pod_of(file, &mut Vec::new()).is_none()
}

/// Whether `[Quadlet]` asks for the dependency on the network being online, which a unit does not have here by default:
/// images are fetched by units that wait for it themselves.
pub(super) fn waits_for_network(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> bool {
    let settings = Settings::new(keys::QUADLET, "[Quadlet]".to_owned(), entries);
    settings.check_keys(problems);
    let flag = settings.flag("DefaultDependencies", problems);
    flag.is_some_and(|(flag, _)| flag)
}
