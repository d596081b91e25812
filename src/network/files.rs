//! `hosts`, `hostname` and `resolv.conf` of a pod.

use super::{NetworkError, Surroundings, file};
use crate::model::{HostAddress, Network, Paths, Pod, Resolver};
use crate::sys::{self, file::replace};
use std::collections::HashSet;
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Largest `resolv.conf` that is read, in bytes.
const LARGEST: u64 = 64 << 10;
/// The host's names in a pod: Podman's, and that of whoever moved to it.
const HOST_NAMES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// Writes `etc/hosts`, `etc/hostname` and `etc/resolv.conf` of the pod.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_files(
    paths: &Paths,
    pod: &Pod,
    hostname: &str,
    around: &Surroundings,
) -> Result<(), NetworkError> {
    let etc = paths.pod(&pod.name).etc();
    let write =
        |name: &str, text: &str| file(etc.join(name), replace(&etc.join(name), text.as_bytes(), 0o644));
    write("hosts", &hosts(pod, hostname, around))?;
    write("hostname", &format!("{hostname}\n"))?;
    let of_host = resolv_conf(paths, pod.network == Network::Host)?;
    let resolver = through(&around.name_servers, &pod.resolver);
    write("resolv.conf", &with_own(&of_host, &resolver))
}

/// What `AddHost=` says, and, for names that it does not give, the pod itself, its members and the host.
fn hosts(pod: &Pod, hostname: &str, around: &Surroundings) -> String {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let gateway = match pod.network {
        Network::Host => Some(loopback),
        _ => around.gateway,
    };
    let mut text = String::new();
    // To a string: that cannot fail.
    let mut line = |address: IpAddr, names: &[&str]| {
        let _ = writeln!(text, "{address} {}", names.join(" "));
    };
    for entry in &pod.hosts {
        let address = match entry.address {
            HostAddress::Ip(address) => Some(address),
            HostAddress::HostGateway => gateway,
        };
        // A pod without a way to the host has no such name.
        if let Some(address) = address {
            line(
                address,
                &entry.names.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }
    let given: HashSet<&str> = pod
        .hosts
        .iter()
        .flat_map(|entry| &entry.names)
        .map(String::as_str)
        .collect();
    let mut unless_given = |address: IpAddr, names: &[&str]| {
        let left: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !given.contains(name))
            .collect();
        if !left.is_empty() {
            line(address, &left);
        }
    };
    unless_given(loopback, &["localhost"]);
    unless_given(Ipv6Addr::LOCALHOST.into(), &["localhost"]);
    let name = pod.name.as_str();
    let own: &[&str] = if name == hostname {
        &[name]
    } else {
        &[hostname, name]
    };
    match around.addresses.as_slice() {
        [] => unless_given(loopback, own),
        addresses => addresses.iter().for_each(|address| unless_given(*address, own)),
    }
    if pod.share.net {
        for member in pod.members.iter().map(|member| member.name.as_str()) {
            // The pod's own name leads to its address.
            if !own.contains(&member) {
                unless_given(loopback, &[member]);
                unless_given(Ipv6Addr::LOCALHOST.into(), &[member]);
            }
        }
    }
    if let Some(gateway) = gateway {
        unless_given(gateway, &HOST_NAMES);
    }
    text
}

/// The host's resolvers, as far as the pod can reach them.
fn resolv_conf(paths: &Paths, host_network: bool) -> Result<String, NetworkError> {
    let [host, behind_stub] = paths.resolv_conf();
    let text = read(&host)?.unwrap_or_default();
    if host_network {
        return Ok(text);
    }
    let stub = servers(&text).any(|server| server == Ipv4Addr::new(127, 0, 0, 53));
    let text = if stub {
        read(&behind_stub)?.unwrap_or(text)
    } else {
        text
    };
    Ok(without_loopback(&text))
}

/// The resolver of a pod on networks with names: who answers for those asks the pod's own servers for all others.
fn through(name_servers: &[IpAddr], own: &Resolver) -> Resolver {
    match name_servers {
        [] => own.clone(),
        servers => Resolver {
            servers: servers.to_vec(),
            ..own.clone()
        },
    }
}

/// The text of a `resolv.conf`, with what the pod says itself in the place of lines of the same kind.
fn with_own(text: &str, own: &Resolver) -> String {
    let replaced = |line: &&str| match line.split_ascii_whitespace().next() {
        Some("nameserver") => !own.servers.is_empty(),
        // The same in an old form.
        Some("search" | "domain") => own.search.is_some(),
        Some("options") => !own.options.is_empty(),
        _ => false,
    };
    let mut lines: Vec<String> = Vec::new();
    if let Some(search) = own.search.as_ref().filter(|search| !search.is_empty()) {
        lines.push(format!("search {}", search.join(" ")));
    }
    lines.extend(own.servers.iter().map(|server| format!("nameserver {server}")));
    if !own.options.is_empty() {
        lines.push(format!("options {}", own.options.join(" ")));
    }
    let kept = text.lines().filter(|line| !replaced(line));
    lines
        .iter()
        .map(String::as_str)
        .chain(kept)
        .fold(String::new(), |text, line| text + line + "\n")
}

fn read(path: &Path) -> Result<Option<String>, NetworkError> {
    match sys::file::read(path, LARGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => file(path, Err(error)),
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
    }
}

fn server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace();
    let server = words
        .next()
        .filter(|&keyword| keyword == "nameserver")
        .and(words.next())?;
    // `fe80::1%eth0`
    server.split('%').next()?.parse().ok()
}

fn servers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(server)
}

/// A server at a loopback address is the host's own: the pod has another loopback.
fn without_loopback(text: &str) -> String {
    let reachable = |line: &&str| !server(line).is_some_and(|server| server.is_loopback());
    text.lines()
        .filter(reachable)
        .fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostEntry;
    use std::fs;

    fn pod(members: &[&str]) -> Pod {
        let member = |name: &&str| {
            serde_json::json!({"name": name, "source": "/a", "image": {"image": {"reference": "x"}}, "exec": null, "entrypoint": null,
                "environment": [], "environment_files": [], "user": null, "working_dir": null, "binds": [],
                "tmpfs": [], "read_only": false, "add_capabilities": [], "drop_capabilities": [],
                "stop_signal": null, "stop_timeout": 1, "reload_signal": null, "signal_map": {},
                "ready": "started", "labels": {}, "units": {"unit": [], "service": [], "install": []}})
        };
        let members: Vec<serde_json::Value> = members.iter().map(member).collect();
        serde_json::from_value(serde_json::json!({"version": 1, "name": "web", "source": "/a",
            "share": {"net": true, "ipc": true, "uts": true, "pid": false}, "hostname": null, "network": "bridge",
            "ports": [], "shm_size": 0, "labels": {}, "start_timeout": null, "members": members,
            "units": {"unit": [], "service": [], "install": []}}))
        .unwrap()
    }

    #[test]
    fn hosts_has_the_pod_its_members_and_the_host() {
        let mut pod = pod(&["a", "web"]);
        let around = Surroundings {
            addresses: vec!["10.90.0.2".parse().unwrap()],
            gateway: Some("10.90.0.1".parse().unwrap()),
            name_servers: Vec::new(),
        };
        assert_eq!(
            hosts(&pod, "www", &around),
            "127.0.0.1 localhost\n::1 localhost\n10.90.0.2 www web\n127.0.0.1 a\n::1 a\n\
             10.90.0.1 host.containers.internal host.docker.internal\n"
        );
        let entry = |names: &[&str], address| HostEntry {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            address,
        };
        pod.hosts = vec![
            entry(&["a", "db"], HostAddress::Ip("192.0.2.1".parse().unwrap())),
            entry(&["here", "host.docker.internal"], HostAddress::HostGateway),
        ];
        assert_eq!(
            hosts(&pod, "web", &around),
            "192.0.2.1 a db\n10.90.0.1 here host.docker.internal\n127.0.0.1 localhost\n::1 localhost\n10.90.0.2 web\n\
             10.90.0.1 host.containers.internal\n",
            "what the definition says goes first"
        );
        pod.hosts.clear();
        pod.share.net = false;
        assert_eq!(
            hosts(&pod, "web", &Surroundings::default()),
            "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 web\n"
        );
    }

    #[test]
    fn the_pod_gets_resolvers_that_it_can_reach() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        assert_eq!(resolv_conf(&paths, false).unwrap(), "");
        let [host, behind_stub] = paths.resolv_conf();
        fs::create_dir_all(host.parent().unwrap()).unwrap();
        fs::create_dir_all(behind_stub.parent().unwrap()).unwrap();
        let text =
            "search example\nnameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver ::1\noptions edns0\n";
        fs::write(&host, text).unwrap();
        fs::write(&behind_stub, "nameserver 192.0.2.2\n").unwrap();
        let kept = "search example\nnameserver 192.0.2.1\noptions edns0\n";
        assert_eq!(resolv_conf(&paths, false).unwrap(), kept);
        assert_eq!(resolv_conf(&paths, true).unwrap(), text);
        fs::write(&host, "nameserver 127.0.0.53\n").unwrap();
        assert_eq!(resolv_conf(&paths, false).unwrap(), "nameserver 192.0.2.2\n");
    }

    #[test]
    fn what_the_pod_says_of_resolvers_replaces_the_hosts() {
        let host = "domain old\nnameserver 192.0.2.1\nsearch example\noptions edns0\nsortlist 1\n";
        assert_eq!(with_own(host, &Resolver::default()), host);
        let own = Resolver {
            servers: vec!["192.0.2.7".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            search: Some(vec!["a.example".to_owned(), "b.example".to_owned()]),
            options: vec!["ndots:1".to_owned(), "rotate".to_owned()],
        };
        assert_eq!(
            with_own(host, &own),
            "search a.example b.example\nnameserver 192.0.2.7\nnameserver 2001:db8::1\noptions ndots:1 rotate\nsortlist 1\n"
        );
        let none = Resolver {
            search: Some(Vec::new()),
            ..Resolver::default()
        };
        assert_eq!(
            with_own(host, &none),
            "nameserver 192.0.2.1\noptions edns0\nsortlist 1\n"
        );
    }
}
