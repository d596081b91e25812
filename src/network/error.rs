//! What goes wrong with networks.

use crate::model::{Owner, PodName, PortMapping, ResourceName, Subnet};
use std::io;
use std::net::IpAddr;
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
    /// The address to publish on is one of IPv6, which the pod does not have.
    #[error(
        "port {0} cannot be published on an IPv6 address: the pod has IPv4 addresses only; leave the address out, \
         write one of IPv4, or give the pod a network with an IPv6 subnet"
    )]
    PortOfIpv6(PortMapping),
    /// No port of the host is free, of those that the kernel gives out.
    #[error("no port of the host is free for {port}: write one, HOST:{}", .port.container_port)]
    NoFreePort {
        /// What this pod publishes.
        port: PortMapping,
    },
    /// Every address is in use.
    #[error("all addresses of {subnet} are in use; a larger {instead} gives more")]
    Full {
        /// The subnet.
        subnet: Subnet,
        /// Where a larger one is written.
        instead: String,
    },
    /// Another pod has the address.
    #[error(
        "the address {address} of the network `{network}` cannot be had: the pod `{pod}` has it; write another"
    )]
    AddressTaken {
        /// What this pod wants.
        address: IpAddr,
        /// Where.
        network: ResourceName,
        /// Who has it.
        pod: PodName,
    },
    /// An address that the definition asks for is of no subnet of the network.
    #[error("the address {address} is not one for pods of the network `{network}`, which has {subnets}")]
    NotInNetwork {
        /// What this pod wants.
        address: IpAddr,
        /// Where.
        network: ResourceName,
        /// What it has, in words.
        subnets: String,
    },
    /// A network of the pod is not there.
    #[error("the network `{0}` is not there: `systemctl start {unit}` makes it", unit = Owner::Network(.0.clone()).unit())]
    NotStarted(ResourceName),
    /// No folder of unit files holds the network.
    #[error(
        "there is no network `{0}`: no folder of unit files holds {file}; `podunit check` says what is wrong with the \
         definitions, and `systemctl daemon-reload` makes the units of a new one",
        file = Owner::Network(.0.clone()).compiled_file()
    )]
    NoDefinition(ResourceName),
    /// What a network wants another has already.
    #[error("the network `{network}` cannot have {what}: {holder} has it; write another {key}=")]
    InUse {
        /// The network.
        network: ResourceName,
        /// What it wants, in words.
        what: String,
        /// Who has it, in words.
        holder: String,
        /// The key that says otherwise.
        key: &'static str,
    },
    /// No subnet is left to choose.
    #[error("no subnet is free for the network `{0}` among those that podunit chooses from; write Subnet=")]
    NoSubnet(ResourceName),
    /// An interface of the host that is not there.
    #[error(
        "the interface `{interface}` of the network `{network}` is not there; write another InterfaceName="
    )]
    NoInterface {
        /// The network.
        network: ResourceName,
        /// The interface.
        interface: String,
    },
    /// aardvark-dns is not installed.
    #[error(
        "aardvark-dns is missing, which answers for names on the network `{0}`: install it (on Debian the package \
         `aardvark-dns`), or write DisableDNS=true"
    )]
    NoAardvark(ResourceName),
    /// The pod whose network this one has does not have one of its own.
    #[error(
        "the pod `{0}` has no network of its own that another could join; start it, or write another Network="
    )]
    NoNetworkOf(PodName),
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

/// Says which file it is about.
pub(super) fn file<T>(path: impl Into<PathBuf>, result: io::Result<T>) -> Result<T, NetworkError> {
    result.map_err(|source| NetworkError::File {
        path: path.into(),
        source,
    })
}
