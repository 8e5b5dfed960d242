//! The owner of one TCP socket, asked of the kernel by sock_diag(7): one question, however many sockets there are.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// What the kernel reports of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Its state, as in `include/net/tcp_states.h` of the kernel.
    pub(super) state: u8,
    /// Its owner.
    pub(super) uid: u32,
    /// Its inode number; 0 when no process holds it any more.
    pub(super) inode: u32,
}

const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
/// The length of a `struct nlmsghdr`, netlink(7).
const HEADER: usize = 16;
/// The length of a `struct inet_diag_req_v2`, sock_diag(7).
const REQUEST: usize = 56;
/// Where in a `struct inet_diag_msg` the owner stands; the inode follows.
const UID: usize = 64;

/// The socket whose own address is `local` and whose other end is `remote`; `None` when there is none.
///
/// # Errors
/// The kernel's: it may be built without sock_diag.
pub(super) fn find(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Found>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &question(local, remote), SendFlags::empty())?;
    let mut answer = [0; 512];
    // The answer is there when the question has been taken.
    let (length, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default())
}

/// A `struct nlmsghdr` and a `struct inet_diag_req_v2`: numbers in the machine's byte order, addresses in the network's.
fn question(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(u32::try_from(HEADER + REQUEST).unwrap_or_default().to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // Sequence number and port: there is one question and one asker.
    bytes.extend([u8::try_from(family.as_raw()).unwrap_or_default(), IPPROTO_TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // Any state.
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    bytes.extend(padded(local.ip()));
    bytes.extend(padded(remote.ip()));
    bytes.extend([0; 4]); // Any interface.
    bytes.extend([0xff; 8]); // No cookie.
    bytes
}

/// An address in the 16 bytes that there are for it.
fn padded(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

/// The answer: an error, or a `struct inet_diag_msg`.
fn read(answer: &[u8]) -> io::Result<Option<Found>> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer makes no sense");
    let word = |at: usize| -> io::Result<[u8; 4]> {
        answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(strange)
    };
    let [low, high, ..] = word(4)?;
    match u16::from_ne_bytes([low, high]) {
        NLMSG_ERROR => {
            let error = io::Error::from_raw_os_error(-i32::from_ne_bytes(word(HEADER)?));
            if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
        }
        SOCK_DIAG_BY_FAMILY => {
            let [_family, state, ..] = word(HEADER)?;
            let uid = u32::from_ne_bytes(word(HEADER + UID)?);
            Ok(Some(Found { state, uid, inode: u32::from_ne_bytes(word(HEADER + UID + 4)?) }))
        }
        _ => Err(strange()),
    }
}
