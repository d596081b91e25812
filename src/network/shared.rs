//! Networks that pods share, each with a definition of its own, `NAME.network`. Its unit is active while the network can
//! be used: at its start what the definition leaves open is chosen, and what another has is refused; then a file says
//! what the network is, until the unit is stopped, whose pods have been stopped before. Interfaces come with the first
//! pod and go with the last.

use super::{NetworkError, book, file, host, netavark};
use crate::model::{
    Driver, NETWORK_SCHEMA_VERSION, Owner, Paths, Pool, ResourceName, Settings, SharedNetwork, Subnet,
};
use crate::sys::file::{read_whole, replace};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Largest compiled network that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// Longest name of an interface, in bytes (`IFNAMSIZ` and its end).
const LONGEST_INTERFACE: usize = 15;
/// The first of the subnets of 256 addresses that are chosen from: after the default bridge's.
const FIRST_CHOICE: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 0);
/// How many there are of them: to 10.106.255.0.
const CHOICES: u32 = 16 << 8;

/// The network as it is now.
pub(super) fn running(paths: &Paths, name: &ResourceName) -> Result<SharedNetwork, NetworkError> {
    let path = paths.shared_network(name);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NetworkError::NotStarted(name.clone())),
        text => file(
            &path,
            text.and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from)),
        ),
    }
}

/// The network as its definition has it: the first of [`Paths::unit_dirs`] that holds its compiled form.
fn compiled(paths: &Paths, name: &ResourceName) -> Result<SharedNetwork, NetworkError> {
    let compiled = Owner::Network(name.clone()).compiled_file();
    for path in paths.unit_dirs().map(|dir| dir.join(&compiled)) {
        let text = match read_whole(&path, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => file(&path, text)?,
        };
        let network: SharedNetwork = file(&path, serde_json::from_slice(&text).map_err(io::Error::from))?;
        if network.version == NETWORK_SCHEMA_VERSION && network.name == *name {
            return Ok(network);
        }
        let other =
            "it is of another network, or of a newer podunit; `systemctl daemon-reload` makes it anew";
        return file(&path, Err(io::Error::other(other)));
    }
    Err(NetworkError::NoDefinition(name.clone()))
}

/// Makes the network one that pods can be connected to.
///
/// # Errors
/// What it is to have is another's, or not there.
pub fn start(paths: &Paths, name: &ResourceName, settings: &Settings) -> Result<(), NetworkError> {
    let definition = &compiled(paths, name)?;
    netavark::find(paths)?;
    if definition.dns {
        netavark::find_aardvark(paths).ok_or_else(|| NetworkError::NoAardvark(definition.name.clone()))?;
    }
    let _lock = book::take_lock(paths)?;
    let dir = paths.shared_networks();
    file(&dir, DirBuilder::new().recursive(true).mode(0o700).create(&dir))?;
    let mut others = vec![SharedNetwork::default_bridge(settings)];
    for entry in file(&dir, fs::read_dir(&dir))? {
        let name = file(&dir, entry)?.file_name().into_string().ok();
        let name = name.and_then(|name| ResourceName::new(name).ok());
        if let Some(name) = name.filter(|name| *name != definition.name) {
            others.push(running(paths, &name)?);
        }
    }
    let network = chosen(definition, &others, &host::routes(), machine_id(paths).as_bytes())?;
    check_interface(&network)?;
    let path = paths.shared_network(&network.name);
    let json = serde_json::to_vec(&network).map_err(io::Error::from);
    file(&path, json.and_then(|json| replace(&path, &json, 0o600)))
}

/// No pod can be connected to the network from now on. Does nothing for one that is not there.
///
/// # Errors
/// The file that says what it is cannot be removed.
pub fn stop(paths: &Paths, name: &ResourceName) -> Result<(), NetworkError> {
    let _lock = book::take_lock(paths)?;
    let path = paths.shared_network(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => file(&path, result),
    }
}

fn machine_id(paths: &Paths) -> String {
    fs::read_to_string(paths.under("/etc/machine-id")).unwrap_or_default()
}

/// The network with all that its definition leaves open; `seed` differs from machine to machine.
fn chosen(
    definition: &SharedNetwork,
    others: &[SharedNetwork],
    routes: &[(Subnet, String)],
    seed: &[u8],
) -> Result<SharedNetwork, NetworkError> {
    let mut network = definition.clone();
    if network.driver == Driver::Bridge {
        let interface = network
            .interface
            .take()
            .unwrap_or_else(|| interface(&network.name));
        if let Some(other) = others
            .iter()
            .find(|other| other.interface.as_ref() == Some(&interface))
        {
            return Err(NetworkError::InUse {
                network: network.name.clone(),
                what: format!("the interface {interface}"),
                holder: holder(other),
                key: "InterfaceName",
            });
        }
        network.interface = Some(interface);
    }
    let own = network.interface.clone().unwrap_or_default();
    // On an interface of the host, pods are its neighbours, and share its subnet.
    let host = |subnet: Subnet| {
        let is_in_the_way =
            |(route, interface): &&(Subnet, String)| *interface != own && route.overlaps(subnet);
        let found = routes
            .iter()
            .find(is_in_the_way)
            .filter(|_| network.driver == Driver::Bridge);
        found.map(|(route, interface)| format!("the host, with {route} behind {interface},"))
    };
    let taken = |subnet: Subnet| {
        let of = |other: &&SharedNetwork| other.pools.iter().any(|pool| pool.subnet.overlaps(subnet));
        others.iter().find(of).map(holder).or_else(|| host(subnet))
    };
    for pool in &network.pools {
        if let Some(holder) = taken(pool.subnet) {
            return Err(NetworkError::InUse {
                network: network.name.clone(),
                what: format!("the subnet {}", pool.subnet),
                holder,
                key: "Subnet",
            });
        }
    }
    if !network.addresses {
        return Ok(network);
    }
    let none = || NetworkError::NoSubnet(network.name.clone());
    let is_free = |subnet: &Subnet| taken(*subnet).is_none();
    let mut more = Vec::new();
    if network.pools.is_empty() {
        more.push(
            choices(network.name.as_str().as_bytes())
                .find(is_free)
                .ok_or_else(none)?,
        );
    }
    if network.ipv6 && !network.pools.iter().any(|pool| pool.subnet.is_ipv6()) {
        let subnet = unique_local(&[seed, network.name.as_str().as_bytes()].concat());
        more.push(Some(subnet).filter(is_free).ok_or_else(none)?);
    }
    // Nobody outside is to be reached by it, but the host answers there for names.
    let has_gateway = !network.internal || network.dns;
    network.pools.extend(more.into_iter().map(|subnet| Pool {
        subnet,
        gateway: has_gateway.then(|| subnet.gateway()),
        range: None,
    }));
    Ok(network)
}

fn holder(network: &SharedNetwork) -> String {
    if network.is_default() {
        "the default bridge".to_owned()
    } else {
        format!("the network `{}`", network.name)
    }
}

/// The bridge of a network: by its name, as far as that is one for an interface.
fn interface(name: &ResourceName) -> String {
    let own = format!("pu-{name}");
    let fits = own.len() <= LONGEST_INTERFACE && !own.contains([':', '@']);
    if fits {
        return own;
    }
    let digest = Sha256::digest(name.as_str());
    digest
        .iter()
        .take(6)
        .fold("pu-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Subnets in the order in which they are tried: from one that goes by the name, so that a network has the same after a
/// reboot, whichever was started first.
fn choices(name: &[u8]) -> impl Iterator<Item = Subnet> {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let start = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % CHOICES;
    (0..CHOICES).filter_map(move |at| {
        let at = (start + at) % CHOICES;
        let address = Ipv4Addr::from(u32::from(FIRST_CHOICE) + (at << 8));
        Subnet::around(address.into(), 24).ok()
    })
}

/// A subnet of IPv6 that no other machine will have (RFC 4193).
fn unique_local(seed: &[u8]) -> Subnet {
    let digest: [u8; 32] = Sha256::digest(seed).into();
    let mut address = [0; 16];
    address[0] = 0xfd;
    address[1..6].copy_from_slice(&digest[..5]);
    // A prefix of 64 bits fits every address of IPv6.
    Subnet::around(Ipv6Addr::from(address).into(), 64).unwrap_or(Subnet::DEFAULT)
}

/// Whether the interface of the host is there, or is not, as it has to be.
fn check_interface(network: &SharedNetwork) -> Result<(), NetworkError> {
    let Some(interface) = network.interface.clone() else {
        return Ok(());
    };
    let is_there = Path::new("/sys/class/net").join(&interface).exists();
    let is_hosts = network.driver != Driver::Bridge
        || network
            .options
            .get("mode")
            .is_some_and(|mode| mode == "unmanaged");
    match (is_hosts, is_there) {
        (true, false) => Err(NetworkError::NoInterface {
            network: network.name.clone(),
            interface,
        }),
        // netavark would take it down with the last pod.
        (false, true) if !is_left(network, &interface) => Err(NetworkError::InUse {
            network: network.name.clone(),
            what: format!("the interface {interface}"),
            holder: "the host".to_owned(),
            key: "InterfaceName",
        }),
        _ => Ok(()),
    }
}

/// Whether a bridge that is there already is what is left of this network: by its name, or by the network's subnets.
fn is_left(network: &SharedNetwork, bridge: &str) -> bool {
    let routes = host::routes();
    let of_network = |subnet: &Subnet| network.pools.iter().any(|pool| pool.subnet == *subnet);
    let mut own = routes
        .iter()
        .filter(|(_, of)| of == bridge)
        .map(|(subnet, _)| subnet)
        .peekable();
    let is_named = bridge == interface(&network.name);
    (is_named || own.peek().is_some())
        && own.all(of_network)
        && Path::new("/sys/class/net").join(bridge).join("bridge").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, pools: &[&str]) -> SharedNetwork {
        let pool = |text: &&str| Pool {
            subnet: text.parse().unwrap(),
            gateway: None,
            range: None,
        };
        SharedNetwork {
            name: ResourceName::new(name).unwrap(),
            interface: None,
            pools: pools.iter().map(pool).collect(),
            ..SharedNetwork::default_bridge(&Settings::default())
        }
    }

    #[test]
    fn what_is_left_open_is_chosen_and_the_same_each_time() {
        let default = [SharedNetwork::default_bridge(&Settings::default())];
        let mut back = network("back", &[]);
        back.ipv6 = true;
        let first = chosen(&back, &default, &[], b"machine").unwrap();
        assert_eq!(first, chosen(&back, &default, &[], b"machine").unwrap());
        assert_eq!(first.interface.as_deref(), Some("pu-back"));
        let [four, six] = &first.pools[..] else {
            panic!("{first:?}")
        };
        assert_eq!(
            (four.subnet.prefix(), four.gateway),
            (24, Some(four.subnet.gateway()))
        );
        assert!(six.subnet.to_string().starts_with("fd") && six.subnet.prefix() == 64);
        // Taken by the host: the next one.
        let route = (four.subnet, "eth0".to_owned());
        let second = chosen(&back, &default, std::slice::from_ref(&route), b"machine").unwrap();
        assert!(!second.pools[0].subnet.overlaps(four.subnet));
        // But not by its own bridge.
        let own = (route.0, "pu-back".to_owned());
        assert_eq!(chosen(&back, &default, &[own], b"machine").unwrap(), first);
        back.internal = true;
        assert_eq!(chosen(&back, &default, &[], b"").unwrap().pools[0].gateway, None);
        assert!(interface(&ResourceName::new("a-name-that-is-long").unwrap()).len() <= LONGEST_INTERFACE);
    }

    #[test]
    fn what_another_has_is_refused() {
        let default = SharedNetwork::default_bridge(&Settings::default());
        let mut other = network("other", &["10.7.0.0/16"]);
        other.interface = Some("pu-back".to_owned());
        let others = [default, other];
        let routes = [("192.168.0.0/16".parse().unwrap(), "eth0".to_owned())];
        let refused =
            |network: &SharedNetwork| chosen(network, &others, &routes, b"").unwrap_err().to_string();
        let at = |subnet: &str| SharedNetwork {
            interface: Some("one".to_owned()),
            ..network("back", &[subnet])
        };
        assert_eq!(
            refused(&at("10.90.1.0/24")),
            "the network `back` cannot have the subnet 10.90.1.0/24: the default bridge has it; write another Subnet="
        );
        assert!(refused(&at("10.0.0.0/8")).contains("the default bridge"));
        assert!(refused(&at("10.7.1.0/24")).contains("the network `other`"));
        assert!(refused(&at("192.168.1.0/24")).contains("the host, with 192.168.0.0/16 behind eth0,"));
        assert!(refused(&network("back", &["10.8.0.0/24"])).contains("the interface pu-back"));
        let macvlan = SharedNetwork {
            driver: Driver::Macvlan,
            ..at("192.168.1.0/24")
        };
        chosen(&macvlan, &others, &routes, b"").unwrap();
    }
}
