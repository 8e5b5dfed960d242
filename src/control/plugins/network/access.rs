//! What a container may reach.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::control::plugins::network::addresses::{Range, with6};
use crate::control::plugins::network::wishes::{Between, Port, Protocol};

/// Dobby's bridge.
pub(crate) const BRIDGE: &str = "dobby0";
/// How names are asked for.
const DNS: [Port; 2] =
    [Port { port: 53, protocol: Protocol::Udp }, Port { port: 53, protocol: Protocol::Tcp }];

/// What a container may reach: what all rules are made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Its IPv4 address, which is also the end of its IPv6 address.
    pub(crate) address: Ipv4Addr,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    /// The bridge's port that it is connected to; empty if it is not known.
    pub(crate) link: String,
    /// The only interfaces that it reaches the outside through; empty for all.
    pub(crate) external: Vec<String>,
    /// Ports of the host.
    pub(crate) to_host: Vec<Port>,
    /// Ports of containers.
    pub(crate) between: Vec<Between>,
    /// The host's address that answers for names, if the container may ask it.
    pub(crate) resolver: Option<Ipv4Addr>,
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// An address as this family writes it in front of a port.
    pub(crate) fn socket(address: IpAddr, port: u16) -> String {
        std::net::SocketAddr::new(address, port).to_string()
    }

    fn of(self, address: Ipv4Addr) -> IpAddr {
        match self {
            Self::V4 => address.into(),
            Self::V6 => with6(address).into(),
        }
    }
}

impl Access {
    /// A container that is known by its IPv4 address only: it reaches the outside.
    pub(crate) fn only_out(address: Ipv4Addr) -> Self {
        Self {
            address,
            ipv4: true,
            ipv6: false,
            link: String::new(),
            external: Vec::new(),
            to_host: Vec::new(),
            between: Vec::new(),
            resolver: None,
        }
    }

    pub(crate) fn source(&self, family: Family) -> Option<IpAddr> {
        let has = if family == Family::V4 { self.ipv4 } else { self.ipv6 };
        has.then(|| family.of(self.address))
    }

    pub(crate) fn gateway(&self, family: Family) -> IpAddr {
        family.of(Range::around(self.address).gateway())
    }

    /// Ports of the host that it may use, each with the host's address that serves it. The kernel leads no IPv6 packet to
    /// `::1`: there it is the bridge's own address.
    pub(crate) fn granted(&self, family: Family) -> Vec<(Port, IpAddr)> {
        let place = |local: Ipv4Addr| match family {
            Family::V4 => local.into(),
            Family::V6 => self.gateway(family),
        };
        let mut all: Vec<_> = self.to_host.iter().map(|port| (*port, place(Ipv4Addr::LOCALHOST))).collect();
        if let Some(resolver) = self.resolver {
            all.extend(DNS.map(|port| (port, place(resolver))));
        }
        all
    }
}
