//! The address book: which pod has which address of the bridge and which ports of the host. One file for all pods,
//! read and written under a lock, replaced as a whole.

use super::{NetworkError, file, options};
use crate::model::paths::PodPaths;
use crate::model::{Paths, PodName, PortMapping};
use crate::sys::file::{lock, replace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// What a pod has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Its address in the bridge's subnet.
    pub(super) address: Ipv4Addr,
    /// What it publishes.
    pub(super) ports: Vec<PortMapping>,
}

type Book = BTreeMap<PodName, Lease>;

/// Gives the pod the lowest address that is free, and the ports.
pub(super) fn lease(
    paths: &Paths,
    pod: &PodName,
    subnet: (Ipv4Addr, u8),
    ports: &[PortMapping],
) -> Result<Ipv4Addr, NetworkError> {
    let (_lock, mut book) = open(paths)?;
    // A pod that has neither `ns` nor a network to take down is gone, and so is the earlier life of this one.
    let is_there = |at: PodPaths| at.namespaces().exists() || at.network().exists();
    book.retain(|name, _| name != pod && is_there(paths.pod(name)));
    if let Some((port, pod, other)) = conflict(&book, ports) {
        return Err(NetworkError::PublishedByPod { port, pod, other });
    }
    let (network, prefix) = subnet;
    let address = lowest_free(&book, subnet).ok_or(NetworkError::Full {
        subnet: network,
        prefix,
    })?;
    book.insert(
        pod.clone(),
        Lease {
            address,
            ports: ports.to_vec(),
        },
    );
    save(paths, &book)?;
    Ok(address)
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

/// The bridge's own address: the first of the subnet.
pub(super) fn gateway((network, _): (Ipv4Addr, u8)) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network) + 1)
}

fn lowest_free(book: &Book, subnet: (Ipv4Addr, u8)) -> Option<Ipv4Addr> {
    let (network, prefix) = subnet;
    let broadcast = u32::from(network) | (u32::MAX >> prefix);
    // Not the subnet itself, not the gateway, not the broadcast address.
    let mut candidates = (u32::from(network) + 2..broadcast).map(Ipv4Addr::from);
    let used: std::collections::HashSet<Ipv4Addr> = book.values().map(|lease| lease.address).collect();
    candidates.find(|address| !used.contains(address))
}

/// A port that another pod has, that pod, and its mapping.
fn conflict(book: &Book, ports: &[PortMapping]) -> Option<(PortMapping, PodName, PortMapping)> {
    ports.iter().find_map(|port| {
        book.iter().find_map(|(pod, lease)| {
            let other = lease.ports.iter().find(|other| overlap(port, other))?;
            Some((port.clone(), pod.clone(), other.clone()))
        })
    })
}

fn overlap(a: &PortMapping, b: &PortMapping) -> bool {
    a.protocol == b.protocol
        && a.host_port == b.host_port
        && (a.host_ip.is_none() || b.host_ip.is_none() || a.host_ip == b.host_ip)
}

fn book_file(paths: &Paths) -> PathBuf {
    paths.run_network().join("leases.json")
}

fn open(paths: &Paths) -> Result<(File, Book), NetworkError> {
    let dir = paths.run_network();
    file(&dir, DirBuilder::new().recursive(true).mode(0o700).create(&dir))?;
    let lock_file = dir.join("leases.lock");
    let lock = file(&lock_file, lock(&lock_file))?;
    let path = book_file(paths);
    let book = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Book::new()),
        Err(source) => return Err(NetworkError::File { path, source }),
    };
    // Whatever spoilt it: each pod knows what it has.
    Ok((lock, book.map_or_else(|| from_pods(paths), Ok)?))
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
    use crate::model::Protocol;

    const SUBNET: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 90, 0, 0), 29);

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
        let take = |name: &str| lease(&paths, &pod(&paths, name), SUBNET, &[]);
        let addresses: Vec<String> = ["a", "b", "c", "d", "e"]
            .map(|name| take(name).unwrap().to_string())
            .into();
        assert_eq!(
            addresses,
            ["10.90.0.2", "10.90.0.3", "10.90.0.4", "10.90.0.5", "10.90.0.6"]
        );
        assert!(matches!(take("f"), Err(NetworkError::Full { .. })));
        assert_eq!(take("c").unwrap(), Ipv4Addr::new(10, 90, 0, 4), "its own again");
        free(&paths, &PodName::new("b").unwrap()).unwrap();
        free(&paths, &PodName::new("b").unwrap()).unwrap();
        assert_eq!(take("f").unwrap(), Ipv4Addr::new(10, 90, 0, 3));
        // A pod that is gone without a word holds nothing.
        fs::remove_dir(paths.pod(&PodName::new("a").unwrap()).namespaces()).unwrap();
        assert_eq!(take("g").unwrap(), Ipv4Addr::new(10, 90, 0, 2));
    }

    #[test]
    fn a_port_belongs_to_one_pod() {
        let (_dir, paths) = tree();
        let take = |name: &str, port| lease(&paths, &pod(&paths, name), SUBNET, &[port]);
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
        let subnet = (SUBNET.0, 24);
        let mut addresses: Vec<Ipv4Addr> = std::thread::scope(|scope| {
            let each = (0..20).map(|number| {
                let paths = &paths;
                scope.spawn(move || lease(paths, &pod(paths, &format!("p{number}")), subnet, &[]).unwrap())
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
        let b = pod(&paths, "b");
        let taken = lease(&paths, &b, SUBNET, &[port(None, 8080, Protocol::Tcp)]);
        assert!(matches!(taken, Err(NetworkError::PublishedByPod { .. })));
        assert_eq!(
            lease(&paths, &b, SUBNET, &[]).unwrap(),
            Ipv4Addr::new(10, 90, 0, 3)
        );
    }
}
