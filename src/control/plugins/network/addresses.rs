//! The addresses of the bridge, and the interfaces that lead out: what `/etc/dobby.json` says of the network.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::dobby::read::input;
use crate::dobby::read::node::Node;
use crate::dobby::read::problems::Findings;
use crate::error::{ErrorKind, Result};

/// Dobby's range.
const DEFAULT_RANGE: Range = Range(Ipv4Addr::new(100, 64, 11, 0));
/// The network of Dobby's IPv6 addresses, of 64 bits; the IPv4 address is their end.
const NETWORK6: [u16; 6] = [0x2080, 0xd0bb, 0x1e, 0, 0, 0];
/// The most bytes of an interface's name (`IFNAMSIZ`, without the NUL byte).
const MAX_NAME_BYTES: usize = 15;

/// A range of 256 addresses: the first is the network's, the second the bridge's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range(Ipv4Addr);

impl Range {
    /// The range of an address in it.
    pub(crate) fn around(address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        Self(Ipv4Addr::new(a, b, c, 0))
    }

    /// The address with the number `number`.
    pub(crate) fn address(self, number: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.0.octets();
        Ipv4Addr::new(a, b, c, number)
    }

    /// The bridge's address.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.address(1)
    }

    /// The range as netavark and iptables write it.
    pub(crate) fn subnet(self) -> String {
        format!("{}/24", self.0)
    }

    /// The network of the IPv6 addresses.
    pub(crate) fn subnet6() -> String {
        let [a, b, c, d, ..] = NETWORK6;
        format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
    }
}

/// The IPv6 address that belongs to an IPv4 address.
pub(crate) fn with6(address: Ipv4Addr) -> Ipv6Addr {
    let ([a, b, c, d], [n0, n1, n2, n3, n4, n5]) = (address.octets(), NETWORK6);
    Ipv6Addr::new(n0, n1, n2, n3, n4, n5, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// What the administrator says of the network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HostNetwork {
    pub(crate) range: Range,
    /// The only interfaces that containers reach the outside through; empty for all.
    pub(crate) external: Vec<String>,
}

impl HostNetwork {
    /// `network` of Dobby's settings. No file is the default.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Input`] for a file that cannot be read or has wrong values, all of them
    /// named.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let default = Self { range: DEFAULT_RANGE, external: Vec::new() };
        if !path.exists() {
            return Ok(default);
        }
        let json = input::read_file(path)?;
        let findings = Findings::default();
        let root = Node::new("", &json, &findings);
        let network = root.given("network").filter(|network| network.object().is_some());
        let read = network.map(|network| Self {
            range: range(&network).unwrap_or(DEFAULT_RANGE),
            external: external(&network),
        });
        findings.into_result(ErrorKind::Config, &format!("{} is refused", path.display()))?;
        Ok(read.unwrap_or(default))
    }
}

fn range(network: &Node<'_>) -> Option<Range> {
    let node = network.given("addressRange")?;
    match node.text()?.parse::<Ipv4Addr>() {
        Ok(address) if address.octets()[3] == 0 && !address.is_loopback() && !address.is_multicast() => {
            Some(Range(address))
        }
        _ => {
            node.wrong("is not an IPv4 address that ends in .0");
            None
        }
    }
}

/// One name or a list of them.
fn external(network: &Node<'_>) -> Vec<String> {
    let Some(node) = network.given("externalInterfaces") else { return Vec::new() };
    let nodes = if node.value().is_array() { node.items() } else { vec![node] };
    nodes.iter().filter_map(interface).collect()
}

/// The name of an interface, of characters that mean nothing else to iptables.
fn interface(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-:@".contains(c);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with('-') || !name.chars().all(fits) {
        node.wrong("is not the name of an interface");
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_dobby() {
        let range = DEFAULT_RANGE;
        assert_eq!(
            (range.subnet().as_str(), range.gateway().to_string()),
            ("100.64.11.0/24", "100.64.11.1".to_owned())
        );
        assert_eq!(with6(range.gateway()).to_string(), "2080:d0bb:1e::6440:b01");
        assert_eq!(Range::subnet6(), "2080:d0bb:1e::/64");
        assert_eq!(Range::around(range.address(7)), range);
    }

    #[test]
    fn settings_are_read_and_mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("dobby.json");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            HostNetwork::load(&file)
        };
        let read =
            load(r#"{"network": {"externalInterfaces": "eth0", "addressRange": "10.1.2.0"}}"#).unwrap();
        assert_eq!(
            read,
            HostNetwork { range: Range(Ipv4Addr::new(10, 1, 2, 0)), external: vec!["eth0".to_owned()] }
        );
        let many = load(r#"{"network": {"externalInterfaces": ["eth0", "wlan0"]}}"#).unwrap();
        assert_eq!((many.range, many.external.len()), (DEFAULT_RANGE, 2));
        assert!(load("{}").unwrap().external.is_empty());
        for (text, expected) in [
            (r#"{"network": 1}"#, "network: 1 is not an object"),
            (r#"{"network": {"addressRange": "10.1.2.3"}}"#, "network.addressRange: \"10.1.2.3\" is not"),
            (r#"{"network": {"externalInterfaces": ["eth+"]}}"#, "is not the name of an interface"),
        ] {
            let report = load(text).unwrap_err().report();
            assert!(report.contains(expected), "{report}");
        }
    }
}
