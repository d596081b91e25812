//! Requests to rtnetlink(7), no more than a bridge needs. netlink-packet-route has them all, and all that can be
//! answered; for three requests that are only acknowledged it would take more of a build than any other crate.

use netlink_packet_core::{DefaultNla, Emitable, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};
use nix::libc::{AF_INET, NDA_DST, RTM_DELNEIGH};
use std::convert::Infallible;
use std::net::Ipv4Addr;

/// A request: its kind (`RTM_NEWLINK` …) and what follows the header of the message.
pub(super) struct Request {
    kind: u16,
    body: Vec<u8>,
}

impl Request {
    /// About the interface `index`, or by 0 one that is named in the attributes or new.
    pub(super) fn link(kind: u16, index: u32, attributes: &[DefaultNla]) -> Self {
        Self {
            kind,
            body: link(index, attributes),
        }
    }

    /// Forget who has `address` behind the interface `index`.
    pub(super) fn forget_neighbour(index: u32, address: Ipv4Addr) -> Self {
        // struct ndmsg: family, padding; interface; state, flags, type
        let mut body = vec![AF_INET as u8, 0, 0, 0];
        body.extend(index.to_ne_bytes());
        body.extend([0; 4]);
        append(&mut body, &[DefaultNla::new(NDA_DST, address.octets().to_vec())]);
        Self {
            kind: RTM_DELNEIGH,
            body,
        }
    }
}

/// `struct ifinfomsg` and attributes: of a message, and of an interface within another's attributes.
pub(super) fn link(index: u32, attributes: &[DefaultNla]) -> Vec<u8> {
    // family, padding, type; interface; flags, which of them to change
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend([0; 8]);
    append(&mut body, attributes);
    body
}

/// An attribute that holds text.
pub(super) fn text(kind: u16, text: &str) -> DefaultNla {
    DefaultNla::new(kind, [text.as_bytes(), b"\0"].concat())
}

/// An attribute that holds others.
pub(super) fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut value = Vec::new();
    append(&mut value, attributes);
    DefaultNla::new(kind, value)
}

fn append(body: &mut Vec<u8>, attributes: &[DefaultNla]) {
    let start = body.len();
    body.resize(start + attributes.buffer_len(), 0);
    attributes.emit(&mut body[start..]);
}

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Request {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self {
            kind: header.message_type,
            body: payload.to_vec(),
        })
    }
}
