//! The bridge stays when the last pod leaves it. netavark would take it down with that pod, and rebuild it for the next:
//! twice as much work for both. It leaves a bridge alone that still has a port, so we give it one that nobody uses.

use super::rtnetlink::{Request, link, nested, text};
use crate::sys::netlink::ask;
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::libc::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, RTM_DELLINK,
    RTM_NEWLINK, RTM_SETLINK,
};
use nix::net::if_::if_nametoindex;
use std::fs;
use std::io;
use std::net::Ipv4Addr;

/// A veth pair (veth(4)): every kernel that connects pods has those. Both ends are of the host and down.
const PORT: &str = "podunit-keep";
const PEER: &str = "podunit-keep-p";
/// The other end of a pair, among its attributes (linux/veth.h).
const VETH_INFO_PEER: u16 = 1;

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
    send(Request::link(RTM_DELLINK, if_nametoindex(PORT)?, &[]), 0)
}

/// Has the host look anew for who has the address: while nobody had it, packets of old connections made the host ask
/// for it, and it asks again only after a second.
pub(super) fn forget(bridge: &str, address: Ipv4Addr) -> io::Result<()> {
    send(Request::forget_neighbour(if_nametoindex(bridge)?, address), 0)
}

fn make(controller: u32) -> io::Result<()> {
    let peer = DefaultNla::new(VETH_INFO_PEER, link(0, &[text(IFLA_IFNAME, PEER)]));
    let port = [
        text(IFLA_IFNAME, PORT),
        DefaultNla::new(IFLA_ADDRESS, ADDRESS.to_vec()),
        master(controller),
        nested(
            IFLA_LINKINFO,
            &[text(IFLA_INFO_KIND, "veth"), nested(IFLA_INFO_DATA, &[peer])],
        ),
    ];
    send(Request::link(RTM_NEWLINK, 0, &port), NLM_F_CREATE | NLM_F_EXCL)
}

fn attach(port: u32, controller: u32) -> io::Result<()> {
    send(Request::link(RTM_SETLINK, port, &[master(controller)]), 0)
}

fn master(controller: u32) -> DefaultNla {
    DefaultNla::new(IFLA_MASTER, controller.to_ne_bytes().to_vec())
}

fn send(message: Request, flags: u16) -> io::Result<()> {
    ask(NETLINK_ROUTE, NLM_F_ACK | flags, message).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};

    /// A bridge, by netlink as all else is here.
    fn make_bridge(name: &str) -> io::Result<()> {
        let bridge = [
            text(IFLA_IFNAME, name),
            nested(IFLA_LINKINFO, &[text(IFLA_INFO_KIND, "bridge")]),
        ];
        send(Request::link(RTM_NEWLINK, 0, &bridge), NLM_F_CREATE | NLM_F_EXCL)
    }

    #[test]
    fn the_kernel_takes_what_is_asked() {
        // In a network of the thread's own.
        let asked = std::thread::spawn(|| {
            match unshare(CloneFlags::CLONE_NEWNET) {
                Err(nix::errno::Errno::EPERM) => return eprintln!("skipped: it needs root"),
                done => done.unwrap(),
            }
            make_bridge("one").unwrap();
            let one = if_nametoindex("one").unwrap();
            make(one).unwrap();
            let port = if_nametoindex(PORT).unwrap();
            if_nametoindex(PEER).unwrap();
            // Once more: the kernel knew the name.
            let again = make(one).unwrap_err();
            assert_eq!(again.raw_os_error(), Some(nix::libc::EEXIST));
            make_bridge("two").unwrap();
            attach(port, if_nametoindex("two").unwrap()).unwrap();
            let unknown = forget("two", Ipv4Addr::new(192, 0, 2, 1)).unwrap_err();
            assert_eq!(unknown.raw_os_error(), Some(nix::libc::ENOENT));
            let_go().unwrap();
            if_nametoindex(PORT).unwrap_err();
            if_nametoindex(PEER).unwrap_err();
        });
        asked.join().unwrap();
    }
}
