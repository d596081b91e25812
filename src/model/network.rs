//! The network of a pod, and the names that its members find.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The network of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// A network namespace with nothing but loopback (`Network=none`).
    None,
    /// The host's network namespace (`Network=host`).
    Host,
    /// The default bridge (`Network=bridge`, or nothing).
    Bridge,
}

/// Names that stand for an address (`AddHost=`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    /// The names.
    pub names: Vec<String>,
    /// What they stand for.
    pub address: HostAddress,
}

/// What a name of `AddHost=` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// The host, at the address at which the pod reaches it.
    HostGateway,
}

/// How the members of a pod look names up. What is not said here is as on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resolver {
    /// `DNS=`: name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<IpAddr>,
    /// `DNSSearch=`: search domains; none at all if this is there and empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Vec<String>>,
    /// `DNSOption=`: options (resolv.conf(5)).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Resolver {
    pub(super) fn is_of_host(&self) -> bool {
        *self == Self::default()
    }
}
