//! The network of a pod: an address of the default bridge, published ports, the files by which members find names.
//!
//! netavark does the work on interfaces and firewall. It gives out no addresses and keeps no port, so both are in an
//! address book that all pods of the host share.

mod book;
mod bridge;
mod files;
mod netavark;
mod options;
mod port;
mod rtnetlink;

pub use files::write_files;

use crate::model::{Network, Paths, Pod, PodName, PortMapping, Settings};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Why a pod has no network, or is not rid of it.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Another pod has published the port.
    #[error("port {port} cannot be published: the pod `{pod}` has published {other}")]
    PublishedByPod {
        /// What this pod publishes.
        port: PortMapping,
        /// Who has it.
        pod: PodName,
        /// What that one publishes.
        other: PortMapping,
    },
    /// A program of the host listens on the port.
    #[error("port {port} cannot be published: {holder} has it")]
    Taken {
        /// What this pod publishes.
        port: PortMapping,
        /// Who has it, in words.
        holder: String,
    },
    /// The port cannot be published for another reason.
    #[error("port {port} cannot be published")]
    Port {
        /// What this pod publishes.
        port: PortMapping,
        /// Why not.
        source: io::Error,
    },
    /// The address to publish on is one of IPv6, which the bridge does not have.
    #[error(
        "port {0} cannot be published on an IPv6 address: pods have IPv4 addresses only; \
         leave the address out, or write one of IPv4"
    )]
    PortOfIpv6(PortMapping),
    /// Every address of the subnet is in use.
    #[error("all addresses of {subnet}/{prefix} are in use; a larger `subnet=` in podunit.conf gives more")]
    Full {
        /// The subnet.
        subnet: Ipv4Addr,
        /// Its prefix length.
        prefix: u8,
    },
    /// netavark is not installed.
    #[error(
        "netavark is missing, which connects a pod to the bridge: install it (on Debian the package `netavark`), \
         or write Network=none or Network=host"
    )]
    NoNetavark,
    /// netavark failed.
    #[error("{program} {step}: {message}")]
    Netavark {
        /// The program.
        program: PathBuf,
        /// `setup` or `teardown`.
        step: &'static str,
        /// What it said.
        message: String,
    },
    /// The network failed, and it is not sure that nothing of it is left.
    #[error("{failed}; undoing that failed too, something of it may be left: {undoing}")]
    NotUndone {
        /// What failed first.
        failed: Box<NetworkError>,
        /// What failed when that was undone.
        undoing: Box<NetworkError>,
    },
    /// A file of the network cannot be read or written.
    #[error("{path}: cannot use it for the pod's network")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// An address of the default bridge and ports of the host that are a pod's, before it is connected.
#[derive(Debug)]
pub struct Reservation {
    pod: PodName,
    program: PathBuf,
    address: Ipv4Addr,
    options: options::Options,
}

/// Leases an address for the pod and checks its ports, if it has a network namespace and `Network=bridge`.
///
/// # Errors
/// What went wrong; then the address is free again.
pub fn reserve(paths: &Paths, pod: &Pod, settings: &Settings) -> Result<Option<Reservation>, NetworkError> {
    if !pod.share.net || pod.network != Network::Bridge {
        return Ok(None);
    }
    let program = netavark::find(paths)?;
    let ports = pod.ports.iter().map(of_ipv4).collect::<Result<Vec<_>, _>>()?;
    let address = book::lease(paths, &pod.name, settings.subnet, &ports)?;
    if let Err(error) = port::check(&ports) {
        return Err(undone(paths, &pod.name, error));
    }
    Ok(Some(Reservation {
        pod: pod.name.clone(),
        program,
        address,
        options: options::options(pod, settings, address, &ports),
    }))
}

impl Reservation {
    /// The pod's address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Connects the pod: calls netavark.
    ///
    /// # Errors
    /// What went wrong; then the address is free again and nothing is left of the interface and the rules, or the
    /// error says what is.
    pub fn connect(&self, paths: &Paths) -> Result<(), NetworkError> {
        netavark::setup(&self.program, paths, &self.pod, &self.options)
            .map_err(|error| undone(paths, &self.pod, error))
    }
}

/// Undoes what has been done for the pod. Returns why, and that undoing failed if it did.
fn undone(paths: &Paths, pod: &PodName, failed: NetworkError) -> NetworkError {
    match disconnect(paths, pod) {
        Ok(()) => failed,
        Err(undoing) => NetworkError::NotUndone {
            failed: Box::new(failed),
            undoing: Box::new(undoing),
        },
    }
}

/// Takes the pod off the bridge and frees its address. Does nothing for a pod that is not on it.
///
/// # Errors
/// What netavark could not take back. `network.json` then stays for the next try, and the pod keeps its address: rules
/// that are left must not lead to another.
pub fn disconnect(paths: &Paths, pod: &PodName) -> Result<(), NetworkError> {
    let torn_down = netavark::teardown(paths, pod);
    if !paths.pod(pod).network().exists() {
        book::free(paths, pod)?;
    }
    torn_down
}

/// A mapping as netavark understands it: an address that stands for all is no address.
fn of_ipv4(port: &PortMapping) -> Result<PortMapping, NetworkError> {
    match port.host_ip {
        Some(IpAddr::V6(_)) => Err(NetworkError::PortOfIpv6(port.clone())),
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => Ok(PortMapping {
            host_ip: None,
            ..port.clone()
        }),
        _ => Ok(port.clone()),
    }
}

fn file<T>(path: impl Into<PathBuf>, result: io::Result<T>) -> Result<T, NetworkError> {
    result.map_err(|source| NetworkError::File {
        path: path.into(),
        source,
    })
}
