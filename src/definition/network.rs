//! `Network=` of a pod and what goes with it: `IP=`, `IP6=`, `NetworkAlias=`.

use super::directive::Known;
use super::document::{Entry, Kind};
use super::instance;
use super::names::is_name;
use super::port::Ports;
use super::section::{Settings, Value, short};
use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem};
use crate::model::{Attachment, Driver, MacError, Network, Pod, PodName, ResourceName, SharedNetwork};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Longest name of an interface, in bytes (`IFNAMSIZ` and its end).
pub(super) const LONGEST_INTERFACE: usize = 15;
const WORDS: &str = "write bridge, none, host, NAME.network, or NAME.pod to join the network of another pod";
const OPTIONS: [&str; 5] = ["ip", "ip6", "mac", "alias", "interface_name"];

/// One value of `Network=`.
enum Written {
    Word(Network),
    /// A network of this host; the default bridge without a name.
    Joined(Option<ResourceName>),
}

/// Reads the network of a pod.
pub(super) fn read(settings: &Settings, known: &Known, problems: &mut Vec<Problem>) -> Network {
    let mut attachments: Vec<(Attachment, Option<Value>)> = Vec::new();
    let mut alone: Option<(Network, Value)> = None;
    let mut first: Option<Value> = None;
    for value in settings.values("Network", problems) {
        let (name, options) = match value.text.split_once(':') {
            Some((name, options)) => (name, Some(options)),
            None => (value.text.as_str(), None),
        };
        let written = match written(name, options, known) {
            Ok(written) => written,
            Err((message, help)) => {
                problems.push(value.error(message).help(help));
                continue;
            }
        };
        if let (Some((_, other)), _) | (None, (Some(other), Written::Word(_))) = (&alone, (&first, &written))
        {
            let problem = value.error("this one cannot go with another network");
            problems.push(
                problem
                    .other(other.place(), "the other one")
                    .help("remove one of them"),
            );
            continue;
        }
        match written {
            Written::Word(network) => {
                if let Some(options) = options.filter(|options| !options.is_empty()) {
                    let problem =
                        value.error(format!("`{name}` has no options, such as `{}`", short(options)));
                    problems.push(problem.help(format!("write Network={name}")));
                }
                alone = Some((network, value.clone()));
            }
            Written::Joined(network) => {
                let twice = attachments.iter().find(|(other, _)| other.network == network);
                if let Some((_, Some(other))) = twice {
                    let problem = value.error("the pod has this network already");
                    problems.push(problem.other(other.place(), "here").help("remove one of them"));
                    continue;
                }
                let mut attachment = Attachment {
                    network,
                    ..Attachment::default()
                };
                options_of(&value, options.unwrap_or_default(), &mut attachment, problems);
                attachments.push((attachment, Some(value.clone())));
            }
        }
        first.get_or_insert(value);
    }
    if let Some((network, value)) = alone {
        for key in ["IP", "IP6", "NetworkAlias"] {
            for own in settings.values(key, problems) {
                let problem = own.error(format!(
                    "a pod with Network={} has no address of its own",
                    short(&value.text)
                ));
                problems.push(
                    problem
                        .other(value.place(), "the network")
                        .help(format!("remove {key}=")),
                );
            }
        }
        return network;
    }
    if attachments.is_empty() {
        attachments.push((Attachment::default(), None));
    }
    own_keys(settings, known, &mut attachments, problems);
    for (attachment, value) in &attachments {
        check_attachment(attachment, value.as_ref(), known, problems);
    }
    interfaces_differ(&attachments, problems);
    let attachments: Vec<Attachment> = attachments
        .into_iter()
        .map(|(attachment, _)| attachment)
        .collect();
    if attachments == [Attachment::default()] {
        return Network::Bridge;
    }
    Network::Joined(attachments)
}

/// What a name stands for, or what is wrong with it and what to do.
fn written(name: &str, options: Option<&str>, known: &Known) -> Result<Written, (String, String)> {
    let wrong = |message: &str, help: &str| Err((message.to_owned(), help.to_owned()));
    match name {
        // Podman's own name of its default network.
        "bridge" | "private" | "podman" => return Ok(Written::Joined(None)),
        "none" => return Ok(Written::Word(Network::None)),
        "host" => return Ok(Written::Word(Network::Host)),
        "" => return wrong("there is no name", WORDS),
        "pasta" | "slirp4netns" => {
            return wrong(
                "this is a network for users who are not root",
                "leave Network= out: pods have a bridge",
            );
        }
        "ns" => return wrong("podunit joins no namespaces of others by their paths", WORDS),
        "container" => {
            let name = options.unwrap_or("NAME");
            let help = format!("write Network={}.container", short(name));
            return Err(("a container is joined by the name of its file".to_owned(), help));
        }
        _ => {}
    }
    let near = |base: &str, suffix: &str, names: Vec<&str>| {
        let near = nearest::nearest(base, names).map(|near| format!("did you mean {near}{suffix}?"));
        near.unwrap_or_else(|| format!("write a file {}{suffix}", short(base)))
    };
    if let Some(base) = name.strip_suffix(Kind::Network.suffix()) {
        return match known.networks.get(base) {
            Some(Some(network)) => Ok(Written::Joined(Some(network.name.clone()))),
            Some(None) => Err((
                format!("{}.network has errors", short(base)),
                "repair that file".to_owned(),
            )),
            None => {
                let names = known.networks.keys().map(String::as_str).collect();
                Err((
                    "there is no such network".to_owned(),
                    near(base, ".network", names),
                ))
            }
        };
    }
    if let Some(base) = name.strip_suffix(Kind::Pod.suffix()) {
        return match PodName::new(base).ok().filter(|_| known.pods.contains(base)) {
            Some(pod) => Ok(Written::Word(Network::Pod(pod))),
            None => {
                let names = known.pods.iter().map(String::as_str).collect();
                Err(("there is no such pod".to_owned(), near(base, ".pod", names)))
            }
        };
    }
    if let Some(base) = name.strip_suffix(Kind::Container.suffix()) {
        let is_lone = instance::is_in(base, |base| known.lone.contains(base)) && !base.ends_with('@');
        let lone = Some(base).filter(|_| is_lone);
        let pod = lone.or_else(|| known.containers.get(base).map(String::as_str));
        return match pod.and_then(|pod| PodName::new(pod).ok()) {
            Some(pod) => Ok(Written::Word(Network::Pod(pod))),
            None => {
                let names = known
                    .containers
                    .keys()
                    .chain(&known.lone)
                    .map(String::as_str)
                    .collect();
                Err((
                    "there is no such container".to_owned(),
                    near(base, ".container", names),
                ))
            }
        };
    }
    // Podman's name of a network that a file defines.
    if let Some(network) = known
        .network_names
        .get(name)
        .and_then(|base| known.networks.get(base)?.as_ref())
    {
        return Ok(Written::Joined(Some(network.name.clone())));
    }
    let names = known.network_names.keys().map(String::as_str);
    let near = nearest::nearest(name, ["bridge", "none", "host"].into_iter().chain(names));
    let by_file = known
        .networks
        .contains_key(name)
        .then(|| format!("write Network={name}.network"));
    let help = by_file.or_else(|| near.map(|near| format!("did you mean {near}?")));
    Err((
        "no file defines a network of this name".to_owned(),
        help.unwrap_or_else(|| WORDS.to_owned()),
    ))
}

/// `ip=…,mac=…` behind the name of a network.
fn options_of(value: &Value, options: &str, attachment: &mut Attachment, problems: &mut Vec<Problem>) {
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, text) = option.split_once('=').unwrap_or((option, ""));
        let wrong = match key {
            "ip" | "ip6" => address(key, text).map(|address| attachment.addresses.push(address)),
            "mac" => text
                .parse()
                .map(|mac| attachment.mac = Some(mac))
                .map_err(|error: MacError| error.to_string()),
            "alias" if is_name(text) => {
                attachment.aliases.push(text.to_owned());
                Ok(())
            }
            "alias" => Err("this is not the name of a host".to_owned()),
            "interface_name" if is_interface(text) => {
                attachment.interface = Some(text.to_owned());
                Ok(())
            }
            "interface_name" => Err(format!(
                "an interface's name has 1 to {LONGEST_INTERFACE} letters, digits and `-_.`"
            )),
            _ => {
                let near = nearest::nearest(key, OPTIONS);
                let help = near.map_or_else(
                    || format!("the options of a network are {}", OPTIONS.join(", ")),
                    |near| format!("did you mean {near}=?"),
                );
                let problem = value.error(format!("`{}` is not an option of a network", short(key)));
                problems.push(problem.help(help));
                continue;
            }
        };
        if let Err(message) = wrong {
            problems.push(value.error(format!("{}: {message}", short(option))));
        }
    }
}

fn address(key: &str, text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) if key == "ip6" && address.is_ipv4() => {
            Err("this is an address of IPv4, for ip=".to_owned())
        }
        Ok(address) => Ok(address),
        Err(_) => Err("this is not an IP address".to_owned()),
    }
}

/// Whether an interface can have this name.
pub(super) fn is_interface(text: &str) -> bool {
    (1..=LONGEST_INTERFACE).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && ![".", "..", "lo", "all", "default"].contains(&text)
}

/// `IP=`, `IP6=` and `NetworkAlias=`: addresses are for a single network, names for all.
fn own_keys(
    settings: &Settings,
    known: &Known,
    attachments: &mut [(Attachment, Option<Value>)],
    problems: &mut Vec<Problem>,
) {
    for key in ["IP", "IP6"] {
        let Some(value) = settings.value(key, problems) else {
            continue;
        };
        let parsed = value.text.parse::<IpAddr>().ok();
        match (
            parsed.filter(|address| address.is_ipv6() == (key == "IP6")),
            &mut *attachments,
        ) {
            (None, _) => {
                let family = if key == "IP6" { "IPv6" } else { "IPv4" };
                problems.push(value.error(format!("this is not an address of {family}")));
            }
            (Some(address), [(attachment, _)]) => attachment.addresses.push(address),
            (Some(_), _) => {
                let problem = value.error("the pod has several networks, and this does not say which");
                problems.push(problem.help(format!("write Network=NAME.network:ip={}", value.text)));
            }
        }
    }
    let has_names =
        |attachment: &Attachment| network_of(attachment, known).is_some_and(|network| network.dns);
    for value in settings.values("NetworkAlias", problems) {
        if !is_name(&value.text) {
            problems.push(value.error("this is not the name of a host"));
        } else if !attachments.iter().any(|(attachment, _)| has_names(attachment)) {
            problems.push(value.warning("this has no effect: nobody answers for names on this network"));
        }
        for (attachment, _) in attachments
            .iter_mut()
            .filter(|(attachment, _)| has_names(attachment))
        {
            attachment.aliases.push(value.text.clone());
        }
    }
}

/// The network of an interface, if it has a definition without errors.
fn network_of<'k>(attachment: &Attachment, known: &'k Known) -> Option<&'k SharedNetwork> {
    known
        .networks
        .get(attachment.network.as_ref()?.as_str())?
        .as_ref()
}

/// What a pod cannot have of a network.
fn check_attachment(
    attachment: &Attachment,
    value: Option<&Value>,
    known: &Known,
    problems: &mut Vec<Problem>,
) {
    let network = network_of(attachment, known);
    // What has no value is the default bridge, with IP= and its like; those have said what is wrong.
    let Some(value) = value else { return };
    match network {
        Some(network) => check_addresses(network, attachment, value, problems),
        None if attachment.addresses.iter().any(IpAddr::is_ipv6) => {
            let problem = value.error("the default bridge has no addresses of IPv6");
            problems.push(problem.help("write a file NAME.network with IPv6=true, and Network=NAME.network"));
        }
        None => {}
    }
    if !attachment.aliases.is_empty() && !network.is_some_and(|network| network.dns) {
        problems.push(value.warning("alias= has no effect: nobody answers for names on this network"));
    }
    if attachment.mac.is_some() && network.is_some_and(|network| network.driver == Driver::Ipvlan) {
        let problem = value.error("pods on an ipvlan have the hardware address of the host");
        problems.push(problem.help("leave mac= out, or write Driver=macvlan"));
    }
}

fn check_addresses(
    network: &SharedNetwork,
    attachment: &Attachment,
    value: &Value,
    problems: &mut Vec<Problem>,
) {
    for address in &attachment.addresses {
        if network.pools.is_empty() {
            if !network.addresses {
                problems.push(value.error(format!("the network `{}` gives no addresses", network.name)));
            } else {
                let message = format!(
                    "the subnet of `{}` is chosen at its start, and may be another",
                    network.name
                );
                problems.push(
                    value
                        .warning(message)
                        .help(format!("write Subnet= in {}.network", network.name)),
                );
            }
            return;
        }
        let home = network.pools.iter().find(|pool| pool.subnet.contains(*address));
        let problem = match home {
            None if address.is_ipv6() && network.ipv6 => None,
            None => {
                let subnets: Vec<String> = network.pools.iter().map(|pool| pool.subnet.to_string()).collect();
                Some(format!(
                    "{address} is not in {}, the subnet of the network",
                    subnets.join(" or ")
                ))
            }
            Some(pool) if pool.gateway == Some(*address) => {
                Some(format!("{address} is the gateway of the network"))
            }
            Some(pool) => {
                let (first, last) = pool.subnet.usable();
                let is_usable = (first..=last).contains(address);
                (!is_usable).then(|| format!("{address} stands for the subnet itself"))
            }
        };
        if let Some(message) = problem {
            problems.push(value.error(message).help("write another address of the network"));
        }
    }
}

/// Looks for interfaces of one name.
fn interfaces_differ(attachments: &[(Attachment, Option<Value>)], problems: &mut Vec<Problem>) {
    let mut names = BTreeSet::new();
    for (at, (attachment, value)) in attachments.iter().enumerate() {
        let name = attachment.interface.clone().unwrap_or_else(|| format!("eth{at}"));
        if let (false, Some(value)) = (names.insert(name.clone()), value) {
            let problem = value.error(format!("the pod has an interface {name} already"));
            problems.push(problem.help("write interface_name= with another name"));
        }
    }
}

/// A network, names or ports that the pod cannot have.
pub(super) fn check(
    pod: &Pod,
    settings: &Settings,
    known: &Known,
    ports: &Ports,
    problems: &mut Vec<Problem>,
) {
    let network = settings.last_entry("Network").map(Entry::value_place);
    let share = settings.last_entry("Share").map(Entry::value_place);
    if let (false, true, Some(place)) = (pod.share.net, pod.network != Network::None, &network) {
        let problem = Problem::error(
            place.clone(),
            "the pod shares no network, so it cannot have this one",
        );
        problems.push(
            with(problem, share.as_ref(), "net is not shared").help("add net to Share=, or remove Network="),
        );
    }
    if pod.network == Network::None {
        for value in settings.values("AddHost", problems) {
            if value.text.ends_with(":host-gateway") {
                let problem = value.error("a pod without a network cannot reach the host");
                problems.push(
                    with(problem, network.as_ref(), "no network").help("write an address, or remove it"),
                );
            }
        }
    }
    let (place, why, help) = match &pod.network {
        _ if !pod.share.net => (share, "the pod shares no network".to_owned(), "add net to Share="),
        Network::Host => (
            network,
            "the pod has the network of the host".to_owned(),
            "write Network=bridge, or remove PublishPort=: programs listen on the host itself",
        ),
        Network::None => (
            network,
            "the pod has no network".to_owned(),
            "write Network=bridge, or remove PublishPort=",
        ),
        Network::Pod(other) => (
            network,
            format!("the pod has the network of the pod `{other}`"),
            "write PublishPort= there",
        ),
        Network::Bridge => return,
        Network::Joined(attachments) => {
            let leads_out = |attachment: &Attachment| match &attachment.network {
                None => true,
                Some(name) => known
                    .networks
                    .get(name.as_str())
                    .and_then(Option::as_ref)
                    .is_none_or(|network| network.driver == Driver::Bridge && !network.internal),
            };
            if attachments.iter().any(leads_out) {
                return;
            }
            for place in places(ports) {
                let message =
                    "this port has no effect: no network of the pod is a bridge that leads out of the host";
                let problem = Problem::warning(place, message);
                problems.push(
                    with(problem, network.as_ref(), "the network")
                        .help("remove it: programs are reached at the pod's own address"),
                );
            }
            return;
        }
    };
    for port in places(ports) {
        let problem = Problem::error(port, format!("no port can be published: {why}"));
        problems.push(with(problem, place.as_ref(), &why).help(help));
    }
}

/// Where ports are written, each place once.
fn places(ports: &Ports) -> impl Iterator<Item = Place> {
    let places: BTreeSet<_> = ports
        .places()
        .map(|place| (place.path.clone(), place.bytes))
        .collect();
    places.into_iter().map(|(path, bytes)| Place { path, bytes })
}

fn with(problem: Problem, place: Option<&Place>, word: &str) -> Problem {
    match place {
        Some(place) => problem.other(place.clone(), word),
        None => problem,
    }
}
