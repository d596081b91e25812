//! `AddHost=`, `DNS=`, `DNSSearch=` and `DNSOption=`: which names the members of a pod find, and where.

use super::section::{Settings, Value};
use crate::diagnostic::Problem;
use crate::model::{HostAddress, HostEntry, Resolver};
use std::net::IpAddr;

const HOST_FORMS: &str = "write NAME:ADDRESS such as db.example:192.0.2.1, several names as NAME;NAME:ADDRESS, or \
                          NAME:host-gateway for this host";
/// Longest name (RFC 1035).
const LONGEST: usize = 253;
/// The resolvers of C libraries read no more servers (`MAXNS` of resolv.conf(5)).
const MOST_SERVERS: usize = 3;

/// Reads `AddHost=`.
pub(super) fn hosts(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<HostEntry> {
    let values = settings.values("AddHost", problems);
    let mut entries = Vec::new();
    for value in values {
        match host(&value.text) {
            Ok(entry) => entries.push(entry),
            Err(message) => problems.push(value.error(message).help(HOST_FORMS)),
        }
    }
    entries
}

fn host(text: &str) -> Result<HostEntry, String> {
    let (names, address) = text
        .split_once(':')
        .ok_or("there is no address behind the name")?;
    let names: Vec<String> = names.split(';').map(str::to_owned).collect();
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        return Err(format!("`{bad}` is not the name of a host"));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'));
    let address = match bare.unwrap_or(address) {
        "host-gateway" => HostAddress::HostGateway,
        text => HostAddress::Ip(
            text.parse()
                .map_err(|_| format!("`{text}` is not an IP address"))?,
        ),
    };
    Ok(HostEntry { names, address })
}

/// Reads `DNS=`, `DNSSearch=` and `DNSOption=`.
pub(super) fn resolver(settings: &Settings, problems: &mut Vec<Problem>) -> Resolver {
    let mut resolver = Resolver::default();
    for (server, value) in each(settings, "DNS", problems) {
        match server.parse::<IpAddr>() {
            Ok(server) => resolver.servers.push(server),
            Err(_) if server == "none" => {
                let problem = value.error("members always have an /etc/resolv.conf of podunit's");
                problems
                    .push(problem.help("leave it out, or mount a file: Volume=/path:/etc/resolv.conf:ro"));
            }
            Err(_) => {
                let problem = value.error(format!("`{server}` is not the address of a name server"));
                problems.push(problem.help("write an IP address, and each server in a line of its own"));
            }
        }
        if resolver.servers.len() == MOST_SERVERS + 1 {
            let message =
                format!("this one is never asked: C libraries read the first {MOST_SERVERS} servers");
            problems.push(value.warning(message));
        }
    }
    for (domain, value) in each(settings, "DNSSearch", problems) {
        let domains = resolver.search.get_or_insert_default();
        if domain == "." {
            domains.clear();
        } else if is_name(&domain) {
            domains.push(domain);
        } else {
            let problem = value.error(format!("`{domain}` is not a domain"));
            problems.push(problem.help("write a domain such as example.org, or `.` for none at all"));
        }
    }
    for (option, value) in each(settings, "DNSOption", problems) {
        let is_word =
            !option.is_empty() && option.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
        if is_word {
            resolver.options.push(option);
        } else {
            let problem = value.error("this is not an option of resolv.conf(5)");
            problems.push(problem.help("write one option in each line, such as ndots:1"));
        }
    }
    resolver
}

/// The values of a key, which Podman divides at commas.
fn each<'a>(settings: &Settings<'a>, key: &str, problems: &mut Vec<Problem>) -> Vec<(String, Value<'a>)> {
    let values = settings.values(key, problems).into_iter();
    values
        .flat_map(|value| {
            let parts: Vec<String> = value.text.split(',').map(str::to_owned).collect();
            parts.into_iter().map(move |part| (part, value.clone()))
        })
        .collect()
}

/// Whether a line of `/etc/hosts` can hold it, or a search domain be it. Names that are not quite those of RFC 1123 are
/// in use: `_` is allowed.
pub(super) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= LONGEST && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_host() {
        let shown = |text: &str| {
            let entry = host(text).unwrap();
            (entry.names.join(" "), entry.address)
        };
        let ip = |text: &str| HostAddress::Ip(text.parse().unwrap());
        assert_eq!(shown("db:192.0.2.1"), ("db".to_owned(), ip("192.0.2.1")));
        assert_eq!(shown("a;b_c.d:::1"), ("a b_c.d".to_owned(), ip("::1")));
        assert_eq!(shown("a:[2001:db8::1]"), ("a".to_owned(), ip("2001:db8::1")));
        assert_eq!(
            shown("a:host-gateway"),
            ("a".to_owned(), HostAddress::HostGateway)
        );
        for bad in [
            "",
            "a",
            "a:",
            ":::1",
            "a;:::1",
            "a b:::1",
            "a:b",
            "a:::1%eth0",
            "-a:::1",
            "a\tb:::1",
            "%H:::1",
        ] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_fit_into_files() {
        assert!(is_name("a") && is_name("a-b.c_d.") && is_name("1.2.example"));
        for bad in ["", ".", "a..b", "a b", "a\n", "ä", "a.-b", &"x".repeat(64)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
