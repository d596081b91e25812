//! Proxies, from the environment as Go's programs read it: `HTTPS_PROXY` for https, `HTTP_PROXY` for http, each in
//! lower case too, and `NO_PROXY` for what is reached without. This machine itself never is reached by a proxy.

use super::error::RegistryError;
use super::url::Url;
use std::net::IpAddr;

/// What the environment says of proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    without: Vec<String>,
}

impl Proxies {
    /// Reads an environment.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase()))
        };
        let without = either("NO_PROXY").unwrap_or_default();
        Self {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            without: without
                .split([',', ' '])
                .filter(|word| !word.is_empty())
                .map(str::to_ascii_lowercase)
                .collect(),
        }
    }

    /// The proxy through which `url` is reached, if one is.
    ///
    /// # Errors
    /// A variable with a value that is no proxy.
    pub fn for_url(&self, url: &Url) -> Result<Option<ureq::Proxy>, RegistryError> {
        let (name, proxy) = match url.is_https() {
            true => ("HTTPS_PROXY", &self.https),
            false => ("HTTP_PROXY", &self.http),
        };
        let Some(proxy) = proxy.as_deref().filter(|_| !self.is_without(url)) else {
            return Ok(None);
        };
        // Its value may hold a password, so that it is not printed.
        let problem =
            |_| RegistryError::Setting(format!("{name}: its value is no proxy: write http://HOST:PORT"));
        ureq::Proxy::new(proxy.trim()).map(Some).map_err(problem)
    }

    fn is_without(&self, url: &Url) -> bool {
        let host = url.host();
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        is_here
            || self.without.iter().any(|rule| {
                let (name, port) = match rule.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => {
                        (name, Some(port))
                    }
                    _ => (rule.as_str(), None),
                };
                port.is_none_or(|port| port == url.port().to_string()) && covers(name, host, address)
            })
    }
}

/// Whether a rule of `NO_PROXY` is about a host.
fn covers(rule: &str, host: &str, address: Option<IpAddr>) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some(address) = address {
        let rule = rule.trim_start_matches('[').trim_end_matches(']');
        return match rule.split_once('/') {
            Some((network, bits)) => in_network(network, bits, address).unwrap_or(false),
            None => rule.parse() == Ok(address),
        };
    }
    let rule = rule.strip_prefix('*').unwrap_or(rule);
    match rule.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => {
            host == rule
                || host
                    .strip_suffix(rule)
                    .is_some_and(|rest| rest.ends_with('.') && !rule.is_empty())
        }
    }
}

fn in_network(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = Proxies::new(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let proxy = proxies.for_url(&Url::parse(url).unwrap()).unwrap();
        proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_own() {
        let both = [("HTTP_PROXY", "http://h:1"), ("https_proxy", "s:2")];
        assert_eq!(proxy(&both, "http://a").as_deref(), Some("h:1"));
        assert_eq!(proxy(&both, "https://a").as_deref(), Some("s:2"));
        assert_eq!(proxy(&both[..1], "https://a"), None);
        assert_eq!(
            proxy(&[("HTTPS_PROXY", "socks5://s")], "https://a").as_deref(),
            Some("s:1080")
        );
        assert_eq!(proxy(&[("HTTPS_PROXY", "")], "https://a"), None);
        for here in [
            "https://localhost:5000",
            "https://127.0.0.2",
            "https://[::1]:5000",
        ] {
            assert_eq!(proxy(&both, here), None);
        }
    }

    #[test]
    fn hosts_without() {
        let without = |rules: &str, url: &str| {
            proxy(&[("HTTPS_PROXY", "http://h:1"), ("no_proxy", rules)], url).is_none()
        };
        for (rules, url) in [
            ("*", "https://a.b"),
            ("x, a.b", "https://a.b"),
            ("a.b", "https://c.a.b"),
            (".a.b", "https://c.a.b"),
            ("*.a.b", "https://c.a.b"),
            ("A.B:443", "https://a.b"),
            ("10.0.0.0/8", "https://10.1.2.3:5000"),
            ("10.1.2.3", "https://10.1.2.3:5000"),
            ("fd00::/8", "https://[fd12::1]"),
        ] {
            assert!(without(rules, url), "{rules} {url}");
        }
        for (rules, url) in [
            ("a.b", "https://xa.b"),
            (".a.b", "https://a.b"),
            ("a.b:5000", "https://a.b"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.0.0.0/99", "https://10.1.2.3"),
            ("b", "https://[fd12::b]"),
            ("", "https://a"),
        ] {
            assert!(!without(rules, url), "{rules} {url}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let proxies = Proxies::new(|name| (name == "HTTPS_PROXY").then(|| "ftp://u:secret@h".to_owned()));
        let error = proxies.for_url(&Url::parse("https://a").unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("HTTPS_PROXY") && !error.to_string().contains("secret"));
    }
}
