//! The address book: which pod has which addresses of which networks, and which ports of the host. One file for all
//! pods, read and written under a lock, replaced as a whole.

use super::{NetworkError, file, options, port};
use crate::model::paths::PodPaths;
use crate::model::subnet::addresses;
use crate::model::{Paths, PodName, Pool, PortMapping, ResourceName, SharedNetwork};
use crate::sys::file::{lock, replace};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// How often another port is chosen, when the one before belongs to a pod.
const MOST_CHOICES: usize = 1000;

/// What a pod has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Its addresses in each network, one in each subnet.
    pub(super) addresses: BTreeMap<ResourceName, Vec<IpAddr>>,
    /// What it publishes.
    pub(super) ports: Vec<PortMapping>,
}

/// What a pod wants of a network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// The network.
    pub(super) network: &'w SharedNetwork,
    /// Addresses that the pod is to have. In a subnet without one of them, the lowest that is free is given out.
    pub(super) addresses: &'w [IpAddr],
}

type Book = BTreeMap<PodName, Lease>;

/// Gives the pod addresses, and the ports: those without a number of the host are given one.
pub(super) fn lease(
    paths: &Paths,
    pod: &PodName,
    wanted: &[Wanted],
    ports: &[PortMapping],
) -> Result<Lease, NetworkError> {
    let (_lock, mut book) = open(paths)?;
    // A pod that has neither `ns` nor a network to take down is gone, and so is the earlier life of this one.
    let is_there = |at: PodPaths| at.namespaces().exists() || at.network().exists();
    book.retain(|name, _| name != pod && is_there(paths.pod(name)));
    if let Some((port, pod, other)) = conflict(&book, ports) {
        return Err(NetworkError::PublishedByPod { port, pod, other });
    }
    let mut lease = Lease {
        addresses: BTreeMap::new(),
        ports: Vec::with_capacity(ports.len()),
    };
    for port in ports {
        let port = match port.host_port {
            0 => choose_port(&book, &[ports, lease.ports.as_slice()].concat(), port)?,
            _ => port.clone(),
        };
        lease.ports.push(port);
    }
    for wanted in wanted {
        let addresses = addresses_in(&book, *wanted)?;
        lease.addresses.insert(wanted.network.name.clone(), addresses);
    }
    book.insert(pod.clone(), lease.clone());
    save(paths, &book)?;
    Ok(lease)
}

/// Takes the pod out of the book.
pub(super) fn free(paths: &Paths, pod: &PodName) -> Result<(), NetworkError> {
    if !book_file(paths).exists() {
        return Ok(());
    }
    let (_lock, mut book) = open(paths)?;
    match book.remove(pod) {
        Some(_) => save(paths, &book),
        None => Ok(()),
    }
}

/// One address in each subnet of the network.
fn addresses_in(book: &Book, wanted: Wanted) -> Result<Vec<IpAddr>, NetworkError> {
    let Wanted { network, addresses } = wanted;
    let holder = |address: &IpAddr| {
        let has = |lease: &&Lease| {
            lease
                .addresses
                .get(&network.name)
                .is_some_and(|all| all.contains(address))
        };
        book.iter()
            .find(|(_, lease)| has(lease))
            .map(|(pod, _)| pod.clone())
    };
    let is_at_home = |address: &&IpAddr| {
        let fits = |pool: &Pool| pool.subnet.contains(**address) && pool.gateway != Some(**address);
        network.pools.iter().any(fits)
    };
    if let Some(stray) = addresses.iter().find(|address| !is_at_home(address)) {
        let subnets: Vec<String> = network.pools.iter().map(|pool| pool.subnet.to_string()).collect();
        return Err(NetworkError::NotInNetwork {
            address: *stray,
            network: network.name.clone(),
            subnets: if subnets.is_empty() {
                "none".to_owned()
            } else {
                subnets.join(" and ")
            },
        });
    }
    for address in addresses {
        if let Some(pod) = holder(address) {
            return Err(NetworkError::AddressTaken {
                address: *address,
                network: network.name.clone(),
                pod,
            });
        }
    }
    let used: HashSet<IpAddr> = book
        .values()
        .filter_map(|lease| lease.addresses.get(&network.name))
        .flatten()
        .copied()
        .collect();
    let in_pool = |pool: &Pool| {
        let own = addresses
            .iter()
            .find(|address| pool.subnet.contains(**address))
            .copied();
        own.or_else(|| lowest_free(&used, pool))
            .ok_or_else(|| NetworkError::Full {
                subnet: pool.subnet,
                instead: if network.is_default() {
                    "`subnet=` in podunit.conf".to_owned()
                } else {
                    format!("Subnet= or IPRange= in {}.network", network.name)
                },
            })
    };
    network.pools.iter().map(in_pool).collect()
}

fn lowest_free(used: &HashSet<IpAddr>, pool: &Pool) -> Option<IpAddr> {
    let (first, last) = pool.range.unwrap_or_else(|| pool.subnet.usable());
    // Not the gateway, wherever that is.
    addresses(first, last).find(|address| !used.contains(address) && pool.gateway != Some(*address))
}

/// A port that another pod has, that pod, and its mapping.
fn conflict(book: &Book, ports: &[PortMapping]) -> Option<(PortMapping, PodName, PortMapping)> {
    ports.iter().filter(|port| port.host_port != 0).find_map(|port| {
        book.iter().find_map(|(pod, lease)| {
            let other = lease.ports.iter().find(|other| overlap(port, other))?;
            Some((port.clone(), pod.clone(), other.clone()))
        })
    })
}

/// The mapping with a port of the host that neither another pod nor this one has, `own` being its other mappings.
fn choose_port(book: &Book, own: &[PortMapping], port: &PortMapping) -> Result<PortMapping, NetworkError> {
    let no_port = || NetworkError::NoFreePort { port: port.clone() };
    for _ in 0..MOST_CHOICES {
        let chosen = PortMapping {
            host_port: port::free(port).map_err(|_| no_port())?,
            ..port.clone()
        };
        let is_taken = own.iter().any(|other| overlap(&chosen, other));
        if !is_taken && conflict(book, std::slice::from_ref(&chosen)).is_none() {
            return Ok(chosen);
        }
    }
    Err(no_port())
}

fn overlap(a: &PortMapping, b: &PortMapping) -> bool {
    a.protocol == b.protocol
        && a.host_port == b.host_port
        && (a.host_ip.is_none() || b.host_ip.is_none() || a.host_ip == b.host_ip)
}

fn book_file(paths: &Paths) -> PathBuf {
    paths.run_network().join("leases.json")
}

/// Reads the book, and holds its lock as long as the file that is returned is there.
fn open(paths: &Paths) -> Result<(File, Book), NetworkError> {
    let lock = take_lock(paths)?;
    let path = book_file(paths);
    let book = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Book::new()),
        Err(source) => return Err(NetworkError::File { path, source }),
    };
    // Whatever spoilt it: each pod knows what it has.
    Ok((lock, book.map_or_else(|| from_pods(paths), Ok)?))
}

/// The lock of the book, which is also that of the networks that pods share.
pub(super) fn take_lock(paths: &Paths) -> Result<File, NetworkError> {
    let dir = paths.run_network();
    file(&dir, DirBuilder::new().recursive(true).mode(0o700).create(&dir))?;
    let path = dir.join("leases.lock");
    file(&path, lock(&path))
}

fn from_pods(paths: &Paths) -> Result<Book, NetworkError> {
    let run = paths.run();
    let entries = file(&run, fs::read_dir(&run))?;
    let names = entries.filter_map(|entry| PodName::new(entry.ok()?.file_name().into_string().ok()?).ok());
    Ok(names
        .filter_map(|pod| options::lease(paths, &pod).map(|lease| (pod, lease)))
        .collect())
}

fn save(paths: &Paths, book: &Book) -> Result<(), NetworkError> {
    let path = book_file(paths);
    let json = serde_json::to_vec(book).map_err(io::Error::from);
    file(&path, json.and_then(|json| replace(&path, &json, 0o600)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Protocol, Settings, Subnet};

    fn network(name: &str, subnets: &[&str]) -> SharedNetwork {
        let pool = |text: &&str| {
            let subnet: Subnet = text.parse().unwrap();
            Pool {
                subnet,
                gateway: Some(subnet.gateway()),
                range: None,
            }
        };
        SharedNetwork {
            name: ResourceName::new(name).unwrap(),
            pools: subnets.iter().map(pool).collect(),
            ..SharedNetwork::default_bridge(&Settings::default())
        }
    }

    /// One address of 10.90.0.0/29 in the default network, and ports.
    fn take(paths: &Paths, name: &str, ports: &[PortMapping]) -> Result<IpAddr, NetworkError> {
        let network = network("podunit", &["10.90.0.0/29"]);
        let wanted = Wanted {
            network: &network,
            addresses: &[],
        };
        let lease = lease(paths, &pod(paths, name), &[wanted], ports)?;
        Ok(lease.addresses[&network.name][0])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn port(host_ip: Option<&str>, host_port: u16, protocol: Protocol) -> PortMapping {
        PortMapping {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port,
            container_port: 80,
            protocol,
        }
    }

    fn tree() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        (dir, paths)
    }

    fn pod(paths: &Paths, name: &str) -> PodName {
        let pod = PodName::new(name).unwrap();
        fs::create_dir_all(paths.pod(&pod).namespaces()).unwrap();
        pod
    }

    #[test]
    fn addresses_are_the_lowest_free_and_end() {
        let (_dir, paths) = tree();
        let take = |name: &str| take(&paths, name, &[]);
        let addresses: Vec<String> = ["a", "b", "c", "d", "e"]
            .map(|name| take(name).unwrap().to_string())
            .into();
        assert_eq!(
            addresses,
            ["10.90.0.2", "10.90.0.3", "10.90.0.4", "10.90.0.5", "10.90.0.6"]
        );
        assert!(matches!(take("f"), Err(NetworkError::Full { .. })));
        assert_eq!(take("c").unwrap(), ip("10.90.0.4"), "its own again");
        free(&paths, &PodName::new("b").unwrap()).unwrap();
        free(&paths, &PodName::new("b").unwrap()).unwrap();
        assert_eq!(take("f").unwrap(), ip("10.90.0.3"));
        // A pod that is gone without a word holds nothing.
        fs::remove_dir(paths.pod(&PodName::new("a").unwrap()).namespaces()).unwrap();
        assert_eq!(take("g").unwrap(), ip("10.90.0.2"));
    }

    #[test]
    fn a_port_belongs_to_one_pod() {
        let (_dir, paths) = tree();
        let take = |name: &str, port| take(&paths, name, &[port]);
        take("a", port(None, 80, Protocol::Tcp)).unwrap();
        take("b", port(Some("10.0.0.1"), 81, Protocol::Tcp)).unwrap();
        take("b2", port(Some("10.0.0.2"), 81, Protocol::Tcp)).unwrap();
        take("c", port(None, 80, Protocol::Udp)).unwrap();
        let error = take("d", port(Some("10.0.0.1"), 80, Protocol::Tcp)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "port 10.0.0.1:80:80/tcp cannot be published: the pod `a` has published 80:80/tcp"
        );
        assert!(take("d", port(None, 81, Protocol::Tcp)).is_err());
        take("a", port(None, 80, Protocol::Tcp)).unwrap();
    }

    #[test]
    fn twenty_at_once_get_twenty_addresses() {
        let (_dir, paths) = tree();
        let network = network("back", &["10.1.0.0/24"]);
        let wanted = Wanted {
            network: &network,
            addresses: &[],
        };
        let mut addresses: Vec<Vec<IpAddr>> = std::thread::scope(|scope| {
            let each = (0..20).map(|number| {
                let (paths, name) = (&paths, &network.name);
                let take = move || lease(paths, &pod(paths, &format!("p{number}")), &[wanted], &[]);
                scope.spawn(move || take().unwrap().addresses[name].clone())
            });
            each.collect::<Vec<_>>()
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 20);
    }

    #[test]
    fn a_spoilt_book_is_written_anew_from_what_the_pods_have() {
        let (_dir, paths) = tree();
        let a = pod(&paths, "a");
        fs::write(
            paths.pod(&a).network(),
            options::tests::options("10.90.0.2", 8080),
        )
        .unwrap();
        fs::create_dir_all(paths.run_network()).unwrap();
        fs::write(book_file(&paths), "{\"a\":").unwrap();
        let taken = take(&paths, "b", &[port(None, 8080, Protocol::Tcp)]);
        assert!(matches!(taken, Err(NetworkError::PublishedByPod { .. })));
        assert_eq!(take(&paths, "b", &[]).unwrap(), ip("10.90.0.3"));
    }

    #[test]
    fn each_network_has_addresses_of_its_own_and_those_that_are_asked_for() {
        let (_dir, paths) = tree();
        let (mut front, back) = (
            network("front", &["10.1.0.0/24", "fd00::/64"]),
            network("back", &["10.2.0.0/24"]),
        );
        front.pools[0].range = Some((ip("10.1.0.100"), ip("10.1.0.101")));
        let take = |name: &str, addresses: &[IpAddr]| -> Result<Vec<String>, NetworkError> {
            let front = Wanted {
                network: &front,
                addresses,
            };
            let back = Wanted {
                network: &back,
                addresses: &[],
            };
            let lease = lease(&paths, &pod(&paths, name), &[front, back], &[])?;
            Ok(lease
                .addresses
                .into_values()
                .flatten()
                .map(|address| address.to_string())
                .collect::<Vec<_>>())
        };
        assert_eq!(take("a", &[]).unwrap(), ["10.2.0.2", "10.1.0.100", "fd00::2"]);
        assert_eq!(
            take("b", &[ip("10.1.0.7")]).unwrap(),
            ["10.2.0.3", "10.1.0.7", "fd00::3"]
        );
        assert_eq!(
            take("c", &[ip("fd00::99")]).unwrap(),
            ["10.2.0.4", "10.1.0.101", "fd00::99"]
        );
        assert!(
            matches!(take("d", &[]), Err(NetworkError::Full { .. })),
            "the range has two"
        );
        let taken = take("d", &[ip("10.1.0.7")]).unwrap_err();
        assert_eq!(
            taken.to_string(),
            "the address 10.1.0.7 of the network `front` cannot be had: the pod `b` has it; write another"
        );
        for stray in ["10.2.0.9", "10.1.0.1"] {
            assert!(
                matches!(take("d", &[ip(stray)]), Err(NetworkError::NotInNetwork { .. })),
                "{stray}"
            );
        }
    }

    #[test]
    fn a_port_that_is_left_to_podunit_is_one_that_nobody_has() {
        let (_dir, paths) = tree();
        let any = port(None, 0, Protocol::Tcp);
        let lease = lease(&paths, &pod(&paths, "a"), &[], &[any.clone(), any]).unwrap();
        let [first, second] = &lease.ports[..] else {
            panic!()
        };
        assert!(first.host_port >= 1024 && second.host_port >= 1024 && first.host_port != second.host_port);
    }
}
