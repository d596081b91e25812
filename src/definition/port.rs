//! `PublishPort=`: one value, and what the values of a pod say together.

use super::section::Settings;
use crate::diagnostic::{Place, Problem};
use crate::model::{PortMapping, Protocol};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A pod cannot publish more: there are no more ports.
const MOST: usize = 65_535;

/// A published port and where it was written.
pub(super) type Published = (PortMapping, Place);

const FORMS: &str = "write HOST:POD such as 8080:80, with an address before it (127.0.0.1:8080:80, [::1]:8080:80), \
                     a protocol behind it (53:53/udp), ranges of one length (8000-8010:9000-9010), or POD alone for a \
                     port of the host that is chosen at each start";

/// Adds the values of `PublishPort=` to `ports`, ranges written out.
pub(super) fn read(settings: &Settings, ports: &mut Vec<Published>, problems: &mut Vec<Problem>) {
    for value in settings.values("PublishPort", problems) {
        // Too many already, which is said in the end.
        if ports.len() > MOST {
            return;
        }
        match parse(&value.text) {
            Ok(all) => ports.extend(all.into_iter().map(|port| (port, value.place()))),
            Err((message, help)) => problems.push(value.error(message).help(help)),
        }
    }
}

/// What is wrong, and what to write.
type Wrong = (String, &'static str);

/// Reads `[IP:][HOST:]POD[/PROTOCOL]`.
fn parse(text: &str) -> Result<Vec<PortMapping>, Wrong> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((rest, "sctp")) => (rest, Protocol::Sctp),
        Some((_, other)) => {
            return Err((
                format!("`{other}` is not a protocol that can be published"),
                "write tcp, udp or sctp",
            ));
        }
        None => (text, Protocol::Tcp),
    };
    let (rest, pod) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (host_ip, host) = match rest.rsplit_once(':') {
        Some((address, host)) => (Some(ip(address)?), host),
        None => (None, rest),
    };
    let pod = range(pod)?;
    if host.is_empty() {
        // Chosen when the pod starts, each for itself.
        let mapping = |container_port| PortMapping {
            host_ip,
            host_port: 0,
            container_port,
            protocol,
        };
        return Ok(pod.map(mapping).collect());
    }
    let host = range(host)?;
    if host.len() != pod.len() {
        let message = format!(
            "{} ports of the host lead to {} ports of the pod",
            host.len(),
            pod.len()
        );
        return Err((message, "write two ranges of one length"));
    }
    let mapping = |(host_port, container_port)| PortMapping {
        host_ip,
        host_port,
        container_port,
        protocol,
    };
    Ok(host.zip(pod).map(mapping).collect())
}

fn ip(text: &str) -> Result<IpAddr, Wrong> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok().filter(IpAddr::is_ipv4),
    };
    address.ok_or_else(|| (format!("`{text}` is not an address of the host"), FORMS))
}

fn range(text: &str) -> Result<RangeInclusive<u16>, Wrong> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err((format!("the range {text} runs backwards"), FORMS));
    }
    Ok(first..=last)
}

fn port(text: &str) -> Result<u16, Wrong> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((format!("`{text}` is not a port"), FORMS));
    }
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        (
            format!("port {text} is out of range"),
            "ports run from 1 to 65535",
        )
    })
}

/// Looks for ports of the host that would be published twice.
pub(super) fn check(ports: &[Published], problems: &mut Vec<Problem>) {
    if let Some((_, place)) = ports.get(MOST) {
        let message = format!("the pod publishes more than {MOST} ports");
        return problems
            .push(Problem::error(place.clone(), message).help("publish fewer, or write Network=host"));
    }
    let mut taken: BTreeMap<(u16, Protocol), Vec<&Published>> = BTreeMap::new();
    // Of two ranges that overlap, one pair is enough.
    let mut reported: Vec<(&Place, &Place)> = Vec::new();
    for published in ports.iter().filter(|(port, _)| port.host_port != 0) {
        let (port, place) = published;
        let earlier = taken.entry((port.host_port, port.protocol)).or_default();
        let clash = earlier
            .iter()
            .find(|(other, _)| overlap(other.host_ip, port.host_ip));
        if let Some((other, first)) = clash
            && !reported.contains(&(first, place))
        {
            reported.push((first, place));
            let message = format!(
                "port {}/{} of the host is published twice",
                port.host_port, port.protocol
            );
            problems.push(
                Problem::error(place.clone(), message)
                    .other(first.clone(), format!("published here as {other}"))
                    .help("publish each port of the host once"),
            );
        }
        earlier.push(published);
    }
}

/// Whether a port on one address is the same port as on the other; none stands for all addresses.
pub(super) fn overlap(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one == other
                || (one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified()))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_form() {
        assert_eq!(spelled("8080:80"), ["8080:80/tcp"]);
        assert_eq!(spelled("127.0.0.1:8080:80"), ["127.0.0.1:8080:80/tcp"]);
        assert_eq!(spelled("[::1]:8080:80/tcp"), ["[::1]:8080:80/tcp"]);
        assert_eq!(spelled("53:5353/udp"), ["53:5353/udp"]);
        assert_eq!(spelled("1-2:65534-65535"), ["1:65534/tcp", "2:65535/tcp"]);
        assert_eq!(spelled("3868:3868/sctp"), ["3868:3868/sctp"]);
        assert_eq!(spelled("80"), ["80/tcp"]);
        assert_eq!(spelled(":80-81/udp"), ["80/udp", "81/udp"]);
        assert_eq!(spelled("127.0.0.1::80"), ["127.0.0.1::80/tcp"]);
        assert_eq!(spelled("[::1]::80"), ["[::1]::80/tcp"]);
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "0:80",
            "80:0",
            "65536:80",
            "80:65536",
            "80:",
            "::1:80:80",
            "[127.0.0.1]:80:80",
            "[::1]80:80",
            "localhost:80:80",
            "80:80/dccp",
            "127.0.0.1:80",
            "::80",
            "80:80/",
            "80:80/tcp/udp",
            "+1:80",
            " 80:80",
            "80 :80",
            "1-2:80",
            "1-2:80-82",
            "2-1:80-81",
            "1-:80",
            "%i:80",
            "1:2:3:4",
            "²:80",
            "99999999999999999999:80",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_overlap_when_one_is_all() {
        let ip = |text: &str| Some(text.parse().unwrap());
        assert!(overlap(None, ip("127.0.0.1")));
        assert!(overlap(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(!overlap(ip("127.0.0.2"), ip("127.0.0.1")));
        assert!(!overlap(ip("::"), ip("127.0.0.1")));
    }
}
