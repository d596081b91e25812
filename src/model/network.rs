//! The network of a pod, and the names that its members find.

use super::{Passthrough, PodName, ResourceName, Settings, Subnet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Version of the schema of a compiled network. As with pods, newer ones are refused.
pub const NETWORK_SCHEMA_VERSION: u32 = 1;

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
    /// Networks of this host, each with an interface in the pod, in their order: `eth0` first, which is also the way
    /// out.
    Joined(Vec<Attachment>),
    /// The network namespace of another pod (`Network=NAME.pod`).
    Pod(PodName),
}

impl Network {
    /// The networks that have a definition of their own, in the order of the pod's interfaces.
    pub fn shared(&self) -> impl Iterator<Item = &ResourceName> {
        self.attachments()
            .iter()
            .filter_map(|attachment| attachment.network.as_ref())
    }

    /// What is said of each interface; nothing for the default bridge alone.
    pub fn attachments(&self) -> &[Attachment] {
        match self {
            Self::Joined(attachments) => attachments,
            Self::None | Self::Host | Self::Bridge | Self::Pod(_) => &[],
        }
    }

    /// Whether the pod has a network namespace that no other has made.
    pub fn is_own(&self) -> bool {
        !matches!(self, Self::Host | Self::Pod(_))
    }

    /// Whether there are interfaces for netavark to make.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Bridge | Self::Joined(_))
    }
}

/// One interface of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The network; the default bridge if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<ResourceName>,
    /// Addresses that the pod is to have there (`ip=`, `ip6=`); the others are given out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Hardware address (`mac=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Further names of the pod in the network (`alias=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Name of the interface in the pod (`interface_name=`); `ethN` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

/// The address of an interface on its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// A text that is the hardware address of no interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the hardware address of an interface, such as 02:00:00:00:00:01")]
pub struct MacError;

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let byte = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u8::from_str_radix(part, 16).ok()).flatten()
        };
        let bytes: Option<Vec<u8>> = text.split([':', '-']).map(byte).collect();
        let bytes: [u8; 6] = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(MacError)?;
        // An odd first byte is a group, and the kernel takes neither that nor nothing at all.
        if bytes[0] & 1 == 1 || bytes == [0; 6] {
            return Err(MacError);
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// A network that pods share, as `NAME.network` defines it. What it leaves open is chosen when its unit starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedNetwork {
    /// [`NETWORK_SCHEMA_VERSION`].
    pub version: u32,
    /// Its name, that of its file.
    pub name: ResourceName,
    /// The definition this was read from, under the root of the running system.
    pub source: PathBuf,
    /// How pods are connected (`Driver=`).
    pub driver: Driver,
    /// The bridge, or the interface of the host that pods share (`InterfaceName=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Where addresses are given out (`Subnet=`, `Gateway=`, `IPRange=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
    /// Whether one of the subnets is to be of IPv6 (`IPv6=`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub ipv6: bool,
    /// Whether pods get addresses: not with `IPAMDriver=none`.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub addresses: bool,
    /// Whether nothing leads out of it (`Internal=`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub internal: bool,
    /// Whether pods find each other by name (not with `DisableDNS=`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub dns: bool,
    /// Name servers that are asked for other names (`DNS=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<IpAddr>,
    /// Routes that pods get (`Route=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// `Options=`, as netavark has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// `Label=`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `[Unit]`, `[Service]` and `[Install]` of its unit.
    pub units: Passthrough,
}

impl SharedNetwork {
    /// The default bridge, as the host's settings have it.
    pub fn default_bridge(settings: &Settings) -> Self {
        Self {
            version: NETWORK_SCHEMA_VERSION,
            name: ResourceName::of_default_network(),
            source: PathBuf::new(),
            driver: Driver::Bridge,
            interface: Some(settings.bridge.clone()),
            pools: vec![Pool {
                subnet: settings.subnet,
                gateway: Some(settings.subnet.gateway()),
                range: None,
            }],
            ipv6: false,
            addresses: true,
            internal: false,
            dns: false,
            dns_servers: Vec::new(),
            routes: Vec::new(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            units: Passthrough::default(),
        }
    }

    /// Whether this is the default bridge.
    pub fn is_default(&self) -> bool {
        self.name == ResourceName::of_default_network()
    }
}

/// How pods are connected to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// To a bridge of the host, which is also their way out.
    Bridge,
    /// To an interface of the host, each with a hardware address of its own.
    Macvlan,
    /// To an interface of the host, all with its hardware address.
    Ipvlan,
}

impl Driver {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

/// A subnet in which addresses are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The subnet.
    pub subnet: Subnet,
    /// The address that leads out of it, on a bridge the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The first and the last address that is given out, if not all of them are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(IpAddr, IpAddr)>,
}

/// A route that pods of a network get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where it leads.
    pub destination: Subnet,
    /// Over which address.
    pub gateway: IpAddr,
    /// The lower one counts, of two that lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn yes() -> bool {
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_those_of_one_interface() {
        assert_eq!(
            "0A-58:0a:5a:00:07".parse::<Mac>().unwrap().to_string(),
            "0a:58:0a:5a:00:07"
        );
        for bad in [
            "",
            "0a:58:0a:5a:00",
            "0a:58:0a:5a:00:07:01",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "+a:58:0a:5a:00:07",
            "a:58:0a:5a:00:07",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
