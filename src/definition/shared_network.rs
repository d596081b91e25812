//! `x.network` → [`SharedNetwork`].

use super::document::{Definition, Entry};
use super::network::is_interface;
use super::outcome::is_error;
use super::resource::{self, Sections};
use super::resource_keys;
use super::section::{Settings, Value};
use crate::diagnostic::nearest;
use crate::diagnostic::{Place, Problem};
use crate::model::settings::Settings as HostSettings;
use crate::model::{Driver, NETWORK_SCHEMA_VERSION, Paths, Pool, ResourceName, Route, SharedNetwork, Subnet};
use crate::sys::file::read_text;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;

/// What stands before the name of the file, as in Quadlet.
const PREFIX: &str = "systemd-";
/// Largest file of settings that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Numbers that an interface can have as its MTU: what IPv4 needs, and what fits into the kernel's field.
const MTU: [u64; 2] = [68, 65_535];

/// A network, and where its subnets are written.
#[derive(Debug)]
pub(super) struct Read {
    /// The network, without what systemd owns.
    pub(super) network: SharedNetwork,
    /// Where each of its subnets stands.
    places: Vec<Place>,
}

/// What Podman calls the network of a file, whatever else is wrong with it.
pub(super) fn name_of(file: &Definition) -> String {
    let settings = settings(file.entries("Network"));
    let name = settings.value("NetworkName", &mut Vec::new());
    name.map_or_else(|| format!("{PREFIX}{}", file.base), |value| value.text)
}

/// Reads what `[Network]` says. If any of the problems is an error, it must not be used.
pub(super) fn read_own(
    name: ResourceName,
    file: &Definition,
    sections: &mut Sections,
    problems: &mut Vec<Problem>,
) -> Read {
    let settings = settings(std::mem::take(&mut sections.own));
    settings.check_keys(problems);
    if name == ResourceName::of_default_network() {
        let message = format!("the default bridge has the name `{name}`");
        problems.push(Problem::error(file.place(), message).help("rename the file"));
    }
    let driver = driver(&settings, problems);
    let flag = |key, problems: &mut Vec<Problem>| settings.flag(key, problems).is_some_and(|(flag, _)| flag);
    let internal = flag("Internal", problems);
    let addresses = ipam(&settings, driver, problems);
    let disable_dns = flag("DisableDNS", problems);
    let mut dns_servers = Vec::new();
    for value in settings.values("DNS", problems) {
        for server in value.text.split(',') {
            match server.parse() {
                Ok(server) => dns_servers.push(server),
                Err(_) => problems.push(value.error("this is not the address of a name server")),
            }
        }
    }
    // aardvark-dns listens on bridges alone.
    let dns = driver == Driver::Bridge && addresses && !disable_dns;
    if let (false, Some(value)) = (dns, settings.values("DNS", problems).pop()) {
        problems.push(value.warning("this has no effect: nobody answers for names on this network"));
    }
    let has_gateway = !internal || dns;
    let (pools, places) = pools(&settings, has_gateway, problems);
    let ipv6 = flag("IPv6", problems);
    let mut network = SharedNetwork {
        version: NETWORK_SCHEMA_VERSION,
        source: file.path.clone(),
        driver,
        interface: interface(&settings, problems),
        pools,
        ipv6,
        addresses,
        internal,
        dns,
        dns_servers,
        routes: routes(&settings, problems),
        options: BTreeMap::new(),
        labels: settings
            .pairs("Label", problems)
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
        units: Default::default(),
        name,
    };
    options(&settings, &mut network, problems);
    check(&settings, file, &network, problems);
    Read { network, places }
}

/// All networks, as far as they can be used, and what they have that another has; both by file.
pub(super) fn read_all<'a>(
    paths: &Paths,
    files: impl Iterator<Item = &'a Definition>,
) -> (
    BTreeMap<String, Option<SharedNetwork>>,
    BTreeMap<String, Vec<Problem>>,
) {
    let mut networks = BTreeMap::new();
    let mut whole = Vec::new();
    for file in files {
        networks.insert(file.base.clone(), None);
        let mut problems = file.problems.clone();
        let mut sections = resource::sections(file, &mut problems);
        let name = ResourceName::new(&file.base)
            .ok()
            .filter(|_| !file.base.contains('@'));
        let read = name.map(|name| read_own(name, file, &mut sections, &mut problems));
        whole.extend(read.filter(|_| !problems.iter().any(is_error)));
    }
    let default = if whole.is_empty() {
        None
    } else {
        default_subnet(paths)
    };
    let mut clashes: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for (at, problem) in overlaps(&whole, default) {
        clashes
            .entry(whole[at].network.name.to_string())
            .or_default()
            .push(problem);
    }
    for Read { network, .. } in whole {
        let base = network.name.to_string();
        if !clashes.contains_key(&base) {
            networks.insert(base, Some(network));
        }
    }
    (networks, clashes)
}

/// The subnet of the default bridge; nothing if the host's settings cannot be read, which others say.
fn default_subnet(paths: &Paths) -> Option<Subnet> {
    for file in paths.settings_files() {
        match read_text(&file, LARGEST) {
            Ok(text) => return HostSettings::parse(&text).ok().map(|settings| settings.subnet),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(HostSettings::default().subnet)
}

fn settings(entries: Vec<Entry<'_>>) -> Settings<'_> {
    Settings::new(resource_keys::NETWORK, "[Network]".to_owned(), entries)
}

fn driver(settings: &Settings, problems: &mut Vec<Problem>) -> Driver {
    let Some(value) = settings.value("Driver", problems) else {
        return Driver::Bridge;
    };
    let all = [Driver::Bridge, Driver::Macvlan, Driver::Ipvlan];
    let known = all.into_iter().find(|driver| driver.word() == value.text);
    known.unwrap_or_else(|| {
        let problem = value.error("podunit has no such driver");
        problems.push(problem.help("write bridge, macvlan or ipvlan"));
        Driver::Bridge
    })
}

/// Whether pods get addresses.
fn ipam(settings: &Settings, driver: Driver, problems: &mut Vec<Problem>) -> bool {
    let Some(value) = settings.value("IPAMDriver", problems) else {
        return true;
    };
    match value.text.as_str() {
        "host-local" => true,
        "none" => false,
        "dhcp" => {
            let problem = value.error("podunit asks no DHCP server");
            problems.push(problem.help(match driver {
                Driver::Bridge => "leave it out",
                _ => "write Subnet= and Gateway= of the network behind the interface, and an IPRange= that its DHCP \
                      server does not give out",
            }));
            true
        }
        _ => {
            let problem = value.error("this is no way to give out addresses");
            problems.push(problem.help("write host-local, or none for no addresses at all"));
            true
        }
    }
}

fn interface(settings: &Settings, problems: &mut Vec<Problem>) -> Option<String> {
    let value = settings.value("InterfaceName", problems)?;
    if !is_interface(&value.text) {
        let problem = value.error("this is not the name of an interface");
        problems.push(problem.help("write 1 to 15 letters, digits, `-`, `_` and `.`"));
    }
    Some(value.text)
}

/// `Subnet=`, `Gateway=` and `IPRange=`, which belong together by their positions.
fn pools(settings: &Settings, has_gateway: bool, problems: &mut Vec<Problem>) -> (Vec<Pool>, Vec<Place>) {
    let subnets = settings.values("Subnet", problems);
    let gateways = settings.values("Gateway", problems);
    let ranges = settings.values("IPRange", problems);
    for (key, values) in [("Gateway", &gateways), ("IPRange", &ranges)] {
        if let Some(value) = values.get(subnets.len()) {
            let problem = value.error("there is no Subnet= that this belongs to");
            problems.push(problem.help(format!("the first {key}= goes with the first Subnet=, and so on")));
        }
    }
    let mut pools: Vec<Pool> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for (at, value) in subnets.iter().enumerate() {
        let subnet: Subnet = match value.text.parse() {
            Ok(subnet) => subnet,
            Err(error) => {
                problems.push(value.error(error));
                continue;
            }
        };
        let least = if subnet.is_ipv6() { 126 } else { 30 };
        if subnet.prefix() > least {
            problems.push(value.error(format!(
                "there is no room for pods; the prefix can be /{least} at most"
            )));
        }
        if let Some((_, place)) = pools
            .iter()
            .zip(&places)
            .find(|(other, _)| other.subnet.overlaps(subnet))
        {
            let problem = value.error("the network has these addresses already");
            problems.push(problem.other(place.clone(), "here").help("write another subnet"));
        }
        let gateway = gateways.get(at).map(|value| gateway(value, subnet, problems));
        let default = || has_gateway.then(|| subnet.gateway());
        pools.push(Pool {
            subnet,
            gateway: gateway.unwrap_or_else(default),
            range: ranges.get(at).and_then(|value| range(value, subnet, problems)),
        });
        places.push(value.place());
    }
    (pools, places)
}

fn gateway(value: &Value, subnet: Subnet, problems: &mut Vec<Problem>) -> Option<IpAddr> {
    let Ok(address) = value.text.parse::<IpAddr>() else {
        problems.push(value.error("this is not an IP address"));
        return None;
    };
    let (first, last) = subnet.usable();
    if !subnet.contains(address) {
        let problem = value.error(format!(
            "this is not an address of {subnet}, the subnet that it goes with"
        ));
        problems.push(problem.help(format!("write one such as {first}, or change the order")));
    } else if !(first..=last).contains(&address) {
        let problem = value.error(format!("nobody can have this address of {subnet}"));
        problems.push(problem.help(format!("write one such as {first}")));
    }
    Some(address)
}

/// A subnet within the subnet, or `FIRST-LAST`.
fn range(value: &Value, subnet: Subnet, problems: &mut Vec<Problem>) -> Option<(IpAddr, IpAddr)> {
    let (lowest, highest) = subnet.usable();
    let (first, last) = match value.text.split_once('-') {
        Some((first, last)) if first.parse::<IpAddr>().is_ok() && last.parse::<IpAddr>().is_ok() => {
            (first.parse().ok()?, last.parse().ok()?)
        }
        _ => match value.text.parse::<Subnet>() {
            Ok(range) => (range.network(), range.last()),
            Err(_) => {
                let problem = value.error("this is not a range of addresses");
                problems.push(problem.help(format!(
                    "write FIRST-LAST such as {lowest}-{highest}, or a smaller subnet"
                )));
                return None;
            }
        },
    };
    if !subnet.contains(first) || !subnet.contains(last) || first > last {
        let problem = value.error(format!(
            "these are not addresses of {subnet}, the subnet that they go with"
        ));
        problems.push(problem.help(format!("write FIRST-LAST such as {lowest}-{highest}")));
        return None;
    }
    Some((first.max(lowest), last.min(highest)))
}

/// `Route=DESTINATION,GATEWAY[,METRIC]`.
fn routes(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Route> {
    let mut routes = Vec::new();
    for value in settings.values("Route", problems) {
        let parts: Vec<&str> = value.text.split(',').collect();
        let route = match parts[..] {
            [destination, gateway] => Some((destination, gateway, None)),
            [destination, gateway, metric] => Some((destination, gateway, Some(metric))),
            _ => None,
        };
        let route = route.and_then(|(destination, gateway, metric)| {
            let route = Route {
                destination: destination.parse().ok()?,
                gateway: gateway.parse().ok()?,
                metric: metric.map(str::parse).transpose().ok()?,
            };
            (route.destination.is_ipv6() == route.gateway.is_ipv6()).then_some(route)
        });
        match route {
            Some(route) => routes.push(route),
            None => {
                let problem = value.error("this is not a route");
                problems.push(
                    problem.help("write DESTINATION,GATEWAY such as 10.20.0.0/16,10.10.0.2, of one family"),
                );
            }
        }
    }
    routes
}

/// `Options=NAME=value`.
fn options(settings: &Settings, network: &mut SharedNetwork, problems: &mut Vec<Problem>) {
    for value in settings.values("Options", problems) {
        let (name, text) = value.text.split_once('=').unwrap_or((value.text.as_str(), ""));
        // Docker's names, which Podman knows too.
        let name = match name {
            "com.docker.network.driver.mtu" => "mtu",
            "com.docker.network.bridge.name" => "parent",
            name => name,
        };
        if name == "parent" {
            if network
                .interface
                .as_deref()
                .is_some_and(|interface| interface != text)
            {
                let problem = value.error("InterfaceName= names another interface");
                problems.push(problem.help("remove one of them"));
            }
            if !is_interface(text) {
                problems.push(value.error("this is not the name of an interface"));
            }
            network.interface = Some(text.to_owned());
            continue;
        }
        match option(network.driver, name, text) {
            Ok(()) => {
                network.options.insert(name.to_owned(), text.to_owned());
            }
            Err((message, help)) => problems.push(value.error(message).help(help)),
        }
    }
}

/// Names of options and what each may be, by driver.
fn options_of(driver: Driver) -> &'static [(&'static str, Expected)] {
    use Expected::{Flag, Number, Word, Words};
    match driver {
        Driver::Bridge => &[
            ("isolate", Words(&["true", "false", "strict"])),
            ("metric", Number(0, u32::MAX as u64)),
            ("mode", Words(&["managed", "unmanaged"])),
            ("mtu", Number(MTU[0], MTU[1])),
            ("no_default_route", Flag),
            ("vlan", Number(1, 4094)),
            ("vrf", Word),
        ],
        Driver::Macvlan => &[
            ("bclim", Number(0, i32::MAX as u64)),
            ("metric", Number(0, u32::MAX as u64)),
            ("mode", Words(&["bridge", "private", "vepa", "passthru"])),
            ("mtu", Number(MTU[0], MTU[1])),
            ("no_default_route", Flag),
        ],
        Driver::Ipvlan => &[
            ("metric", Number(0, u32::MAX as u64)),
            ("mode", Words(&["l2", "l3", "l3s"])),
            ("mtu", Number(MTU[0], MTU[1])),
            ("no_default_route", Flag),
        ],
    }
}

/// What an option may be.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Flag,
    Number(u64, u64),
    /// The name of an interface.
    Word,
    Words(&'static [&'static str]),
}

/// What is wrong with an option, and what to write.
fn option(driver: Driver, name: &str, text: &str) -> Result<(), (String, String)> {
    let all = options_of(driver);
    let Some((_, expected)) = all.iter().find(|(known, _)| *known == name) else {
        let names = all.iter().map(|(name, _)| *name);
        let help = nearest::nearest(name, names.clone()).map_or_else(
            || {
                format!(
                    "the options of {} are {}",
                    driver.word(),
                    names.collect::<Vec<_>>().join(", ")
                )
            },
            |near| format!("did you mean {near}=?"),
        );
        return Err((format!("{} has no such option", driver.word()), help));
    };
    let fits = match expected {
        Expected::Flag => ["true", "false"].contains(&text),
        Expected::Number(least, most) => text
            .parse()
            .is_ok_and(|number: u64| (*least..=*most).contains(&number)),
        Expected::Word => is_interface(text),
        Expected::Words(words) => words.contains(&text),
    };
    if fits {
        return Ok(());
    }
    let help = match expected {
        Expected::Flag => "write true or false".to_owned(),
        Expected::Number(least, most) => format!("write a number from {least} to {most}"),
        Expected::Word => "write the name of an interface".to_owned(),
        Expected::Words(words) => format!("write {}", words.join(" or ")),
    };
    Err((format!("this cannot be `{name}`"), help))
}

/// What does not go together.
fn check(settings: &Settings, file: &Definition, network: &SharedNetwork, problems: &mut Vec<Problem>) {
    let place = |key| {
        settings
            .last_entry(key)
            .map_or_else(|| file.place(), Entry::value_place)
    };
    if !network.addresses && !network.pools.is_empty() {
        let problem = Problem::error(place("Subnet"), "the network has a subnet and gives no addresses");
        problems.push(
            problem
                .other(place("IPAMDriver"), "no addresses")
                .help("remove Subnet=, or IPAMDriver="),
        );
    }
    if network.driver != Driver::Bridge && network.addresses {
        let has = |ipv6| network.pools.iter().any(|pool| pool.subnet.is_ipv6() == ipv6);
        let word = network.driver.word();
        if network.pools.is_empty() {
            let message =
                format!("a network with Driver={word} has the addresses of the network behind its interface");
            let help = "write Subnet= and Gateway= of that network, and an IPRange= that nobody else gives out; or \
                        IPAMDriver=none";
            problems.push(Problem::error(place("Driver"), message).help(help));
        } else if network.ipv6 && !has(true) {
            let message = format!("podunit chooses no subnet of IPv6 for a network with Driver={word}");
            problems.push(Problem::error(place("IPv6"), message).help("write another Subnet="));
        }
    }
}

/// Looks for subnets that two networks would have, or a network and the default bridge with `default`. The later one is
/// not to be used; its index, and the problem.
fn overlaps(all: &[Read], default: Option<Subnet>) -> Vec<(usize, Problem)> {
    let mut problems = Vec::new();
    let subnets = |read: &Read| -> Vec<(Subnet, Place)> {
        let pools = read.network.pools.iter().map(|pool| pool.subnet);
        pools.zip(read.places.iter().cloned()).collect()
    };
    for (at, read) in all.iter().enumerate() {
        for (subnet, place) in subnets(read) {
            let message = |holder: &str| format!("Subnet={subnet}: {holder} has addresses of it");
            let help = "write another subnet";
            if default.is_some_and(|default| default.overlaps(subnet)) {
                let holder = format!("the default bridge, with {},", default.unwrap_or(subnet));
                problems.push((at, Problem::error(place, message(&holder)).help(help)));
                continue;
            }
            let other = all[..at].iter().find_map(|other| {
                let clash = subnets(other)
                    .into_iter()
                    .find(|(theirs, _)| theirs.overlaps(subnet))?;
                Some((&other.network.name, clash.1))
            });
            if let Some((name, theirs)) = other {
                let problem = Problem::error(place, message(&format!("the network `{name}`")));
                problems.push((at, problem.other(theirs, "here").help(help)));
            }
        }
    }
    problems
}
