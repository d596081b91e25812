//! Whether a published port has a listener in the pod: the kernel is asked for the sockets that listen (sock_diag(7)).
//! `/proc/PID/net/tcp` has them too, but to read it is to walk the host's table of all connections.

use crate::sys::namespace::{self, Kind};
use crate::sys::netlink::ask;
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use std::fs::File;
use std::io;
use std::net::IpAddr;

/// Those of `ports` that have no listener that can be reached from outside, in the network of the processes `pids`.
/// With `shared` they are in one network, and the first that is alive speaks for all.
///
/// # Errors
/// The kernel does not tell.
pub fn silent(ports: &[u16], pids: impl Iterator<Item = u32>, shared: bool) -> io::Result<Vec<u16>> {
    let mut silent = ports.to_vec();
    for pid in pids {
        // One that cannot be opened has ended.
        let Ok(network) = File::open(format!("/proc/{pid}/ns/net")) else {
            continue;
        };
        let listeners = namespace::on_a_thread_in(&network, Kind::Net, listeners)?;
        silent.retain(|port| !listeners.contains(port));
        if silent.is_empty() || shared {
            break;
        }
    }
    Ok(silent)
}

/// Ports with a listener on an address that is not loopback: traffic that is led to the pod arrives at its own
/// address.
fn listeners() -> io::Result<Vec<u16>> {
    let mut ports = Vec::new();
    for (family, any) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::LISTEN,
            socket_id: any,
        };
        for answer in ask(
            NETLINK_SOCK_DIAG,
            NLM_F_DUMP,
            SockDiagMessage::InetRequest(request),
        )? {
            if let SockDiagMessage::InetResponse(socket) = answer {
                let socket = &socket.header.socket_id;
                ports.extend((!is_loopback(socket.source_address)).then_some(socket.source_port));
            }
        }
    }
    Ok(ports)
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address
                    .to_ipv4_mapped()
                    .is_some_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn listeners_are_found_and_loopback_is_not_enough() {
        let any = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let any6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let mapped = TcpListener::bind((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0)).unwrap();
        let loopback = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // A port of a connection is none that listens.
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port_of(&loopback))).unwrap();
        let found = listeners().unwrap();
        assert!(
            found.contains(&port_of(&any)) && found.contains(&port_of(&any6)),
            "{found:?}"
        );
        for other in [
            port_of(&mapped),
            port_of(&loopback),
            client.local_addr().unwrap().port(),
        ] {
            assert!(!found.contains(&other), "{other} in {found:?}");
        }
    }

    #[test]
    fn a_process_that_has_ended_tells_nothing() {
        let silent = silent(&[80], [u32::MAX].into_iter(), true);
        assert_eq!(silent.unwrap(), [80]);
    }
}
