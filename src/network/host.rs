//! What networks the host itself has: a bridge of ours must not stand in their way.

use crate::model::Subnet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Subnets that lead somewhere from this host, and the interface of each.
pub(super) fn routes() -> Vec<(Subnet, String)> {
    let read = |table: &str| fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
    let mut routes = of_ipv4(&read("route"));
    routes.extend(of_ipv6(&read("ipv6_route")));
    // The way to everywhere else is in nobody's way, nor is what every interface has, nor a single address.
    let counts = |subnet: Subnet| {
        let single = if subnet.is_ipv6() { 128 } else { 32 };
        subnet.prefix() > 0 && subnet.prefix() < single && !is_of_every_link(subnet.network())
    };
    routes.retain(|(subnet, interface)| counts(*subnet) && interface != "lo");
    routes
}

fn is_of_every_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

/// `/proc/net/route`: words in the machine's order.
fn of_ipv4(table: &str) -> Vec<(Subnet, String)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let word = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let network = Ipv4Addr::from(word(1)?.to_ne_bytes());
        let mask = u32::from_be_bytes(word(7)?.to_ne_bytes());
        let prefix = u8::try_from(mask.count_ones()).ok()?;
        Some((
            Subnet::around(network.into(), prefix).ok()?,
            (*fields.first()?).to_owned(),
        ))
    };
    table.lines().skip(1).filter_map(route).collect()
}

/// `/proc/net/ipv6_route`: bytes in the network's order.
fn of_ipv6(table: &str) -> Vec<(Subnet, String)> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let network = Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?);
        let prefix = u8::from_str_radix(fields.get(1)?, 16).ok()?;
        Some((
            Subnet::around(network.into(), prefix).ok()?,
            (*fields.get(9)?).to_owned(),
        ))
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let four = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let shown = |routes: Vec<(Subnet, String)>| -> Vec<String> {
            routes
                .iter()
                .map(|(subnet, interface)| format!("{subnet} {interface}"))
                .collect()
        };
        if cfg!(target_endian = "little") {
            assert_eq!(shown(of_ipv4(four)), ["0.0.0.0/0 eth0", "172.17.0.0/16 eth0"]);
        }
        let six = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
                   00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n";
        assert_eq!(shown(of_ipv6(six)), ["fd00::/64 eth1"]);
        assert!(of_ipv4("garbage\ngarbage\n").is_empty());
    }
}
