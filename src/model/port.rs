//! Published ports.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Transport protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

const FORMS: &str = "write HOST:POD such as 8080:80, with an address before it (127.0.0.1:8080:80, [::1]:8080:80), \
                     a protocol behind it (53:53/udp), ranges of one length (8000-8010:9000-9010), or POD alone for a \
                     port of the host that is chosen at each start";

/// One port of the host that leads to a port of the pod (`PublishPort=`). Ranges are written out, one mapping
/// for each port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Address of the host to listen on; all addresses if absent.
    pub host_ip: Option<IpAddr>,
    /// Port on the host, 1 to 65535; 0 for one that is chosen when the pod starts.
    pub host_port: u16,
    /// Port in the pod, 1 to 65535.
    pub container_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

impl fmt::Display for PortMapping {
    /// Writes Podman's spelling: `127.0.0.1:8080:80/tcp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(ip) => write!(f, "{ip}:")?,
            None => {}
        }
        match (self.host_port, self.host_ip) {
            (0, Some(_)) => f.write_str(":")?,
            (0, None) => {}
            (port, _) => write!(f, "{port}:")?,
        }
        write!(f, "{}/{}", self.container_port, self.protocol)
    }
}

/// What is wrong, and what to write.
pub type Wrong = (String, &'static str);

/// Reads `[IP:][HOST:]POD[/PROTOCOL]`, ranges written out.
///
/// # Errors
/// It is nothing of the kind.
pub fn parse(text: &str) -> Result<Vec<PortMapping>, Wrong> {
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

/// The same with `%i` in it, which stands for the instance.
///
/// # Errors
/// It is nothing of the kind with that in its place.
pub fn of_instance(text: &str, instance: &str) -> Result<Vec<PortMapping>, Wrong> {
    let filled = text.replace("%i", instance);
    if filled.contains('%') {
        return Err((
            "of the specifiers only %i is known when the pod is connected".to_owned(),
            "write the port itself, or %i in a template",
        ));
    }
    parse(&filled)
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
    fn the_instance_is_a_part_of_a_port() {
        let spelled = |text: &str, instance: &str| {
            let ports = of_instance(text, instance).map_err(|(message, _)| message)?;
            Ok::<_, String>(ports.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(spelled("80%i:80", "81").unwrap(), ["8081:80/tcp"]);
        assert_eq!(spelled("127.0.0.%i:%i:%i", "9").unwrap(), ["127.0.0.9:9:9/tcp"]);
        assert!(
            spelled("80%i:80", "main")
                .unwrap_err()
                .contains("`80main` is not a port")
        );
        assert!(spelled("80%p:80", "1").unwrap_err().contains("only %i"));
    }
}
