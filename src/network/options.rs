//! What netavark is asked for (netavark(1)), as JSON: the pod's `network.json`.

use super::Surroundings;
use super::book::Lease;
use crate::model::{
    Attachment, Driver, Mac, Paths, Pod, PodName, PortMapping, Protocol, ResourceName, Route, SharedNetwork,
    Subnet,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

/// Of routes to everywhere, the first network's counts: this is netavark's own number, and the next has one more.
const METRIC: u32 = 100;

/// What netavark is asked for. Setup and teardown are given the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Options {
    container_id: String,
    container_name: String,
    networks: BTreeMap<ResourceName, Interface>,
    network_info: BTreeMap<ResourceName, Info>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    port_mappings: Vec<Published>,
    /// Who is asked for names that are none on the pod's networks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    dns_servers: Vec<IpAddr>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Interface {
    interface_name: String,
    /// One for each subnet, in their order.
    static_ips: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    static_mac: Option<Mac>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    aliases: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Info {
    name: ResourceName,
    id: String,
    driver: Driver,
    network_interface: String,
    subnets: Vec<InfoSubnet>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    ipam_options: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    options: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    network_dns_servers: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InfoSubnet {
    subnet: Subnet,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gateway: Option<IpAddr>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Published {
    host_ip: String,
    host_port: u16,
    container_port: u16,
    protocol: Protocol,
    range: u16,
}

/// What netavark is asked for a pod: `interfaces` are its networks in their order, and what it says of each.
pub(super) fn options(pod: &Pod, interfaces: &[(SharedNetwork, Attachment)], lease: &Lease) -> Options {
    let published = |port: &PortMapping| Published {
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol,
        range: 1,
    };
    let mut options = Options {
        container_id: hash(pod.name.as_str()),
        container_name: pod.name.to_string(),
        networks: BTreeMap::new(),
        network_info: BTreeMap::new(),
        port_mappings: lease.ports.iter().map(published).collect(),
        dns_servers: pod.resolver.servers.clone(),
    };
    for ((network, attachment), at) in interfaces.iter().zip(0..) {
        let addresses = lease.addresses.get(&network.name).cloned().unwrap_or_default();
        options.networks.insert(
            network.name.clone(),
            interface(pod, network, attachment, at, addresses),
        );
        options
            .network_info
            .insert(network.name.clone(), info(network, at));
    }
    options
}

fn interface(
    pod: &Pod,
    network: &SharedNetwork,
    attachment: &Attachment,
    at: u32,
    addresses: Vec<IpAddr>,
) -> Interface {
    let mut aliases = attachment.aliases.clone();
    if network.dns {
        aliases.push(format!("{}.pod.internal", pod.name));
    }
    Interface {
        interface_name: attachment.interface.clone().unwrap_or_else(|| format!("eth{at}")),
        static_mac: match network.driver {
            // All have that of the interface.
            Driver::Ipvlan => None,
            Driver::Bridge | Driver::Macvlan => attachment.mac.or_else(|| addresses.first().map(mac)),
        },
        static_ips: addresses,
        aliases,
    }
}

fn info(network: &SharedNetwork, at: u32) -> Info {
    let mut options = network.options.clone();
    if at > 0 {
        options
            .entry("metric".to_owned())
            .or_insert_with(|| (METRIC + at).to_string());
    }
    // netavark then takes the addresses it is given.
    let ipam = if network.addresses { "host-local" } else { "none" };
    Info {
        name: network.name.clone(),
        id: hash(network.name.as_str()),
        driver: network.driver,
        network_interface: network.interface.clone().unwrap_or_default(),
        subnets: network
            .pools
            .iter()
            .map(|pool| InfoSubnet {
                subnet: pool.subnet,
                gateway: pool.gateway,
            })
            .collect(),
        ipv6_enabled: network.pools.iter().any(|pool| pool.subnet.is_ipv6()),
        internal: network.internal,
        dns_enabled: network.dns,
        ipam_options: BTreeMap::from([("driver".to_owned(), ipam.to_owned())]),
        options,
        routes: network.routes.clone(),
        network_dns_servers: network.dns_servers.clone(),
    }
}

impl Info {
    fn metric(&self) -> u32 {
        let written = self.options.get("metric").and_then(|metric| metric.parse().ok());
        written.unwrap_or(METRIC)
    }

    /// The host's own addresses in it, which pods can reach.
    fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let is_bridge = self.driver == Driver::Bridge;
        self.subnets
            .iter()
            .filter_map(move |subnet| subnet.gateway.filter(|_| is_bridge))
    }
}

impl Options {
    /// Bridges, and the pod's addresses of IPv4 on each.
    pub(super) fn on_bridges(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        let bridges = self
            .network_info
            .iter()
            .filter(|(_, info)| info.driver == Driver::Bridge);
        bridges.flat_map(move |(name, info)| {
            let addresses = self
                .networks
                .get(name)
                .into_iter()
                .flat_map(|interface| &interface.static_ips);
            addresses.filter_map(move |address| match address {
                IpAddr::V4(address) => Some((info.network_interface.as_str(), *address)),
                IpAddr::V6(_) => None,
            })
        })
    }

    /// The interface of the default bridge, if the pod is on it.
    pub(super) fn default_bridge(&self) -> Option<&str> {
        self.of_default().map(|info| info.network_interface.as_str())
    }

    fn of_default(&self) -> Option<&Info> {
        self.network_info.get(&ResourceName::of_default_network())
    }

    /// Whether both are of the same default bridge with the same addresses.
    pub(super) fn is_of_network_of(&self, other: &Self) -> bool {
        let bridge = |options: &Self| {
            let info = options.of_default()?;
            Some((info.network_interface.clone(), info.subnets.clone()))
        };
        bridge(self) == bridge(other)
    }

    /// The same for nobody who publishes anything: the default bridge alone.
    pub(super) fn network_alone(&self) -> Self {
        let default = ResourceName::of_default_network();
        let mut alone = Self {
            container_id: hash(default.as_str()),
            container_name: default.to_string(),
            port_mappings: Vec::new(),
            ..self.clone()
        };
        alone.networks.retain(|name, _| *name == default);
        alone.network_info.retain(|name, _| *name == default);
        alone
    }

    /// What the pod has around it.
    pub(super) fn surroundings(&self) -> Surroundings {
        let mut all: Vec<(&ResourceName, &Info)> = self.network_info.iter().collect();
        all.sort_by_key(|(_, info)| info.metric());
        let addresses = |name: &ResourceName| {
            self.networks
                .get(name)
                .into_iter()
                .flat_map(|interface| &interface.static_ips)
        };
        let reach = |info: &&Info| !info.internal;
        let infos = || all.iter().map(|(_, info)| *info);
        let outward = infos().filter(reach).flat_map(Info::gateways).next();
        Surroundings {
            addresses: all
                .iter()
                .flat_map(|(name, _)| addresses(name))
                .copied()
                .collect(),
            gateway: outward.or_else(|| infos().flat_map(Info::gateways).next()),
            name_servers: infos()
                .filter(|info| info.dns_enabled)
                .flat_map(Info::gateways)
                .collect(),
        }
    }

    /// What is published.
    pub(super) fn ports(&self) -> Vec<PortMapping> {
        let mapping = |port: &Published| PortMapping {
            host_ip: port.host_ip.parse::<IpAddr>().ok(),
            host_port: port.host_port,
            container_port: port.container_port,
            protocol: port.protocol,
        };
        self.port_mappings.iter().map(mapping).collect()
    }
}

/// The hardware address that goes with an address. Another pod that gets the address later, or the same after a
/// restart, is found at once: neighbours remember for a second and longer who had it.
fn mac(address: &IpAddr) -> Mac {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let digest: [u8; 32] = Sha256::digest(address.octets()).into();
            [digest[0], digest[1], digest[2], digest[3]]
        }
    };
    // Locally administered; the prefix that container networks use for this.
    Mac([0x0a, 0x58, a, b, c, d])
}

/// An identifier as netavark wants them: 64 hexadecimal digits.
fn hash(name: &str) -> String {
    Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What netavark was asked for a pod, according to its `network.json`.
pub(super) fn of_pod(paths: &Paths, pod: &PodName) -> Option<Options> {
    serde_json::from_slice(&fs::read(paths.pod(pod).network()).ok()?).ok()
}

/// What a pod has according to its `network.json`.
pub(super) fn lease(paths: &Paths, pod: &PodName) -> Option<Lease> {
    let options = of_pod(paths, pod)?;
    Some(Lease {
        ports: options.ports(),
        addresses: options
            .networks
            .into_iter()
            .map(|(name, interface)| (name, interface.static_ips))
            .collect(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Settings;
    use std::path::PathBuf;

    pub(in crate::network) fn options(address: &str, host_port: u16) -> Vec<u8> {
        let pod = Pod {
            version: 1,
            name: PodName::new("a").unwrap(),
            source: PathBuf::new(),
            service_name: None,
            share: crate::model::Share::default(),
            hostname: None,
            network: crate::model::Network::Bridge,
            hosts: Vec::new(),
            resolver: Default::default(),
            ports: Vec::new(),
            instance_ports: Vec::new(),
            shm_size: 0,
            labels: BTreeMap::new(),
            start_timeout: None,
            on_failure: Default::default(),
            exit_policy: Default::default(),
            members: Vec::new(),
            units: crate::model::Passthrough::default(),
        };
        let port = PortMapping {
            host_ip: None,
            host_port,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let default = SharedNetwork::default_bridge(&Settings::default());
        let lease = Lease {
            addresses: BTreeMap::from([(default.name.clone(), vec![address.parse().unwrap()])]),
            ports: vec![port],
        };
        serde_json::to_vec(&super::options(&pod, &[(default, Attachment::default())], &lease)).unwrap()
    }

    #[test]
    fn options_are_what_netavark_reads() {
        let json: serde_json::Value = serde_json::from_slice(&options("10.90.0.7", 8080)).unwrap();
        assert_eq!(json["container_id"].as_str().unwrap().len(), 64);
        assert_eq!(json["networks"]["podunit"]["static_ips"][0], "10.90.0.7");
        assert_eq!(json["networks"]["podunit"]["static_mac"], "0a:58:0a:5a:00:07");
        let info = &json["network_info"]["podunit"];
        assert_eq!(
            info["subnets"][0],
            serde_json::json!({"subnet": "10.90.0.0/16", "gateway": "10.90.0.1"})
        );
        assert_eq!(info["network_interface"], "podunit0");
        let port = serde_json::json!(
            {"host_ip": "", "host_port": 8080, "container_port": 80, "protocol": "tcp", "range": 1});
        assert_eq!(json["port_mappings"][0], port);
    }
}
