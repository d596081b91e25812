//! Subnets, as arithmetic on addresses of both families.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network by its first address and the length of its prefix, `10.0.0.0/24`. The rest of the address is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is no subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// Not an address, a slash and a number.
    #[error("this is not a subnet such as 10.0.0.0/24 or fd00:1::/64")]
    Form,
    /// The prefix is longer than the address.
    #[error("an address of this kind has {0} bits, and the prefix cannot be longer")]
    Prefix(u8),
    /// There is more than the prefix.
    #[error("this is an address within a subnet, which itself is {0}")]
    Host(Subnet),
}

impl Subnet {
    /// The default bridge's, if the host's settings say nothing.
    pub const DEFAULT: Self = Self {
        network: IpAddr::V4(Ipv4Addr::new(10, 90, 0, 0)),
        prefix: 16,
    };

    /// The subnet of `prefix` bits in which `address` lies.
    ///
    /// # Errors
    /// The prefix is longer than the address.
    pub fn around(address: IpAddr, prefix: u8) -> Result<Self, SubnetError> {
        let bits = bits_of(address);
        if prefix > bits {
            return Err(SubnetError::Prefix(bits));
        }
        let network = from_number(to_number(address) & !hosts(bits, prefix), address);
        Ok(Self { network, prefix })
    }

    /// Its first address, which stands for the subnet itself.
    pub fn network(self) -> IpAddr {
        self.network
    }

    /// Length of the prefix.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether it is one of IPv6.
    pub fn is_ipv6(self) -> bool {
        self.network.is_ipv6()
    }

    /// Its last address.
    pub fn last(self) -> IpAddr {
        let hosts = hosts(bits_of(self.network), self.prefix);
        from_number(to_number(self.network) | hosts, self.network)
    }

    /// Whether the address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        Self::around(address, self.prefix).is_ok_and(|other| other == self)
    }

    /// Whether an address lies in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// The first and the last address that a pod or the host can have in it: not the subnet itself, nor in IPv4 the
    /// broadcast address.
    pub fn usable(self) -> (IpAddr, IpAddr) {
        let step =
            |address, by: i8| from_number(to_number(address).saturating_add_signed(by.into()), address);
        // Neither of the two is special where there are no more.
        if bits_of(self.network) - self.prefix <= 1 {
            return (self.network, self.last());
        }
        let last = if self.is_ipv6() {
            self.last()
        } else {
            step(self.last(), -1)
        };
        (step(self.network, 1), last)
    }

    /// The address that the host has in it, if nothing else is said.
    pub fn gateway(self) -> IpAddr {
        self.usable().0
    }
}

/// Addresses of one family from `first` to `last`, in order.
pub fn addresses(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    (to_number(first)..=to_number(last)).map(move |number| from_number(number, first))
}

fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// The bits that are not of the prefix.
fn hosts(bits: u8, prefix: u8) -> u128 {
    u128::MAX.checked_shr(u32::from(128 - bits + prefix)).unwrap_or(0)
}

fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// An address of the same family as `like`.
fn from_number(number: u128, like: IpAddr) -> IpAddr {
    match like {
        // No number here is larger than an address of its family.
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (address, prefix) = text.split_once('/').ok_or(SubnetError::Form)?;
        let address: IpAddr = address.parse().map_err(|_| SubnetError::Form)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = digits
            .then(|| prefix.parse().ok())
            .flatten()
            .ok_or(SubnetError::Form)?;
        let subnet = Self::around(address, prefix)?;
        if subnet.network == address {
            Ok(subnet)
        } else {
            Err(SubnetError::Host(subnet))
        }
    }
}

impl TryFrom<String> for Subnet {
    type Error = SubnetError;

    fn try_from(text: String) -> Result<Self, SubnetError> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn texts_are_subnets_or_not() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "192.0.2.1/32",
            "fd00:1::/64",
            "::/0",
            "::1/128",
        ] {
            assert_eq!(subnet(text).to_string(), text);
        }
        assert_eq!(
            "10.0.0.1/8".parse::<Subnet>(),
            Err(SubnetError::Host(subnet("10.0.0.0/8")))
        );
        assert_eq!("10.0.0.0/33".parse::<Subnet>(), Err(SubnetError::Prefix(32)));
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/+8",
            "a/8",
            "10.0.0.0/999",
        ] {
            assert_eq!(bad.parse::<Subnet>(), Err(SubnetError::Form), "{bad}");
        }
    }

    #[test]
    fn arithmetic_of_both_families() {
        let usable = |text: &str| {
            let (first, last) = subnet(text).usable();
            format!("{first} {last}")
        };
        assert_eq!(usable("10.0.0.0/24"), "10.0.0.1 10.0.0.254");
        assert_eq!(usable("10.0.0.0/31"), "10.0.0.0 10.0.0.1");
        assert_eq!(usable("10.0.0.9/32"), "10.0.0.9 10.0.0.9");
        assert_eq!(usable("0.0.0.0/0"), "0.0.0.1 255.255.255.254");
        assert_eq!(usable("fd00::/64"), "fd00::1 fd00::ffff:ffff:ffff:ffff");
        assert_eq!(
            subnet("::/0").last().to_string(),
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        );
        assert!(subnet("10.0.0.0/8").overlaps(subnet("10.1.0.0/16")));
        assert!(subnet("10.1.0.0/16").overlaps(subnet("10.0.0.0/8")));
        assert!(!subnet("10.1.0.0/16").overlaps(subnet("10.2.0.0/16")));
        assert!(!subnet("::/0").contains("10.0.0.1".parse().unwrap()));
        let all: Vec<IpAddr> =
            addresses("10.0.0.254".parse().unwrap(), "10.0.1.1".parse().unwrap()).collect();
        assert_eq!(all.len(), 4);
    }
}
