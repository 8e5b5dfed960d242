//! The few requests to the kernel about links that netavark does not make (rtnetlink(7)).

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use crate::error::{Result, Tried};
use crate::process::apart;

// linux/rtnetlink.h, linux/netlink.h.
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const NEW_NEIGHBOUR: u16 = 28;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const REPLACE: u16 = 0x100;
const CREATE: u16 = 0x400;
const NESTED: u16 = 0x8000;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
const AF_INET6: u8 = 10;
// linux/if_link.h: of links.
const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_PEER: u16 = 5;
const LINK_PORT: u16 = 12;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
// Of ports of a bridge, and of a bridge.
const PORT_LEARNING: u16 = 8;
const PORT_ISOLATED: u16 = 33;
const BRIDGE_CALLS_IPTABLES: u16 = 36;
const BRIDGE_CALLS_IP6TABLES: u16 = 37;
// linux/if_addr.h.
const ADDRESS_ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ADDRESS_NO_DAD: u8 = 2;
// linux/neighbour.h.
const NEIGHBOUR_ADDRESS: u16 = 1;
const NEIGHBOUR_HARDWARE: u16 = 2;
const NEIGHBOUR_NO_ARP: u16 = 0x40;
const NEIGHBOUR_PERMANENT: u16 = 0x80;
const NEIGHBOUR_OF_MASTER: u8 = 4;
/// The most bytes of an answer: a link with all its attributes has some KiB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// The other end of a veth pair, in that end's network.
    pub(crate) peer: u32,
    /// Its hardware address.
    pub(crate) hardware: Vec<u8>,
}

/// A connection to the kernel about one network.
pub(crate) struct Netlink(OwnedFd);

impl Netlink {
    /// About this process's network.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn new() -> Result<Self> {
        // The protocol 0 is NETLINK_ROUTE.
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .map(Self)
            .tried(|| "cannot talk to the kernel about links")
    }

    /// About the network that is pinned at `place`.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn of(place: &Path) -> Result<Self> {
        within(place, Self::new)?
    }

    /// A link by its name.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn by_name(&self, name: &str) -> Result<Link> {
        let mut text = name.as_bytes().to_vec();
        text.push(0);
        self.link(link_header(AF_UNSPEC, 0), attribute(LINK_NAME, &text), &format!("the link {name}"))
    }

    /// A link by its number.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn by_index(&self, index: u32) -> Result<Link> {
        self.link(link_header(AF_UNSPEC, index), Vec::new(), &format!("the link {index}"))
    }

    fn link(&self, header: Vec<u8>, attributes: Vec<u8>, what: &str) -> Result<Link> {
        let answer = self.request((GET_LINK, 0), &[header, attributes].concat(), what)?;
        let index = answer.get(4..8).map(number).unwrap_or_default();
        let mut link = Link { index, ..Link::default() };
        for (kind, value) in attributes_of(answer.get(16..).unwrap_or_default()) {
            match kind {
                LINK_ADDRESS => link.hardware = value.to_vec(),
                LINK_NAME => link.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
                LINK_PEER => link.peer = number(value),
                _ => {}
            }
        }
        Ok(link)
    }

    /// Sets up a port of a bridge: it reaches other `isolated` ports no more, and keeps to the hardware address that it
    /// is given.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn confine(&self, port: &Link, hardware: &[u8], isolated: bool) -> Result<()> {
        let what = format!("the port {} of the bridge", port.name);
        let flags =
            [attribute(PORT_ISOLATED, &[u8::from(isolated)]), attribute(PORT_LEARNING, &[0])].concat();
        let body = [link_header(AF_BRIDGE, port.index), attribute(LINK_PORT | NESTED, &flags)].concat();
        self.request((SET_LINK, 0), &body, &what)?;
        let body = [
            neighbour_header(AF_BRIDGE, port.index, (NEIGHBOUR_NO_ARP, NEIGHBOUR_OF_MASTER)),
            attribute(NEIGHBOUR_HARDWARE, hardware),
        ];
        self.request((NEW_NEIGHBOUR, CREATE | REPLACE), &body.concat(), &what).map(drop)
    }

    /// Fixes which hardware address a neighbour has, whatever it or another says.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn fix_neighbour(&self, bridge: &Link, address: IpAddr, hardware: &[u8]) -> Result<()> {
        let body = [
            neighbour_header(family(address), bridge.index, (NEIGHBOUR_PERMANENT, 0)),
            attribute(NEIGHBOUR_ADDRESS, &octets(address)),
            attribute(NEIGHBOUR_HARDWARE, hardware),
        ];
        self.request((NEW_NEIGHBOUR, CREATE | REPLACE), &body.concat(), &format!("the neighbour {address}"))
            .map(drop)
    }

    /// Has iptables look at packets that a bridge passes from port to port, too, and keeps the bridge's hardware address,
    /// which would change with its ports.
    ///
    /// # Errors
    /// The kernel's; it ignores the first wish without the module `br_netfilter`.
    pub(crate) fn set_up_bridge(&self, bridge: &Link) -> Result<()> {
        let what = format!("the bridge {}", bridge.name);
        let body = [link_header(AF_UNSPEC, bridge.index), attribute(LINK_ADDRESS, &bridge.hardware)].concat();
        self.request((SET_LINK, 0), &body, &what)?;
        let data = [attribute(BRIDGE_CALLS_IPTABLES, &[1]), attribute(BRIDGE_CALLS_IP6TABLES, &[1])].concat();
        let info = [attribute(INFO_KIND, b"bridge"), attribute(INFO_DATA | NESTED, &data)].concat();
        let body = [link_header(AF_UNSPEC, bridge.index), attribute(LINK_INFO | NESTED, &info)].concat();
        self.request((NEW_LINK, 0), &body, &what).map(drop)
    }

    /// Gives a link an address, unless it has it.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn add_address(&self, link: &Link, address: IpAddr, prefix: u8) -> Result<()> {
        let mut body = vec![family(address), prefix, if address.is_ipv6() { ADDRESS_NO_DAD } else { 0 }, 0];
        body.extend(link.index.to_ne_bytes());
        body.extend(attribute(ADDRESS_LOCAL, &octets(address)));
        body.extend(attribute(ADDRESS_ADDRESS, &octets(address)));
        self.request((NEW_ADDRESS, CREATE | REPLACE), &body, &format!("the address {address}")).map(drop)
    }

    /// Sends one request and gives the body of the first answer that is not the acknowledgement.
    fn request(&self, (kind, flags): (u16, u16), body: &[u8], what: &str) -> Result<Vec<u8>> {
        let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST | ACKNOWLEDGE | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        let tried = || format!("the kernel refuses a request about {what}");
        send(&self.0, &message, SendFlags::empty()).tried(tried)?;
        let mut answer = None;
        let mut buffer = vec![0; MAX_ANSWER_BYTES];
        loop {
            let (_, length) = recv(&self.0, &mut buffer, RecvFlags::empty()).tried(tried)?;
            for (kind, body) in messages(buffer.get(..length).unwrap_or_default()) {
                if kind != ERROR {
                    answer.get_or_insert_with(|| body.to_vec());
                    continue;
                }
                let code = body.get(..4).map(number).unwrap_or_default().cast_signed();
                if code == 0 {
                    return Ok(answer.unwrap_or_default());
                }
                return Err(std::io::Error::from_raw_os_error(code.saturating_neg())).tried(tried);
            }
        }
    }
}

/// Does something in the network that is pinned at `place`: in a thread of its own, which ends with it.
///
/// # Errors
/// The kernel's.
pub(crate) fn within<T: Send>(place: &Path, work: impl FnOnce() -> T + Send) -> Result<T> {
    let namespace = File::open(place).tried(|| format!("cannot open {}", place.display()))?;
    let there = || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)
            .map_err(std::io::Error::from)
            .tried(|| format!("cannot enter the network {}", place.display()))?;
        Ok(work())
    };
    apart(there)
}

fn link_header(family: u8, index: u32) -> Vec<u8> {
    let mut header = vec![family, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend([0; 8]);
    header
}

fn neighbour_header(family: u8, index: u32, (state, flags): (u16, u8)) -> Vec<u8> {
    let mut header = vec![family, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(state.to_ne_bytes());
    header.extend([flags, 0]);
    header
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut text = u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes().to_vec();
    text.extend(kind.to_ne_bytes());
    text.extend(value);
    text.resize(text.len().next_multiple_of(4), 0);
    text
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map(u32::from_ne_bytes).unwrap_or_default()
}

/// The kind and body of each message.
fn messages(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    parts(bytes, |head| (number(head.get(..4).unwrap_or_default()) as usize, short(head.get(4..6))), 16)
}

/// The kind and value of each attribute.
fn attributes_of(bytes: &[u8]) -> Vec<(u16, &[u8])> {
    parts(bytes, |head| (usize::from(short(head.get(..2))), short(head.get(2..4)) & !NESTED), 4)
}

fn short(bytes: Option<&[u8]>) -> u16 {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes).unwrap_or_default()
}

fn parts(mut bytes: &[u8], head: impl Fn(&[u8]) -> (usize, u16), header: usize) -> Vec<(u16, &[u8])> {
    let mut parts = Vec::new();
    while bytes.len() >= header {
        let (length, kind) = head(bytes);
        let Some(body) = bytes.get(header..length) else { break };
        parts.push((kind, body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    parts
}

/// Whether something on this host answers for names on a local address.
pub(crate) fn answers_for_names(address: Ipv4Addr) -> bool {
    let wanted = [address, Ipv4Addr::UNSPECIFIED];
    let wanted = wanted.map(|address| format!("{:08X}:0035", u32::from_ne_bytes(address.octets())));
    let udp = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let udp6 = std::fs::read_to_string("/proc/net/udp6").unwrap_or_default();
    let local = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    udp.lines().any(|line| wanted.contains(&local(line)))
        || udp6.lines().any(|line| local(line) == format!("{}:0035", "0".repeat(32)))
}
