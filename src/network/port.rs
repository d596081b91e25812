//! Whether a port of the host is free, and who has it if not. netavark redirects packets before any listener sees
//! them: without this check, a service of the host would lose its clients and nobody would be told.

use super::NetworkError;
use crate::model::{PortMapping, Protocol};
use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// Checks that nobody on the host listens on the ports.
pub(super) fn check(ports: &[PortMapping]) -> Result<(), NetworkError> {
    ports.iter().try_for_each(|port| match probe(port) {
        Ok(()) => Ok(()),
        Err(Errno::ADDRINUSE) => Err(NetworkError::Taken {
            port: port.clone(),
            holder: holder(port),
        }),
        Err(error) => Err(NetworkError::Port {
            port: port.clone(),
            source: error.into(),
        }),
    })
}

fn probe(port: &PortMapping) -> Result<(), Errno> {
    if let Some(ip) = port.host_ip {
        return try_bind(SocketAddr::new(ip, port.host_port), port.protocol);
    }
    try_bind(
        SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port.host_port),
        port.protocol,
    )?;
    match try_bind(
        SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port.host_port),
        port.protocol,
    ) {
        // The host has no IPv6.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => Ok(()),
        result => result,
    }
}

/// A port that nobody has at the mapping's address, of those that the kernel gives out.
pub(super) fn free(port: &PortMapping) -> Result<u16, Errno> {
    let any = port.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let socket = bound(SocketAddr::new(any, 0), port.protocol)?;
    let address: SocketAddr = getsockname(&socket)?.try_into()?;
    Ok(address.port())
}

/// Binds and lets go; never listens, so no client is ever accepted.
fn try_bind(address: SocketAddr, protocol: Protocol) -> Result<(), Errno> {
    match bound(address, protocol) {
        // A kernel without the protocol has nobody who listens.
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) => Ok(()),
        result => result.map(drop),
    }
}

fn bound(address: SocketAddr, protocol: Protocol) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let (kind, of_ip) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, None),
        Protocol::Udp => (SocketType::DGRAM, None),
        Protocol::Sctp => (SocketType::STREAM, Some(ipproto::SCTP)),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, of_ip)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of an earlier listener that linger in TIME_WAIT are no reason; one that listens still is.
        set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

/// Who has the port, in words.
fn holder(port: &PortMapping) -> String {
    let sockets = match port.protocol {
        Protocol::Tcp => ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"],
        Protocol::Udp => ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"],
        // Another table, without what is looked for here.
        Protocol::Sctp => return "an SCTP socket of the host".to_owned(),
    };
    let inodes = sockets
        .iter()
        .flat_map(|table| sockets_at(&fs::read_to_string(table).unwrap_or_default(), port));
    match process_with(&inodes.collect::<Vec<_>>()) {
        Some((pid, name)) => format!("{name} (process {pid})"),
        None => "a process that cannot be seen from here".to_owned(),
    }
}

/// Inodes of the sockets in a table such as `/proc/net/tcp` that have the port to themselves (proc_net(5)).
fn sockets_at(table: &str, port: &PortMapping) -> Vec<u64> {
    // A connection is no holder: TCP sockets must listen, UDP sockets be unconnected.
    let state = match port.protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp | Protocol::Sctp => "07",
    };
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, number) = fields.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(number, 16) == Ok(port.host_port)
            && fields.get(3) == Some(&state)
            && covers(address, port.host_ip);
        matches.then(|| fields.get(9)?.parse().ok()).flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// Whether a socket at `local` (hexadecimal, words in the machine's order) is in the way of `wanted`.
fn covers(local: &str, wanted: Option<IpAddr>) -> bool {
    let wanted = match wanted {
        None => return true,
        Some(wanted) => wanted,
    };
    local.bytes().all(|digit| digit == b'0')
        || match wanted {
            IpAddr::V4(ip) => local == format!("{:08X}", u32::from_ne_bytes(ip.octets())),
            IpAddr::V6(_) => local.len() == 32,
        }
}

fn process_with(inodes: &[u64]) -> Option<(i32, String)> {
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: i32| {
        let links = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .any(|to| {
                wanted
                    .iter()
                    .any(|wanted| wanted.as_bytes() == to.as_os_str().as_bytes())
            })
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|&pid| holds(pid))?;
    // A process names itself as it likes; nothing of it may reach a terminal or a log as it is.
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((
        pid,
        String::from_utf8_lossy(name.trim_ascii_end())
            .escape_debug()
            .to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_ip: Option<IpAddr>, host_port: u16, protocol: Protocol) -> PortMapping {
        PortMapping {
            host_ip,
            host_port,
            container_port: 80,
            protocol,
        }
    }

    #[test]
    fn a_listener_is_found_and_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = listener.local_addr().unwrap().port();
        for ip in [None, Some("127.0.0.1".parse().unwrap())] {
            let error = check(&[mapping(ip, number, Protocol::Tcp)])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("(process {})", std::process::id())),
                "{error}"
            );
        }
        check(&[mapping(Some("127.0.0.2".parse().unwrap()), number, Protocol::Tcp)]).unwrap();
        drop(listener);
        check(&[mapping(None, number, Protocol::Tcp)]).unwrap();
    }

    #[test]
    fn a_udp_socket_is_found_and_named() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let number = socket.local_addr().unwrap().port();
        let error = check(&[mapping(None, number, Protocol::Udp)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("(process {})", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn an_address_of_another_host_is_refused() {
        let error = check(&[mapping(Some("192.0.2.1".parse().unwrap()), 8080, Protocol::Tcp)]).unwrap_err();
        assert!(matches!(error, NetworkError::Port { .. }), "{error}");
    }

    #[test]
    fn only_listeners_at_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0\n   \
            1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0\n   \
            2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0\n";
        assert_eq!(sockets_at(table, &mapping(None, 8080, Protocol::Tcp)), [11]);
        let elsewhere = mapping(Some("127.0.0.2".parse().unwrap()), 8080, Protocol::Tcp);
        assert!(sockets_at(table, &elsewhere).is_empty());
        assert_eq!(
            sockets_at(
                table,
                &mapping(Some("127.0.0.2".parse().unwrap()), 80, Protocol::Tcp)
            ),
            [13]
        );
    }
}
