//! `hosts`, `hostname` and `resolv.conf` of a pod.

use super::{NetworkError, book, file};
use crate::model::{Network, Paths, Pod, Settings};
use crate::sys::{self, file::replace};
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// Largest `resolv.conf` that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Writes `etc/hosts`, `etc/hostname` and `etc/resolv.conf` of the pod. `address` is its address on the bridge.
///
/// # Errors
/// A file cannot be read or written.
pub fn write_files(
    paths: &Paths,
    pod: &Pod,
    hostname: &str,
    address: Option<Ipv4Addr>,
    settings: &Settings,
) -> Result<(), NetworkError> {
    let etc = paths.pod(&pod.name).etc();
    let write =
        |name: &str, text: &str| file(etc.join(name), replace(&etc.join(name), text.as_bytes(), 0o644));
    write(
        "hosts",
        &hosts(pod, hostname, address, book::gateway(settings.subnet)),
    )?;
    write("hostname", &format!("{hostname}\n"))?;
    write("resolv.conf", &resolv_conf(paths, pod.network == Network::Host)?)
}

/// The pod finds itself, its members and the host.
fn hosts(pod: &Pod, hostname: &str, address: Option<Ipv4Addr>, gateway: Ipv4Addr) -> String {
    let loopback = Ipv4Addr::LOCALHOST;
    let mut text = format!("{loopback} localhost\n::1 localhost\n");
    let mut line = |address: IpAddr, names: &str| {
        // To a string: that cannot fail.
        let _ = writeln!(text, "{address} {names}");
    };
    let name = pod.name.as_str();
    let own = if name == hostname {
        name.to_owned()
    } else {
        format!("{hostname} {name}")
    };
    line(address.unwrap_or(loopback).into(), &own);
    if pod.share.net {
        for member in pod.members.iter().map(|member| member.name.as_str()) {
            // The pod's own name leads to its address.
            if member != name && member != hostname {
                line(loopback.into(), member);
                line(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), member);
            }
        }
    }
    match pod.network {
        Network::Bridge if address.is_some() => line(gateway.into(), "host.containers.internal"),
        Network::Host => line(loopback.into(), "host.containers.internal"),
        Network::Bridge | Network::None => {}
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
        let address = Some(Ipv4Addr::new(10, 90, 0, 2));
        let gateway = Ipv4Addr::new(10, 90, 0, 1);
        assert_eq!(
            hosts(&pod, "www", address, gateway),
            "127.0.0.1 localhost\n::1 localhost\n10.90.0.2 www web\n127.0.0.1 a\n::1 a\n\
             10.90.0.1 host.containers.internal\n"
        );
        pod.share.net = false;
        assert_eq!(
            hosts(&pod, "web", None, gateway),
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
}
