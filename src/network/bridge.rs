//! The bridge stays when the last pod leaves it. netavark would take it down with that pod, and rebuild it for the next:
//! twice as much work for both. It leaves a bridge alone that still has a port, so we give it one that nobody uses.

use crate::sys::netlink::ask;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::net::if_::if_nametoindex;
use std::fs;
use std::io;
use std::net::Ipv4Addr;

/// A veth pair (veth(4)): every kernel that connects pods has those. Both ends are of the host and down.
const PORT: &str = "podunit-keep";
const PEER: &str = "podunit-keep-p";

/// A bridge has the lowest address of its ports, and pods remember it. This one is higher than any other.
const ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Sees to it that the bridge, which exists, has the port.
pub(super) fn keep(bridge: &str) -> io::Result<()> {
    let master = fs::read_link(format!("/sys/class/net/{PORT}/master"));
    if master.is_ok_and(|master| master.file_name().is_some_and(|name| name == bridge)) {
        return Ok(());
    }
    let controller = if_nametoindex(bridge)?;
    match if_nametoindex(PORT) {
        // Of a bridge that somebody has removed.
        Ok(port) => attach(port, controller),
        Err(_) => make(controller),
    }
}

/// Removes the port, if it is there: the bridge then goes with its last pod.
pub(super) fn let_go() -> io::Result<()> {
    let mut port = LinkMessage::default();
    port.header.index = if_nametoindex(PORT)?;
    send(RouteNetlinkMessage::DelLink(port), 0)
}

/// Has the host look anew for who has the address: while nobody had it, packets of old connections made the host ask
/// for it, and it asks again only after a second.
pub(super) fn forget(bridge: &str, address: Ipv4Addr) -> io::Result<()> {
    let mut neighbour = NeighbourMessage::default();
    neighbour.header.family = AddressFamily::Inet;
    neighbour.header.ifindex = if_nametoindex(bridge)?;
    let address = NeighbourAttribute::Destination(NeighbourAddress::Inet(address));
    neighbour.attributes.push(address);
    send(RouteNetlinkMessage::DelNeighbour(neighbour), 0)
}

fn make(controller: u32) -> io::Result<()> {
    let mut peer = LinkMessage::default();
    peer.attributes.push(LinkAttribute::IfName(PEER.to_owned()));
    let mut port = LinkMessage::default();
    port.attributes = vec![
        LinkAttribute::IfName(PORT.to_owned()),
        LinkAttribute::Address(ADDRESS.to_vec()),
        LinkAttribute::Controller(controller),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    send(RouteNetlinkMessage::NewLink(port), NLM_F_CREATE | NLM_F_EXCL)
}

fn attach(port: u32, controller: u32) -> io::Result<()> {
    let mut change = LinkMessage::default();
    change.header.index = port;
    change.attributes.push(LinkAttribute::Controller(controller));
    send(RouteNetlinkMessage::SetLink(change), 0)
}

fn send(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    ask(NETLINK_ROUTE, NLM_F_ACK | flags, message).map(drop)
}
