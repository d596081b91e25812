//! What netavark is asked for (netavark(1)), as JSON: the pod's `network.json`.

use super::book::{self, Lease};
use crate::model::{Paths, Pod, PodName, PortMapping, Protocol, Settings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

/// The network's name for netavark: part of the names of firewall chains.
const NETWORK: &str = "podunit";
/// The pod's interface.
const INTERFACE: &str = "eth0";

/// What netavark is asked for. Setup and teardown are given the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Options {
    container_id: String,
    container_name: String,
    networks: BTreeMap<String, Attachment>,
    network_info: BTreeMap<String, Bridge>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    port_mappings: Vec<Published>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Attachment {
    interface_name: String,
    static_ips: Vec<Ipv4Addr>,
    static_mac: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bridge {
    name: String,
    id: String,
    driver: String,
    network_interface: String,
    subnets: Vec<Subnet>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    ipam_options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subnet {
    subnet: String,
    gateway: Ipv4Addr,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Published {
    host_ip: String,
    host_port: u16,
    container_port: u16,
    protocol: Protocol,
    range: u16,
}

/// What netavark is asked for a pod.
pub(super) fn options(pod: &Pod, settings: &Settings, address: Ipv4Addr, ports: &[PortMapping]) -> Options {
    let (network, prefix) = settings.subnet;
    let bridge = Bridge {
        name: NETWORK.to_owned(),
        id: hash(NETWORK),
        driver: "bridge".to_owned(),
        network_interface: settings.bridge.clone(),
        subnets: vec![Subnet {
            subnet: format!("{network}/{prefix}"),
            gateway: book::gateway(settings.subnet),
        }],
        ipv6_enabled: false,
        internal: false,
        dns_enabled: false,
        // netavark then takes the addresses it is given.
        ipam_options: BTreeMap::from([("driver".to_owned(), "host-local".to_owned())]),
    };
    let attachment = Attachment {
        interface_name: INTERFACE.to_owned(),
        static_ips: vec![address],
        static_mac: mac(address),
    };
    let published = |port: &PortMapping| Published {
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol,
        range: 1,
    };
    Options {
        container_id: hash(pod.name.as_str()),
        container_name: pod.name.to_string(),
        networks: BTreeMap::from([(NETWORK.to_owned(), attachment)]),
        network_info: BTreeMap::from([(NETWORK.to_owned(), bridge)]),
        port_mappings: ports.iter().map(published).collect(),
    }
}

impl Options {
    /// The bridge's interface.
    pub(super) fn bridge(&self) -> Option<&str> {
        self.network_info
            .get(NETWORK)
            .map(|bridge| bridge.network_interface.as_str())
    }

    /// The pod's address.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        self.networks.get(NETWORK)?.static_ips.first().copied()
    }

    /// Whether both are of the same bridge with the same addresses.
    pub(super) fn is_of_network_of(&self, other: &Self) -> bool {
        self.network_info == other.network_info
    }

    /// The same for nobody who publishes anything: the network alone.
    pub(super) fn network_alone(&self) -> Self {
        Self {
            container_id: hash(NETWORK),
            container_name: NETWORK.to_owned(),
            port_mappings: Vec::new(),
            ..self.clone()
        }
    }
}

/// The hardware address that goes with an address. Another pod that gets the address later, or the same after a
/// restart, is found at once: neighbours remember for a second and longer who had it.
fn mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    // Locally administered; the prefix that container networks use for this.
    format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// An identifier as netavark wants them: 64 hexadecimal digits.
fn hash(name: &str) -> String {
    Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a pod has according to its `network.json`.
pub(super) fn lease(paths: &Paths, pod: &PodName) -> Option<Lease> {
    let options: Options = serde_json::from_slice(&fs::read(paths.pod(pod).network()).ok()?).ok()?;
    let address = options.address()?;
    let mapping = |port: &Published| PortMapping {
        host_ip: port.host_ip.parse::<IpAddr>().ok(),
        host_port: port.host_port,
        container_port: port.container_port,
        protocol: port.protocol,
    };
    Some(Lease {
        address,
        ports: options.port_mappings.iter().map(mapping).collect(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
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
        let options = super::options(&pod, &Settings::default(), address.parse().unwrap(), &[port]);
        serde_json::to_vec(&options).unwrap()
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
