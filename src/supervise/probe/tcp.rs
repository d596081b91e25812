//! A connection to a port, in the network of a member.

use crate::sys::namespace::{self, Kind};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

/// Connects to a port in the network of the process `pid`; without a host, to its loopback addresses, one after the
/// other.
///
/// # Errors
/// What the kernel says of the first address.
pub(super) async fn connect(pid: u32, host: Option<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let network = File::open(format!("/proc/{pid}/ns/net"))?;
    let Some(host) = host else {
        return match connect_to(&network, (Ipv4Addr::LOCALHOST, port).into()).await {
            Err(error) => {
                let other = connect_to(&network, (Ipv6Addr::LOCALHOST, port).into()).await;
                other.map_err(|_| error)
            }
            connected => connected,
        };
    };
    connect_to(&network, (host, port).into()).await
}

/// A socket stays in the network in which it was made, whoever connects it.
async fn connect_to(network: &File, address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let made = namespace::on_a_thread_in(network, Kind::Net, || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(socket(family, SockType::Stream, flags, None)?)
    })?;
    TcpSocket::from_std_stream(made.into()).connect(address).await
}

/// Why there is no connection, in words.
pub(super) fn words(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing listens on port {port}"),
        _ => format!("no connection to port {port}: {error}"),
    }
}
