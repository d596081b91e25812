//! The network of a pod: interfaces and addresses, published ports, the files by which members find names.
//!
//! netavark does the work on interfaces and firewall. It gives out no addresses and keeps no port, so both are in an
//! address book that all pods of the host share. `shared` are the networks that have definitions of their own.

mod book;
mod bridge;
mod error;
mod files;
mod host;
mod netavark;
mod options;
mod port;
mod rtnetlink;
mod shared;

pub use error::NetworkError;
pub use files::write_files;
pub use netavark::answer_for_names;
pub use shared::{start, stop};

use crate::model::{Attachment, Network, Paths, Pod, PodName, PortMapping, Settings, SharedNetwork};
use book::Wanted;
use error::file;
use options::Options;
use std::net::IpAddr;
use std::path::PathBuf;

/// Addresses of networks and ports of the host that are a pod's, before it is connected.
#[derive(Debug)]
pub struct Reservation {
    pod: PodName,
    program: PathBuf,
    options: Options,
}

/// What a pod has around it once it is connected, for the files of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Its addresses, in the order of its interfaces.
    pub addresses: Vec<IpAddr>,
    /// The address at which it reaches the host.
    pub gateway: Option<IpAddr>,
    /// Who answers for names on its networks.
    pub name_servers: Vec<IpAddr>,
}

/// Leases addresses for the pod and checks its ports, if it has a network namespace that is to be connected.
///
/// # Errors
/// What went wrong; then the addresses are free again.
pub fn reserve(paths: &Paths, pod: &Pod, settings: &Settings) -> Result<Option<Reservation>, NetworkError> {
    if !pod.share.net || !pod.network.is_connected() {
        return Ok(None);
    }
    let program = netavark::find(paths)?;
    let interfaces = interfaces(paths, &pod.network, settings)?;
    let has_ipv6 = |network: &SharedNetwork| network.pools.iter().any(|pool| pool.subnet.is_ipv6());
    let ipv6 = interfaces.iter().any(|(network, _)| has_ipv6(network));
    let ports = pod.ports.iter().map(|port| as_netavark_has_it(port, ipv6));
    let ports = ports.collect::<Result<Vec<_>, _>>()?;
    let wanted: Vec<Wanted> = interfaces
        .iter()
        .map(|(network, attachment)| Wanted {
            network,
            addresses: &attachment.addresses,
        })
        .collect();
    let lease = book::lease(paths, &pod.name, &wanted, &ports)?;
    if let Err(error) = port::check(&lease.ports) {
        return Err(undone(paths, &pod.name, error));
    }
    Ok(Some(Reservation {
        pod: pod.name.clone(),
        program,
        options: options::options(pod, &interfaces, &lease),
    }))
}

/// The pod's networks as they are now, and what the pod says of each.
fn interfaces(
    paths: &Paths,
    network: &Network,
    settings: &Settings,
) -> Result<Vec<(SharedNetwork, Attachment)>, NetworkError> {
    let default = || SharedNetwork::default_bridge(settings);
    if *network == Network::Bridge {
        return Ok(vec![(default(), Attachment::default())]);
    }
    let interface = |attachment: &Attachment| {
        let network = match &attachment.network {
            Some(name) => shared::running(paths, name)?,
            None => default(),
        };
        Ok((network, attachment.clone()))
    };
    network.attachments().iter().map(interface).collect()
}

impl Reservation {
    /// What the pod will have around it.
    pub fn surroundings(&self) -> Surroundings {
        self.options.surroundings()
    }

    /// Connects the pod: calls netavark.
    ///
    /// # Errors
    /// What went wrong; then the addresses are free again and nothing is left of the interfaces and the rules, or the
    /// error says what is.
    pub fn connect(&self, paths: &Paths) -> Result<(), NetworkError> {
        netavark::setup(&self.program, paths, &self.pod, &self.options)
            .map_err(|error| undone(paths, &self.pod, error))
    }
}

/// What a pod has around it that runs, for another that joins its network.
///
/// # Errors
/// It has no network namespace, or does not run.
pub fn surroundings_of(paths: &Paths, pod: &PodName) -> Result<Surroundings, NetworkError> {
    if !netavark::pin(paths, pod).exists() {
        return Err(NetworkError::NoNetworkOf(pod.clone()));
    }
    Ok(options::of_pod(paths, pod).map_or_else(Surroundings::default, |options| options.surroundings()))
}

/// The ports that a running pod has published, those that were chosen for it among them; none if it is not connected.
pub fn published(paths: &Paths, pod: &PodName) -> Vec<PortMapping> {
    options::of_pod(paths, pod).map_or_else(Vec::new, |options| options.ports())
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

/// Takes the pod off its networks and frees its addresses. Does nothing for a pod that is on none.
///
/// # Errors
/// What netavark could not take back. `network.json` then stays for the next try, and the pod keeps its addresses: rules
/// that are left must not lead to another.
pub fn disconnect(paths: &Paths, pod: &PodName) -> Result<(), NetworkError> {
    let torn_down = netavark::teardown(paths, pod);
    if !paths.pod(pod).network().exists() {
        book::free(paths, pod)?;
    }
    torn_down
}

/// A mapping as netavark understands it: an address that stands for all is no address. `ipv6` is whether the pod has
/// an address of IPv6.
fn as_netavark_has_it(port: &PortMapping, ipv6: bool) -> Result<PortMapping, NetworkError> {
    match port.host_ip {
        Some(IpAddr::V6(_)) if !ipv6 => Err(NetworkError::PortOfIpv6(port.clone())),
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => Ok(PortMapping {
            host_ip: None,
            ..port.clone()
        }),
        _ => Ok(port.clone()),
    }
}
